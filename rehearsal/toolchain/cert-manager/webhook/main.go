// cert-manager's webhook.
package main

import (
	"context"

	logsapi "k8s.io/component-base/logs/api/v1"

	config "github.com/cert-manager/cert-manager/internal/apis/config/webhook"
	"github.com/cert-manager/cert-manager/internal/webhook"
	_ "github.com/cert-manager/cert-manager/internal/webhook/feature"
	"github.com/cert-manager/cert-manager/pkg/logs"
	"github.com/cert-manager/cert-manager/pkg/util/configfile"
	webhookfile "github.com/cert-manager/cert-manager/pkg/webhook/configfile"
	"github.com/cert-manager/cert-manager/pkg/webhook/options"
	"github.com/cert-manager/cert-manager/rehearsal/program"
)

func main() {
	settings, err := options.NewWebhookConfiguration()
	if err != nil {
		panic(err)
	}
	webhook := program.Program[config.WebhookConfiguration]{
		Settings: settings,
		Logging:  func(c *config.WebhookConfiguration) *logsapi.LoggingConfiguration { return &c.Logging },
		Features: func(c *config.WebhookConfiguration) map[string]bool { return c.FeatureGates },
		Flags:    options.AddConfigFlags,
		Load:     load,
		Run:      run,
	}
	webhook.Main()
}

func load(read func(configfile.ConfigFile) error) (*config.WebhookConfiguration, error) {
	file := webhookfile.New()
	err := read(file)
	return file.Config, err
}

func run(ctx context.Context, settings *config.WebhookConfiguration) error {
	server, err := webhook.NewCertManagerWebhookServer(logs.FromContext(ctx), *settings)
	if err != nil {
		return err
	}
	return server.Run(ctx)
}
