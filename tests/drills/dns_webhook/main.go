// A webhook for DNS-01 challenges that serves cert-manager's own RFC 2136 solver.
package main

import (
	"github.com/cert-manager/cert-manager/pkg/acme/webhook/cmd"
	"github.com/cert-manager/cert-manager/pkg/issuer/acme/dns/rfc2136"
)

func main() {
	cmd.RunWebhookServer("acme.lab.test", rfc2136.New(rfc2136.WithNamespace("cert-manager")))
}
