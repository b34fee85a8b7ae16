"""cert-manager: certificates from an ACME service such as Let's Encrypt, or from a certificate authority of the lab."""

from collections.abc import Iterator, Mapping, Sequence

from components import acme
from components.acme import AcmeSettings
from components.fields import Text
from components.layer import Finding, Layer, resources, spread
from components.manifest import Manifest, Tree
from components.model import Model

_CA, _BOOTSTRAP = "ca", "ca-bootstrap"


class CaSettings(Model):
    """A certificate authority of the lab, which devices have to be told to trust."""

    common_name: Text | None = None
    """Name in its certificate. Default: the name of the cluster and CA."""


class CertManagerSettings(Model):
    """cert-manager: certificates for host names, renewed in time."""

    acme: AcmeSettings | None = None
    """Certificates of Let's Encrypt, for labs with a public domain."""
    ca: CaSettings | None = None
    """Own certificate authority, the issuer `ca`. Default: there is one where there is no `acme`."""

    @property
    def has_ca(self) -> bool:
        """Whether there is a certificate authority of the lab's own."""
        return self.acme is None or self.ca is not None

    @property
    def issuers(self) -> tuple[str, ...]:
        """Names of the ClusterIssuers, the default one first."""
        names = [name for name, _ in acme.SERVERS.values()] if self.acme else []
        if self.acme and self.acme.server == "staging":
            names.reverse()
        return (*names, *((_CA,) if self.has_ca else ()))

    @property
    def wildcard_issuers(self) -> tuple[str, ...]:
        """Those of them that give certificates for `*.DOMAIN`: an answer over HTTP proves a single name only."""
        return tuple(name for name in self.issuers if name == _CA or not (self.acme and self.acme.http01))


class CertManager(Layer[CertManagerSettings]):
    """cert-manager with its ClusterIssuers."""

    key = "certManager"
    settings_type = CertManagerSettings
    namespace = "cert-manager"
    keeps = "the lab's own authority, which devices trust"
    kept = (f"secrets -n cert-manager --field-selector=metadata.name={_CA}",)

    def values(self) -> Mapping[str, Tree]:
        """Return cert-manager, its webhook and its injector, each twice where there are two machines."""
        values: dict[str, Tree] = {
            "crds": {"enabled": True, "keep": True},
            "global": {"priorityClassName": "system-cluster-critical", "leaderElection": {"namespace": self.namespace}},
            **self._copies("cert-manager", "controller", "128Mi"),
            "webhook": self._copies("webhook", "webhook", "64Mi"),
            "cainjector": self._copies("cainjector", "cainjector", "192Mi"),
            "startupapicheck": {"timeout": "5m", "resources": resources("10m", "64Mi")},
            "prometheus": {"servicemonitor": {"enabled": self.monitored}},
        }
        return {"cert-manager": values | (acme.nameservers(self.settings.acme) if self.settings.acme else {})}

    def _copies(self, name: str, component: str, memory: str) -> dict[str, Tree]:
        replicas = self.lab.replicas(2)
        labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/component": component}
        return {
            "replicaCount": replicas,
            "podDisruptionBudget": {"enabled": True, "minAvailable": 1} if replicas > 1 else {"enabled": False},
            "resources": resources("25m", memory),
            "topologySpreadConstraints": spread(labels),
        }

    def before(self) -> Sequence[Manifest]:
        """Return the credentials of the DNS service."""
        return acme.credentials(self.settings.acme, self.namespace) if self.settings.acme else ()

    def extend(self) -> Sequence[Manifest]:
        """Return the issuers."""
        made = [_issuer(name, spec) for name, spec in acme.issuers(self.settings.acme)] if self.settings.acme else []
        return [*made, *(self._authority() if self.settings.has_ca else ())]

    def _authority(self) -> list[Manifest]:
        ca = self.settings.ca
        certificate = {
            "isCA": True,
            "commonName": (ca.common_name if ca else None) or f"{self.lab.cluster.name[:61]} CA",
            "secretName": _CA,
            "duration": "87600h",
            "renewBefore": "8760h",
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Never"},
            "issuerRef": {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": _BOOTSTRAP},
        }
        return [
            _issuer(_BOOTSTRAP, {"selfSigned": {}}),
            {
                "apiVersion": "cert-manager.io/v1",
                "kind": "Certificate",
                "metadata": self.metadata(_CA),
                "spec": certificate,
            },
            _issuer(_CA, {"ca": {"secretName": _CA}}),
        ]

    def outputs(self) -> Mapping[str, object]:
        """Return the names of the issuers that apps may use, and of the default one."""
        return {"issuers": list(self.settings.issuers), "issuer": self.settings.issuers[0]}

    def problems(self) -> Iterator[Finding]:
        """Yield what is wrong with the name of the authority, and with the way in which names are proved."""
        ca = self.settings.ca
        if ca and ca.common_name and len(ca.common_name) > 64:
            yield ("ca", "commonName"), "is longer than the 64 characters that certificates allow", "shorten it"
        if self.settings.acme:
            yield from acme.problems(self.settings.acme, self.lab)


def _issuer(name: str, spec: Tree) -> Manifest:
    return {"apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer", "metadata": {"name": name}, "spec": spec}
