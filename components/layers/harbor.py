"""Harbor, a container registry that is also a pull-through cache for other registries."""

from collections.abc import Iterator, Mapping, Sequence

from components.kubernetes.manifest import BcryptHash, DerivedPassword, Json, Manifest, SecretTemplate, secret_manifest
from components.layers.shared import volumes
from components.layers.shared.web_ui import WebUI
from components.layers.traefik.layer import INGRESS_CLASS
from components.platform.layer import Layer, resources, uncapped_resources
from components.settings.errors import Finding
from components.settings.fields import DnsLabel, Domain, StrictBool
from components.settings.kubernetes_fields import Size
from components.settings.model import Model, SecretRef

ARCH = "amd64"
_KEYS = "harbor-keys"
_TOKEN = "harbor-token"  # noqa: S105 a name
_USER = "harbor_registry_user"


class TokenSettings(Model):
    """Settings of the key pair with which Harbor signs the access tokens of registry clients."""

    key: SecretRef
    """Pulumi secret that contains the RSA private key, as PEM."""
    certificate: SecretRef
    """Pulumi secret that contains the X.509 certificate of the private key, as PEM."""


class HarborSettings(Model):
    """Settings of Harbor, a container registry that is also a pull-through cache for other registries.

    Harbor needs nodes with the architecture amd64.
    """

    admin_password: SecretRef
    """Pulumi secret that contains the initial password of Harbor's user `admin`. You can change the password later in
    Harbor's web UI."""
    host: Domain | None = None
    """Host name of Harbor's web UI and container registry. Default: `harbor.DOMAIN`."""
    issuer: DnsLabel | None = None
    """ClusterIssuer for the TLS certificate of Harbor. Default: the default ClusterIssuer of the layer certManager."""
    size: Size = "50Gi"
    """Size of the volume for container images."""
    storage_class: DnsLabel | None = None
    """StorageClass of Harbor's volumes. Harbor does not replicate its data. Default: the cluster's default
    StorageClass."""
    scanner: StrictBool = False
    """Whether Trivy scans container images for known vulnerabilities. Trivy downloads its vulnerability database from
    the Internet."""
    token: TokenSettings | None = None
    """Your own key pair, with which Harbor signs access tokens. Default: Harbor's chart generates a key pair, and an
    upgrade of the chart may replace this key pair."""


class Harbor(Layer[HarborSettings]):
    """Layer for Harbor, a container registry and pull-through cache that runs on amd64 nodes."""

    key = "harbor"
    settings_type = HarborSettings
    namespace = "harbor"
    requires = ("traefik", "certManager")
    installs_after = ("longhorn", "monitoring")
    user_data = "images"
    user_data_queries = ("persistentvolumeclaims -n harbor",)
    timeout_seconds = 900

    def values(self) -> Mapping[str, Json]:
        """Return the Helm values.

        Every component of Harbor has one replica, because only one node at a time can mount its volume.
        """
        values: dict[str, Json] = {
            "externalURL": f"https://{self.web_ui.host}",
            "expose": self._expose(),
            "updateStrategy": {"type": "Recreate"},
            "persistence": {"persistentVolumeClaim": self._volumes()},
            "existingSecretAdminPassword": _KEYS,
            "existingSecretSecretKey": _KEYS,
            "metrics": {"enabled": self.has_monitoring, "serviceMonitor": {"enabled": self.has_monitoring}},
            "portal": self._component("10m", "64Mi"),
            "core": {**self._component("50m", "384Mi"), **self._core()},
            "jobservice": {**self._component("25m", "256Mi"), "secret": DerivedPassword("jobservice", 16)},
            "registry": self._registry(),
            "trivy": self._scanner(),
            "database": {"internal": {**self._component("50m", "512Mi"), "password": DerivedPassword("database")}},
            "redis": {"internal": self._component("25m", "128Mi")},
            "exporter": self._component("10m", "64Mi"),
        }
        return {"harbor": values}

    def _scanner(self) -> Json:
        component = {"nodeSelector": self._selector, "resources": uncapped_resources("50m", "1Gi")}
        return {"enabled": self.settings.scanner, **component}

    def _expose(self) -> Json:
        return {
            "type": "ingress",
            "tls": {"enabled": True, "certSource": "secret", "secret": {"secretName": "harbor-tls"}},
            "ingress": {
                "hosts": {"core": self.web_ui.host},
                "className": INGRESS_CLASS,
                "annotations": self.web_ui.annotations,
            },
        }

    def _volumes(self) -> Json:
        storage_class = {"storageClass": self.settings.storage_class or ""}
        return {
            "registry": {**storage_class, "size": self.settings.size},
            "jobservice": {"jobLog": storage_class},
            "database": {**storage_class, "size": "5Gi"},
            "redis": storage_class,
            "trivy": storage_class,
        }

    def _core(self) -> dict[str, Json]:
        token = {"secretName": _TOKEN} if self.settings.token else {}
        return {"secret": DerivedPassword("core", 16), "xsrfKey": DerivedPassword("xsrf"), **token}

    def _registry(self) -> Json:
        """Return the Helm values of Harbor's component `registry`.

        homelab computes the htpasswd hash itself, because the chart would generate a new hash at every upgrade.
        """
        password = DerivedPassword("registry-login")
        return {
            "nodeSelector": self._selector,
            "registry": {"resources": resources("50m", "512Mi")},
            "controller": {"resources": resources("10m", "128Mi")},
            "secret": DerivedPassword("registry", 16),
            "credentials": {
                "username": _USER,
                "password": password,
                "htpasswdString": SecretTemplate(f"{_USER}:{{}}", (BcryptHash(password),)),
            },
        }

    def _component(self, cpu: str, memory: str) -> dict[str, Json]:
        return {"nodeSelector": self._selector, "resources": resources(cpu, memory)}

    @property
    def _selector(self) -> Json:
        return {"kubernetes.io/arch": ARCH}

    def objects_before_charts(self) -> Sequence[Manifest]:
        """Return the Kubernetes Secrets with Harbor's admin password, encryption key and key pair for access tokens."""
        data = {"HARBOR_ADMIN_PASSWORD": self.settings.admin_password, "secretKey": DerivedPassword("encryption", 16)}
        secrets = [secret_manifest(self.metadata(_KEYS), data)]
        if token := self.settings.token:
            pair = {"tls.key": token.key, "tls.crt": token.certificate}
            secrets.append(secret_manifest(self.metadata(_TOKEN), pair))
        return secrets

    @property
    def web_ui(self) -> WebUI:
        """The web UI of Harbor, which has the same host name as the container registry."""
        return WebUI(self.lab, self.key, "harbor", self.settings.host, self.settings.issuer)

    def findings(self) -> Iterator[Finding]:
        """Yield errors in Harbor's host name, nodes and StorageClass."""
        yield from self.web_ui.findings()
        if not any(node.arch in (None, ARCH) for node in self.lab.schedulable_nodes):
            reason = f"needs an untainted {ARCH} node: Harbor's images exist only for {ARCH}"
            yield (), reason, "add such a node, or remove harbor"
        yield from volumes.findings(self.lab, self.settings.storage_class)
