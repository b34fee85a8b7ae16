"""Page: a layer's own page behind Traefik, with a host name and, where there are issuers, a certificate."""

from collections.abc import Iterator
from dataclasses import dataclass

from components.layer import Finding, Lab
from components.layers.cert_manager import CertManagerSettings


@dataclass(frozen=True)
class Page:
    """The page of the layer with key `layer`; what its settings give, and else `name` under the lab's domain."""

    lab: Lab
    layer: str
    name: str
    given_host: str | None
    given_issuer: str | None

    @property
    def served(self) -> bool:
        """Whether there is a way in for it."""
        return self.lab.has("traefik")

    @property
    def host(self) -> str:
        """Its host name."""
        return self.given_host or f"{self.name}.{self.lab.cluster.domain}"

    @property
    def issuer(self) -> str | None:
        """Issuer of its certificate, None without certManager."""
        issuers = self.lab.of(CertManagerSettings)
        return (self.given_issuer or issuers.issuers[0]) if issuers else None

    @property
    def annotations(self) -> dict[str, str]:
        """Annotations by which its Ingress gets the certificate."""
        return {"cert-manager.io/cluster-issuer": self.issuer} if self.issuer else {}

    def tls(self, secret: str) -> list[dict[str, object]]:
        """The part of its Ingress that names the secret of the certificate, where it has one."""
        return [{"secretName": secret, "hosts": [self.host]}] if self.issuer else []

    def problems(self, *place: str) -> Iterator[Finding]:
        """Yield what is wrong with host and issuer, which stand at `place` below the layer's key."""
        issuers = self.lab.of(CertManagerSettings)
        for key, given in (("host", self.given_host), ("issuer", self.given_issuer)):
            if given and not self.served:
                yield (*place, key), "needs traefik, which is off", f"add traefik: {{}} beside {self.layer}"
        if self.given_issuer and issuers is None:
            fix = f"add certManager: {{}} beside {self.layer}"
            yield (*place, "issuer"), "needs certManager, which is off", fix
        elif self.given_issuer and issuers and self.given_issuer not in issuers.issuers:
            fix = f"use one of: {', '.join(issuers.issuers)}"
            yield (*place, "issuer"), "is not an issuer of certManager", fix
