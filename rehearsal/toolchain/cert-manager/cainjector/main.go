// cert-manager's injector of authorities into webhooks.
package main

import (
	"context"

	"github.com/spf13/pflag"
	admission "k8s.io/api/admissionregistration/v1"
	core "k8s.io/api/core/v1"
	extensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	cliflag "k8s.io/component-base/cli/flag"
	logsapi "k8s.io/component-base/logs/api/v1"
	registration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	config "github.com/cert-manager/cert-manager/internal/apis/config/cainjector"
	"github.com/cert-manager/cert-manager/internal/apis/config/cainjector/scheme"
	_ "github.com/cert-manager/cert-manager/internal/cainjector/feature"
	"github.com/cert-manager/cert-manager/internal/kube"
	certmanager "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	versioned "github.com/cert-manager/cert-manager/pkg/apis/config/cainjector/v1alpha1"
	injectorfile "github.com/cert-manager/cert-manager/pkg/cainjector/configfile"
	"github.com/cert-manager/cert-manager/pkg/controller/cainjector"
	"github.com/cert-manager/cert-manager/pkg/logs"
	"github.com/cert-manager/cert-manager/pkg/util"
	"github.com/cert-manager/cert-manager/pkg/util/configfile"
	"github.com/cert-manager/cert-manager/rehearsal/program"
)

const lease = "cert-manager-cainjector-leader-election"

func main() {
	known, _, err := scheme.NewSchemeAndCodecs()
	injector := program.Program[config.CAInjectorConfiguration]{
		Settings: program.Defaulted[config.CAInjectorConfiguration, versioned.CAInjectorConfiguration](known, err),
		Logging:  func(c *config.CAInjectorConfiguration) *logsapi.LoggingConfiguration { return &c.Logging },
		Features: func(c *config.CAInjectorConfiguration) map[string]bool { return c.FeatureGates },
		Flags:    flags,
		Load:     load,
		Run:      run,
	}
	injector.Main()
}

func flags(set *pflag.FlagSet, c *config.CAInjectorConfiguration) {
	set.StringVar(&c.KubeConfig, "kubeconfig", c.KubeConfig, "file that says how to reach the cluster")
	set.StringVar(&c.Namespace, "namespace", c.Namespace, "the only namespace that is watched")
	set.StringVar(&c.MetricsListenAddress, "metrics-listen-address", c.MetricsListenAddress, "address of metrics, 0: none")
	set.Var(cliflag.NewMapStringBool(&c.FeatureGates), "feature-gates", "experiments that are on or off")
	e := &c.LeaderElectionConfig
	program.Election(set, &e.Enabled, &e.Namespace, &e.LeaseDuration, &e.RenewDeadline, &e.RetryPeriod)
	logs.AddFlags(&c.Logging, set)
}

func load(read func(configfile.ConfigFile) error) (*config.CAInjectorConfiguration, error) {
	file := injectorfile.New()
	err := read(file)
	return file.Config, err
}

func run(ctx context.Context, c *config.CAInjectorConfiguration) error {
	cluster, err := kube.BuildClientConfig("", c.KubeConfig)
	if err != nil {
		return err
	}
	options, err := managerOptions(c)
	if err != nil {
		return err
	}
	manager, err := ctrl.NewManager(util.RestConfigWithUserAgent(cluster, "cainjector"), options)
	if err != nil {
		return err
	}
	err = cainjector.RegisterAllInjectors(ctx, manager, cainjector.SetupOptions{
		Namespace:                    c.Namespace,
		IgnoreNamespaces:             c.IgnoreNamespaces,
		EnableCertificatesDataSource: c.EnableDataSourceConfig.Certificates,
		EnabledReconcilersFor: map[string]bool{
			cainjector.MutatingWebhookConfigurationName:   c.EnableInjectableConfig.MutatingWebhookConfigurations,
			cainjector.ValidatingWebhookConfigurationName: c.EnableInjectableConfig.ValidatingWebhookConfigurations,
			cainjector.APIServiceName:                     c.EnableInjectableConfig.APIServices,
			cainjector.CustomResourceDefinitionName:       c.EnableInjectableConfig.CustomResourceDefinitions,
		},
	})
	if err != nil {
		return err
	}
	return manager.Start(ctx)
}

func managerOptions(c *config.CAInjectorConfiguration) (ctrl.Options, error) {
	kinds, e := runtime.NewScheme(), c.LeaderElectionConfig
	for _, add := range []func(*runtime.Scheme) error{
		admission.AddToScheme, core.AddToScheme, extensions.AddToScheme, registration.AddToScheme, certmanager.AddToScheme,
	} {
		if err := add(kinds); err != nil {
			return ctrl.Options{}, err
		}
	}
	options := ctrl.Options{
		Scheme: kinds,
		// secrets are read when they are needed: only their names are kept
		Client:                        client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{new(core.Secret)}}},
		LeaderElection:                e.Enabled,
		LeaderElectionNamespace:       e.Namespace,
		LeaderElectionID:              lease,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &e.LeaseDuration,
		RenewDeadline:                 &e.RenewDeadline,
		RetryPeriod:                   &e.RetryPeriod,
		Metrics:                       server.Options{BindAddress: c.MetricsListenAddress},
	}
	if c.Namespace != "" {
		options.Cache.DefaultNamespaces = map[string]cache.Config{c.Namespace: {}}
	}
	return options, nil
}
