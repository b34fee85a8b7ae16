"""The web UI of a layer behind Traefik, with a host name and, if certManager is enabled, a certificate."""

from collections.abc import Iterator
from dataclasses import dataclass

from components.layers.cert_manager.layer import CertManagerSettings
from components.platform.layer import LabContext
from components.settings.errors import Finding


@dataclass(frozen=True)
class WebUI:
    """The web UI of the layer `layer`. The default host name is `name`, followed by the lab's domain."""

    lab: LabContext
    layer: str
    name: str
    configured_host: str | None
    configured_issuer: str | None

    @property
    def has_ingress(self) -> bool:
        """Whether the web UI has an Ingress, which requires the layer `traefik`."""
        return self.lab.is_enabled("traefik")

    @property
    def host(self) -> str:
        """Host name of the web UI."""
        return self.configured_host or f"{self.name}.{self.lab.cluster.domain}"

    @property
    def issuer(self) -> str | None:
        """ClusterIssuer of the web UI's certificate, or None if certManager is disabled."""
        cert_manager = self.lab.settings_of(CertManagerSettings)
        return (self.configured_issuer or cert_manager.issuers[0]) if cert_manager else None

    @property
    def annotations(self) -> dict[str, str]:
        """Annotations that make cert-manager issue a certificate for the Ingress."""
        return {"cert-manager.io/cluster-issuer": self.issuer} if self.issuer else {}

    def tls(self, secret: str) -> list[dict[str, object]]:
        """Return the `tls` section of the Ingress.

        If certManager is enabled, the Secret `secret` contains the certificate.
        """
        return [{"secretName": secret, "hosts": [self.host]}] if self.issuer else []

    def findings(self, *path: str) -> Iterator[Finding]:
        """Yield errors in `host` and `issuer`. `path` is the path of both settings below the layer's key."""
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
