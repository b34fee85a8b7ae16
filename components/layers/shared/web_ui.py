"""Web UIs of layers behind Traefik, each with a host name and, if certManager is enabled, a TLS certificate."""

from collections.abc import Iterator
from dataclasses import dataclass

from components.layers.cert_manager.layer import CertManagerSettings
from components.platform.layer import LabContext
from components.settings.errors import Finding


def public_ca_refusal(issuer: str) -> tuple[str, str]:
    """Return the reason and the fix of the error that a public CA issues no certificate for a host name."""
    reason = f"would be {issuer}, but public CAs issue no certificates for host names outside public domains"
    return reason, "set certManager.ca: {} and use the issuer ca here, or use a domain that you own"


@dataclass(frozen=True)
class WebUI:
    """The web UI of one layer, whose key is `layer`.

    The default host name consists of `name` and the lab's domain.
    """

    lab: LabContext
    layer: str
    name: str
    configured_host: str | None
    configured_issuer: str | None

    @property
    def has_ingress(self) -> bool:
        """Whether the web UI has an Ingress, which only the layer traefik can serve."""
        return self.lab.is_enabled("traefik")

    @property
    def host(self) -> str:
        """Host name of the web UI."""
        return self.configured_host or f"{self.name}.{self.lab.cluster.domain}"

    @property
    def issuer(self) -> str | None:
        """ClusterIssuer for the TLS certificate of the web UI, or None if the layer certManager is disabled."""
        cert_manager = self.lab.settings_of(CertManagerSettings)
        return (self.configured_issuer or cert_manager.issuers[0]) if cert_manager else None

    @property
    def annotations(self) -> dict[str, str]:
        """Annotations of the Ingress, with which cert-manager issues a TLS certificate for the web UI."""
        return {"cert-manager.io/cluster-issuer": self.issuer} if self.issuer else {}

    def tls(self, secret: str) -> list[dict[str, object]]:
        """Return the field `tls` of the Ingress.

        If the layer certManager is enabled, the Kubernetes Secret `secret` contains the TLS certificate.
        """
        return [{"secretName": secret, "hosts": [self.host]}] if self.issuer else []

    def findings(self, *path: str) -> Iterator[Finding]:
        """Yield errors in the settings `host` and `issuer` of a web UI.

        `path` is the path of both settings below the layer's key.
        """
        cert_manager = self.lab.settings_of(CertManagerSettings)
        for key, value in (("host", self.configured_host), ("issuer", self.configured_issuer)):
            if value and not self.has_ingress:
                yield (*path, key), "needs traefik, which is disabled", f"add traefik: {{}} next to {self.layer}"
        if self.configured_issuer and cert_manager is None:
            fix = f"add certManager: {{}} next to {self.layer}"
            yield (*path, "issuer"), "needs certManager, which is disabled", fix
        elif self.configured_issuer and cert_manager and self.configured_issuer not in cert_manager.issuers:
            fix = f"use one of: {', '.join(cert_manager.issuers)}"
            yield (*path, "issuer"), "is not an issuer of certManager", fix
        elif cert_manager and self.has_ingress and self.issuer and not cert_manager.signs(self.issuer, self.host):
            yield (*path, "issuer"), *public_ca_refusal(self.issuer)
