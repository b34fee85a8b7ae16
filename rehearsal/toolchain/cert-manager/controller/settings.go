package main

import (
	"fmt"
	"net"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/sets"
	cliflag "k8s.io/component-base/cli/flag"

	config "github.com/cert-manager/cert-manager/internal/apis/config/controller"
	"github.com/cert-manager/cert-manager/internal/apis/config/controller/v1alpha1"
	"github.com/cert-manager/cert-manager/internal/pem"
	"github.com/cert-manager/cert-manager/pkg/controller"
	gateways "github.com/cert-manager/cert-manager/pkg/controller/certificate-shim/gateways"
	"github.com/cert-manager/cert-manager/pkg/issuer/acme/dns/util"
	"github.com/cert-manager/cert-manager/pkg/logs"
	"github.com/cert-manager/cert-manager/rehearsal/program"
)

// flags are those that the chart can set, and some that users add.
func flags(set *pflag.FlagSet, c *config.ControllerConfiguration) {
	texts(set, c)
	set.StringSliceVar(&c.Controllers, "controllers", c.Controllers, "which controllers run: *, NAME, -NAME")
	set.IntVar(&c.MaxConcurrentChallenges, "max-concurrent-challenges", c.MaxConcurrentChallenges, "challenges at once")
	set.IntVar(&c.NumberOfConcurrentWorkers, "concurrent-workers", c.NumberOfConcurrentWorkers, "workers of a controller")
	set.BoolVar(&c.EnableCertificateOwnerRef, "enable-certificate-owner-ref", c.EnableCertificateOwnerRef, "secrets go with certificates")
	set.BoolVar(&c.GatewayAPIConfig.Enabled, "enable-gateway-api", c.GatewayAPIConfig.Enabled, "look at Gateways")
	set.Var(cliflag.NewMapStringBool(&c.FeatureGates), "feature-gates", "experiments that are on or off")
	e, dns, http := &c.LeaderElectionConfig, &c.ACMEDNS01Config, &c.ACMEHTTP01Config
	set.StringSliceVar(&dns.RecursiveNameservers, "dns01-recursive-nameservers", dns.RecursiveNameservers, "who is asked for records")
	set.BoolVar(&dns.RecursiveNameserversOnly, "dns01-recursive-nameservers-only", dns.RecursiveNameserversOnly, "and nobody else")
	set.DurationVar(&dns.CheckRetryPeriod, "dns01-check-retry-period", dns.CheckRetryPeriod, "time between two looks")
	set.StringSliceVar(&http.SolverNameservers, "acme-http01-solver-nameservers", http.SolverNameservers, "who is asked for addresses")
	set.StringToStringVar(&http.SolverExtraLabels, "acme-http01-solver-extra-labels", http.SolverExtraLabels, "labels of solvers")
	program.Election(set, &e.Enabled, &e.Namespace, &e.LeaseDuration, &e.RenewDeadline, &e.RetryPeriod)
	logs.AddFlags(&c.Logging, set)
}

func texts(set *pflag.FlagSet, c *config.ControllerConfiguration) {
	for name, text := range map[string]*string{
		"kubeconfig":                            &c.KubeConfig,
		"namespace":                             &c.Namespace,
		"cluster-resource-namespace":            &c.ClusterResourceNamespace,
		"metrics-listen-address":                &c.MetricsListenAddress,
		"default-issuer-name":                   &c.IngressShimConfig.DefaultIssuerName,
		"default-issuer-kind":                   &c.IngressShimConfig.DefaultIssuerKind,
		"default-issuer-group":                  &c.IngressShimConfig.DefaultIssuerGroup,
		"acme-http01-solver-image":              &c.ACMEHTTP01Config.SolverImage,
		"acme-http01-solver-runtime-class-name": &c.ACMEHTTP01Config.SolverRuntimeClassName,
	} {
		set.StringVar(text, name, *text, "as its name says")
	}
}

