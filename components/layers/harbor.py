"""Harbor: a registry of images, and a cache of others."""

from collections.abc import Iterator, Mapping, Sequence

from components import volumes
from components.app.kinds import Size
from components.fields import Domain, HostLabel, Switch
from components.layer import Finding, Layer, resources, uncapped
from components.layers.traefik import CLASS
from components.manifest import Derived, Filled, Hashed, Manifest, Tree, secret_of
from components.model import Model, SecretRef
from components.page import Page

ARCH = "amd64"
_KEYS = "harbor-keys"
_TOKEN = "harbor-token"  # noqa: S105 a name
_USER = "harbor_registry_user"


class TokenSettings(Model):
    """The key pair with which Harbor signs what it gives to clients that log in."""

    key: SecretRef
    """Secret that holds the private key (RSA, PEM)."""
    certificate: SecretRef
    """Secret that holds its certificate (PEM)."""


class HarborSettings(Model):
    """Harbor: images of your own, and copies of those of other registries. It runs on amd64 machines only."""

    admin_password: SecretRef
    """Secret that holds the first password of `admin`; later it is changed in the page."""
    host: Domain | None = None
    """Host name of its page and of the registry. Default: `harbor.DOMAIN`."""
    issuer: HostLabel | None = None
    """Issuer of certManager for that name's certificate. Default: the default one."""
    size: Size = "50Gi"
    """Size of the volume that holds the images."""
    storage_class: HostLabel | None = None
    """Class of the volumes, which have no other copies. Default: the default class."""
    scanner: Switch = False
    """Whether images are searched for known vulnerabilities (Trivy, with a database from the Internet)."""
    token: TokenSettings | None = None
    """Key pair of its own for tokens. Default: the chart makes one, and may make another when it is upgraded."""


class Harbor(Layer[HarborSettings]):
    """Harbor, a registry and pull-through cache, on amd64 machines."""

    key = "harbor"
    settings_type = HarborSettings
    namespace = "harbor"
    requires = ("traefik", "certManager")
    after = ("longhorn", "monitoring")
    keeps = "images"
    kept = ("persistentvolumeclaims -n harbor",)
    timeout = 900

    def values(self) -> Mapping[str, Tree]:
        """Return Harbor with one of each part: its volumes are mounted by one machine at a time."""
        values: dict[str, Tree] = {
            "externalURL": f"https://{self.page.host}",
            "expose": self._expose(),
            "updateStrategy": {"type": "Recreate"},
            "persistence": {"persistentVolumeClaim": self._volumes()},
            "existingSecretAdminPassword": _KEYS,
            "existingSecretSecretKey": _KEYS,
            "metrics": {"enabled": self.monitored, "serviceMonitor": {"enabled": self.monitored}},
            "portal": self._part("10m", "64Mi"),
            "core": {**self._part("50m", "384Mi"), **self._core()},
            "jobservice": {**self._part("25m", "256Mi"), "secret": Derived("jobservice", 16)},
            "registry": self._registry(),
            "trivy": self._scanner(),
            "database": {"internal": {**self._part("50m", "512Mi"), "password": Derived("database")}},
            "redis": {"internal": self._part("25m", "128Mi")},
            "exporter": self._part("10m", "64Mi"),
        }
        return {"harbor": values}

    def _scanner(self) -> Tree:
        part = {"nodeSelector": self._selector, "resources": uncapped("50m", "1Gi")}
        return {"enabled": self.settings.scanner, **part}

    def _expose(self) -> Tree:
        return {
            "type": "ingress",
            "tls": {"enabled": True, "certSource": "secret", "secret": {"secretName": "harbor-tls"}},
            "ingress": {
                "hosts": {"core": self.page.host},
                "className": CLASS,
                "annotations": self.page.annotations,
            },
        }

    def _volumes(self) -> Tree:
        chosen = {"storageClass": self.settings.storage_class or ""}
        return {
            "registry": {**chosen, "size": self.settings.size},
            "jobservice": {"jobLog": chosen},
            "database": {**chosen, "size": "5Gi"},
            "redis": chosen,
            "trivy": chosen,
        }

    def _core(self) -> dict[str, Tree]:
        token = {"secretName": _TOKEN} if self.settings.token else {}
        return {"secret": Derived("core", 16), "xsrfKey": Derived("xsrf"), **token}

    def _registry(self) -> Tree:
        """The registry, which the core logs in at; the hash is given, or the chart makes another each time."""
        password = Derived("registry-login")
        return {
            "nodeSelector": self._selector,
            "registry": {"resources": resources("50m", "512Mi")},
            "controller": {"resources": resources("10m", "128Mi")},
            "secret": Derived("registry", 16),
            "credentials": {
                "username": _USER,
                "password": password,
                "htpasswdString": Filled(f"{_USER}:{{}}", (Hashed(password),)),
            },
        }

    def _part(self, cpu: str, memory: str) -> dict[str, Tree]:
        return {"nodeSelector": self._selector, "resources": resources(cpu, memory)}

    @property
    def _selector(self) -> Tree:
        return {"kubernetes.io/arch": ARCH}

    def before(self) -> Sequence[Manifest]:
        """Return the password, the key by which Harbor encrypts what it stores, and the key pair of tokens."""
        data = {"HARBOR_ADMIN_PASSWORD": self.settings.admin_password, "secretKey": Derived("encryption", 16)}
        made = [secret_of(self.metadata(_KEYS), data)]
        if token := self.settings.token:
            pair = {"tls.key": token.key, "tls.crt": token.certificate}
            made.append(secret_of(self.metadata(_TOKEN), pair))
        return made

    @property
    def page(self) -> Page:
        """Its page, which is the registry's name too."""
        return Page(self.lab, self.key, "harbor", self.settings.host, self.settings.issuer)

    def problems(self) -> Iterator[Finding]:
        """Yield what is wrong with the page, the machines and the volumes."""
        yield from self.page.problems()
        if not any(node.arch in (None, ARCH) for node in self.lab.untainted):
            reason = f"finds no {ARCH} machine that takes any pod, and its images are for no other"
            yield (), reason, "add such a machine without taints, or leave harbor out"
        yield from volumes.problems(self.lab, self.settings.storage_class)
