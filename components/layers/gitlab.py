"""GitLab: repositories, merge requests and registry, deployed by ArgoCD."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from components import applications
from components.app.kinds import Size
from components.applications import ApplicationSettings
from components.fields import Domain, HostLabel
from components.layer import Finding, Layer, resources
from components.layers.argocd import ArgoCD, ArgoCDSettings
from components.layers.traefik import CLASS
from components.manifest import Manifest, Tree, secret_of
from components.model import Model, SecretRef
from components.page import Page

ARCH = "amd64"
"""What the images of its store are for."""
_NAME, _CHART, _ROOT = "gitlab", "gitlab", "root-password"


class GitLabSettings(Model):
    """GitLab's community edition. It wants 8 GiB of memory and takes ten minutes to begin."""

    host: Domain | None = None
    """Host name of its page; its registry and store are `registry` and `minio` beside it. Default: `gitlab.DOMAIN`."""
    issuer: HostLabel | None = None
    """Issuer of certManager for the certificates. Default: the default one."""
    root_password: SecretRef
    """Secret that holds the first password of `root`, at least 8 characters; later ones are set in the page."""
    size: Size = "50Gi"
    """Size of the volume for repositories."""
    store_size: Size = "20Gi"
    """Size of the volume for uploads, artifacts and images."""


class GitLab(Layer[GitLabSettings]):
    """GitLab as an Application of ArgoCD, behind Traefik."""

    key = "gitlab"
    settings_type = GitLabSettings
    namespace = "gitlab"
    requires = ("argocd", "certManager", "traefik")
    after = ("longhorn",)
    keeps = "repositories and what belongs to them"
    kept = ("persistentvolumeclaims -n gitlab",)

    def values(self) -> Mapping[str, Tree]:
        """Return nothing: ArgoCD installs the chart."""
        return {}

    def before(self) -> Sequence[Manifest]:
        """Return the first password of root."""
        data = {"password": self.settings.root_password}
        return [secret_of(self.metadata(_ROOT), data)]

    def extend(self) -> Sequence[Manifest]:
        """Return the Application; what it deployed goes with it, which our guard asks about first."""
        chart = self.lab.charts[_CHART]
        source = {"repository": chart.repository, "chart": chart.name, "revision": chart.version}
        given = {"namespace": self.namespace, "createNamespace": False, "cascade": True, "values": self._values()}
        settings = ApplicationSettings.model_validate(source | given)
        return [applications.application(_NAME, settings, {}, ArgoCD.namespace)]

    def _values(self) -> Tree:
        alone = {"minReplicas": 1, "maxReplicas": 1}
        off = {"install": False}
        return {
            "global": self._global(),
            "installCertmanager": False,
            "nginx-ingress": {"enabled": False},
            "prometheus": off,
            "gitlab-runner": off,
            "upgradeCheck": {"enabled": False},  # a hook of Helm's that ArgoCD would run at the first sync
            "gitlab": {
                "webservice": {**alone, **_tls("gitlab"), "resources": resources("300m", "3Gi")},
                "sidekiq": {**alone, "resources": resources("200m", "2Gi")},
                "gitlab-shell": alone,
                "gitaly": {"persistence": {"size": self.settings.size}, "resources": resources("100m", "1Gi")},
            },
            "registry": {"hpa": alone, **_tls("registry")},
            "minio": {
                "persistence": {"size": self.settings.store_size},
                "nodeSelector": {"kubernetes.io/arch": ARCH},
                **_tls("minio"),
            },
        }

    def _global(self) -> Tree:
        domain = self.page.host.partition(".")[2]
        return {
            "edition": "ce",
            "hosts": {"domain": domain, "gitlab": {"name": self.page.host}},
            "ingress": {
                "class": CLASS,
                "configureCertmanager": False,
                "annotations": self.page.annotations,
                "tls": {"enabled": True},
            },
            "initialRootPassword": {"secret": _ROOT, "key": "password"},
            "kas": {"enabled": False},
        }

    @property
    def page(self) -> Page:
        """Its page."""
        return Page(self.lab, self.key, _NAME, self.settings.host, self.settings.issuer)

    def problems(self) -> Iterator[Finding]:
        """Yield what is wrong with the page and the name of the Application."""
        own = (self._host_problems(), self._name_problems(), self._chart_problems(), self._store_problems())
        return chain(self.page.problems(), *own)

    def _host_problems(self) -> Iterator[Finding]:
        if "." not in self.page.host:
            yield ("host",), "has no domain, in which its registry would be", "write it as gitlab.lab.example.com"

    def _store_problems(self) -> Iterator[Finding]:
        if not any(node.arch in (None, ARCH) for node in self.lab.untainted):
            reason = f"finds no {ARCH} machine that takes any pod, and the images of its store are for no other"
            yield (), reason, "add such a machine without taints, or leave gitlab out"

    def _name_problems(self) -> Iterator[Finding]:
        argocd = self.lab.of(ArgoCDSettings)
        if argocd and _NAME in argocd.applications:
            reason = f"is what argocd.applications.{_NAME} is called as well"
            yield (), reason, "give that application another name"

    def _chart_problems(self) -> Iterator[Finding]:
        chart = self.lab.charts.get(_CHART)
        if chart and chart.repository.startswith("oci://"):
            reason = f"is installed by ArgoCD, which is not set up for the registry {chart.repository}"
            yield (), reason, "use a chartMirror over https"


def _tls(name: str) -> Tree:
    return {"ingress": {"tls": {"secretName": f"{name}-tls"}}}
