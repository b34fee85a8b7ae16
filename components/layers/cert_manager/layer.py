"""cert-manager, which gets certificates from an ACME service such as Let's Encrypt, or from the lab's own CA."""

from collections.abc import Iterator, Mapping, Sequence

from components.kubernetes.chart import Chart
from components.kubernetes.manifest import Json, Manifest
from components.layers.cert_manager import acme
from components.layers.cert_manager.acme import AcmeSettings
from components.layers.cert_manager.webhook import WebhookSolverSettings
from components.platform.layer import Layer, disruption_budget, resources, topology_spread
from components.settings.domains import is_public
from components.settings.errors import Finding
from components.settings.fields import Text
from components.settings.model import Model

_CA, _BOOTSTRAP = "ca", "ca-bootstrap"


class CaSettings(Model):
    """Settings of the lab's own CA.

    Install the CA certificate on your devices, so that your devices trust the certificates of the lab.
    """

    common_name: Text | None = None
    """Common name of the CA certificate. Default: the name of the cluster, followed by the word `CA`."""


class CertManagerSettings(Model):
    """Settings of cert-manager, which issues and renews TLS certificates."""

    acme: AcmeSettings | None = None
    """ClusterIssuers for certificates from Let's Encrypt, which require a public domain."""
    ca: CaSettings | None = None
    """Certificate authority (CA) of the lab, with the ClusterIssuer `ca`. Default: homelab creates a CA only if the
    setting `acme` is missing."""

    @property
    def webhook(self) -> WebhookSolverSettings | None:
        """The webhook for DNS-01 challenges."""
        return self.acme.webhook if self.acme else None

    @property
    def has_ca(self) -> bool:
        """Whether homelab creates a CA for the lab."""
        return self.acme is None or self.ca is not None

    @property
    def issuers(self) -> tuple[str, ...]:
        """Names of the ClusterIssuers, with the default ClusterIssuer first."""
        names = [name for name, _ in acme.SERVERS.values()] if self.acme else []
        if self.acme and self.acme.server == "staging":
            names.reverse()
        return (*names, *((_CA,) if self.has_ca else ()))

    def signs(self, issuer: str, host: str) -> bool:
        """Whether the ClusterIssuer `issuer` can issue a certificate for `host`. A public CA issues certificates only
        for names in public domains."""
        return issuer not in [name for name, _ in acme.SERVERS.values()] or is_public(host)

    @property
    def wildcard_issuers(self) -> tuple[str, ...]:
        """Names of the ClusterIssuers that can issue wildcard certificates, because they use no HTTP-01 challenges."""
        return tuple(name for name in self.issuers if name == _CA or not (self.acme and self.acme.http01))


class CertManager(Layer[CertManagerSettings]):
    """Layer for cert-manager and its ClusterIssuers."""

    key = "certManager"
    settings_type = CertManagerSettings
    namespace = "cert-manager"
    user_data = "the lab's own CA, which devices trust"
    user_data_queries = (f"secrets -n cert-manager --field-selector=metadata.name={_CA}",)

    def values(self) -> Mapping[str, Json]:
        """Return cert-manager's Helm values.

        The controller, the webhook and the CA injector of cert-manager have up to two replicas each.
        """
        values: dict[str, Json] = {
            "crds": {"enabled": True, "keep": True},
            "global": {"priorityClassName": "system-cluster-critical", "leaderElection": {"namespace": self.namespace}},
            **self._replicated("cert-manager", "controller", "128Mi"),
            "webhook": self._replicated("webhook", "webhook", "64Mi"),
            "cainjector": self._replicated("cainjector", "cainjector", "192Mi"),
            "startupapicheck": {"timeout": "5m", "resources": resources("10m", "64Mi")},
            "prometheus": {"servicemonitor": {"enabled": self.has_monitoring}},
        }
        values |= acme.nameserver_values(self.settings.acme) if self.settings.acme else {}
        webhook = self.settings.webhook
        return {"cert-manager": values, **({webhook.chart.name: webhook.chart.values} if webhook else {})}

    @classmethod
    def further_charts(cls, settings: CertManagerSettings) -> Sequence[Chart]:
        """Return the Helm chart of the webhook for DNS-01 challenges, if the stack file sets a webhook."""
        return (settings.webhook.chart.chart,) if settings.webhook else ()

    def _replicated(self, name: str, component: str, memory: str) -> dict[str, Json]:
        replicas = self.lab.replicas(2)
        labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/component": component}
        return {
            "replicaCount": replicas,
            "podDisruptionBudget": disruption_budget(replicas, minAvailable=1),
            "resources": resources("25m", memory),
            "topologySpreadConstraints": topology_spread(labels),
        }

    def objects_before_charts(self) -> Sequence[Manifest]:
        """Return the Kubernetes Secrets with the DNS provider's credentials for DNS-01 challenges."""
        return acme.credential_secrets(self.settings.acme, self.namespace) if self.settings.acme else ()

    def objects_after_charts(self) -> Sequence[Manifest]:
        """Return the ClusterIssuers, and the Certificate of the lab's own CA if the lab has a CA."""
        specs = acme.issuers(self.settings.acme) if self.settings.acme else ()
        issuers = [_issuer(name, spec) for name, spec in specs]
        return [*issuers, *(self._ca_manifests() if self.settings.has_ca else ())]

    def _ca_manifests(self) -> list[Manifest]:
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
        """Return the names of all ClusterIssuers, the default one, and those that issue wildcard certificates."""
        return {
            "issuers": list(self.settings.issuers),
            "issuer": self.settings.issuers[0],
            "wildcard_issuers": list(self.settings.wildcard_issuers),
        }

    def findings(self) -> Iterator[Finding]:
        """Yield errors in the common name of the lab's CA and in the ACME settings."""
        ca = self.settings.ca
        if ca and ca.common_name and len(ca.common_name) > 64:
            yield ("ca", "commonName"), "is longer than 64 characters, which certificates do not allow", "shorten it"
        if self.settings.acme:
            yield from acme.findings(self.settings.acme, self.lab)


def _issuer(name: str, spec: Json) -> Manifest:
    return {"apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer", "metadata": {"name": name}, "spec": spec}
