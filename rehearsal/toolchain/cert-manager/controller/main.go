// cert-manager's controller.
package main

import (
	"context"
	"errors"
	"net"
	"net/http"

	"golang.org/x/sync/errgroup"
	logsapi "k8s.io/component-base/logs/api/v1"

	config "github.com/cert-manager/cert-manager/internal/apis/config/controller"
	"github.com/cert-manager/cert-manager/internal/apis/config/controller/scheme"
	_ "github.com/cert-manager/cert-manager/internal/controller/feature"
	versioned "github.com/cert-manager/cert-manager/pkg/apis/config/controller/v1alpha1"
	"github.com/cert-manager/cert-manager/pkg/controller"
	controllerfile "github.com/cert-manager/cert-manager/pkg/controller/configfile"
	"github.com/cert-manager/cert-manager/pkg/healthz"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/acme"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/ca"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/selfsigned"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/vault"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/venafi"
	"github.com/cert-manager/cert-manager/pkg/util/configfile"
	"github.com/cert-manager/cert-manager/rehearsal/program"
)

func main() {
	known, _, err := scheme.NewSchemeAndCodecs()
	manager := program.Program[config.ControllerConfiguration]{
		Settings: program.Defaulted[config.ControllerConfiguration, versioned.ControllerConfiguration](known, err),
		Logging:  func(c *config.ControllerConfiguration) *logsapi.LoggingConfiguration { return &c.Logging },
		Features: func(c *config.ControllerConfiguration) map[string]bool { return c.FeatureGates },
		Flags:    flags,
		Load:     load,
		Run:      run,
	}
	manager.Main()
}

func load(read func(configfile.ConfigFile) error) (*config.ControllerConfiguration, error) {
	file := controllerfile.New()
	err := read(file)
	return file.Config, err
}

// run serves metrics and health at once, and controls while it leads.
func run(ctx context.Context, c *config.ControllerConfiguration) error {
	settings, err := options(c)
	if err != nil {
		return err
	}
	factory, err := controller.NewContextFactory(ctx, settings)
	if err != nil {
		return err
	}
	built, err := factory.Build()
	if err != nil {
		return err
	}
	health := healthz.NewServer(c.LeaderElectionConfig.HealthzTimeout)
	group, ctx := errgroup.WithContext(ctx)
	if err := listen(ctx, group, c.MetricsListenAddress, metrics(built)); err != nil {
		return err
	}
	if err := listen(ctx, group, c.HealthzListenAddress, health.Start); err != nil {
		return err
	}
	group.Go(func() error {
		return lead(ctx, c, built, health.LeaderHealthzAdaptor, func(ctx context.Context) error {
			return control(ctx, c, factory, built)
		})
	})
	return group.Wait()
}

func listen(ctx context.Context, group *errgroup.Group, address string, serve func(context.Context, net.Listener) error) error {
	if address == "" || address == "0" {
		return nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	group.Go(func() error { return serve(ctx, listener) })
	return nil
}

func metrics(built *controller.Context) func(context.Context, net.Listener) error {
	own := built.SharedInformerFactory.Certmanager().V1()
	built.Metrics.SetupACMECollector(built.SharedInformerFactory.Acme().V1().Challenges().Lister())
	built.Metrics.SetupCertificateCollector(own.Certificates().Lister())
	built.Metrics.SetupIssuerCollector(own.Issuers().Lister())
	if built.Namespace == "" {
		built.Metrics.SetupClusterIssuerCollector(own.ClusterIssuers().Lister())
	}
	return func(ctx context.Context, listener net.Listener) error {
		server := built.Metrics.NewServer(listener)
		go func() {
			<-ctx.Done()
			_ = server.Close()
		}()
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}
}