// options is what controllers are given of the settings.
func options(c *config.ControllerConfiguration) (controller.ContextOptions, error) {
	pem.SetGlobalSizeLimits(pem.NewSizeLimitsFromConfig(
		c.PEMSizeLimitsConfig.MaxCertificateSize, c.PEMSizeLimitsConfig.MaxPrivateKeySize,
		c.PEMSizeLimitsConfig.MaxChainLength, c.PEMSizeLimitsConfig.MaxBundleSize,
	))
	acme, err := acmeOptions(c)
	return controller.ContextOptions{
		APIServerHost:      c.APIServerHost,
		Kubeconfig:         c.KubeConfig,
		KubernetesAPIQPS:   c.KubernetesAPIQPS,
		KubernetesAPIBurst: c.KubernetesAPIBurst,
		Namespace:          c.Namespace,
		ACMEOptions:        acme,
		IssuerOptions: controller.IssuerOptions{
			ClusterResourceNamespace:        c.ClusterResourceNamespace,
			ClusterIssuerAmbientCredentials: c.ClusterIssuerAmbientCredentials,
			IssuerAmbientCredentials:        c.IssuerAmbientCredentials,
		},
		IngressShimOptions: controller.IngressShimOptions{
			DefaultIssuerName:                 c.IngressShimConfig.DefaultIssuerName,
			DefaultIssuerKind:                 c.IngressShimConfig.DefaultIssuerKind,
			DefaultIssuerGroup:                c.IngressShimConfig.DefaultIssuerGroup,
			DefaultAutoCertificateAnnotations: c.IngressShimConfig.DefaultAutoCertificateAnnotations,
			ExtraCertificateAnnotations:       c.IngressShimConfig.ExtraCertificateAnnotations,
			GatewayAPIExtraProtocols:          sets.New(c.GatewayAPIConfig.ExtraProtocols...),
		},
		CertificateOptions: controller.CertificateOptions{
			EnableOwnerRef:                           c.EnableCertificateOwnerRef,
			CopiedAnnotationPrefixes:                 c.CopiedAnnotationPrefixes,
			CertificateRequestMinimumBackoffDuration: c.CertificateRequestMinimumBackoffDuration,
			CertificateRequestMaximumBackoffDuration: c.CertificateRequestMaximumBackoffDuration,
		},
		SchedulerOptions: controller.SchedulerOptions{MaxConcurrentChallenges: c.MaxConcurrentChallenges},
		ConfigOptions: controller.ConfigOptions{
			EnableGatewayAPI:            c.GatewayAPIConfig.Enabled,
			EnableGatewayAPIListenerSet: c.GatewayAPIConfig.EnableListenerSet,
		},
	}, err
}

func acmeOptions(c *config.ControllerConfiguration) (controller.ACMEOptions, error) {
	http, dns := c.ACMEHTTP01Config, c.ACMEDNS01Config
	nameservers := dns.RecursiveNameservers
	if len(nameservers) == 0 {
		nameservers = util.RecursiveNameservers
	}
	for _, each := range nameservers {
		if _, _, err := net.SplitHostPort(each); err != nil {
			return controller.ACMEOptions{}, fmt.Errorf("nameserver %s: %w", each, err)
		}
	}
	made := controller.ACMEOptions{
		HTTP01SolverImage:            http.SolverImage,
		ACMEHTTP01SolverRunAsNonRoot: http.SolverRunAsNonRoot,
		HTTP01SolverRuntimeClassName: http.SolverRuntimeClassName,
		HTTP01SolverNameservers:      http.SolverNameservers,
		HTTP01SolverExtraLabels:      http.SolverExtraLabels,
		DNS01CheckAuthoritative:      !dns.RecursiveNameserversOnly,
		DNS01Nameservers:             nameservers,
		DNS01CheckRetryPeriod:        dns.CheckRetryPeriod,
	}
	for text, quantity := range map[*string]*resource.Quantity{
		&http.SolverResourceRequestCPU:    &made.HTTP01SolverResourceRequestCPU,
		&http.SolverResourceRequestMemory: &made.HTTP01SolverResourceRequestMemory,
		&http.SolverResourceLimitsCPU:     &made.HTTP01SolverResourceLimitsCPU,
		&http.SolverResourceLimitsMemory:  &made.HTTP01SolverResourceLimitsMemory,
	} {
		parsed, err := resource.ParseQuantity(*text)
		if err != nil {
			return made, fmt.Errorf("resources of solvers: %w", err)
		}
		*quantity = parsed
	}
	return made, nil
}

// enabled is the names of the controllers that run; all that are usual where none is named.
func enabled(c *config.ControllerConfiguration) sets.Set[string] {
	chosen, without := sets.New[string](), sets.New[string]()
	for _, each := range c.Controllers {
		if name, isWithout := strings.CutPrefix(each, "-"); isWithout {
			without.Insert(name)
		} else {
			chosen.Insert(each)
		}
	}
	if chosen.Has("*") || chosen.Len() == 0 {
		chosen.Insert(v1alpha1.DefaultEnabledControllers...)
	}
	if c.GatewayAPIConfig.Enabled {
		chosen.Insert(gateways.ControllerName)
	}
	if c.Namespace != "" {
		chosen.Delete(v1alpha1.ClusterScopedControllers...)
	}
	return chosen.Difference(without)
}
