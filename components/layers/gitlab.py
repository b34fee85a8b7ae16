"""GitLab, which provides Git repositories, merge requests and a container registry. Argo CD deploys GitLab."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from components.kubernetes.manifest import Json, Manifest, secret_manifest
from components.layers.argocd import applications
from components.layers.argocd.applications import ApplicationSettings
from components.layers.argocd.layer import ArgoCD, ArgoCDSettings
from components.layers.shared.web_ui import WebUI
from components.layers.traefik.layer import INGRESS_CLASS
from components.platform.layer import Layer, resources
from components.settings.errors import Finding
from components.settings.fields import DnsLabel, Domain
from components.settings.kubernetes_fields import Size
from components.settings.model import Model, SecretRef

ARCH = "amd64"
"""CPU architecture of the images of GitLab's object store (MinIO)."""
_NAME, _CHART, _ROOT_SECRET = "gitlab", "gitlab", "root-password"


class GitLabSettings(Model):
    """Settings of GitLab Community Edition. GitLab needs 8 GiB of memory, and takes about ten minutes to start."""

    host: Domain | None = None
    """Host name of the web UI. GitLab's container registry and object store have the host names `registry` and `minio`
    in the domain of `host`. Default: `gitlab.DOMAIN`."""
    issuer: DnsLabel | None = None
    """ClusterIssuer for the TLS certificates of GitLab. Default: the default ClusterIssuer of the layer certManager."""
    root_password: SecretRef
    """Pulumi secret that contains the initial password of GitLab's user `root`, with at least 8 characters. You can
    change the password later in GitLab's web UI."""
    size: Size = "50Gi"
    """Size of the volume for Git repositories."""
    store_size: Size = "20Gi"
    """Size of the volume for uploads, artifacts and container images."""


class GitLab(Layer[GitLabSettings]):
    """Layer for GitLab, which Argo CD deploys as an Application, and which clients reach through Traefik."""

    key = "gitlab"
    settings_type = GitLabSettings
    namespace = "gitlab"
    requires = ("argocd", "certManager", "traefik")
    installs_after = ("longhorn",)
    user_data = "GitLab's repositories and other data"
    user_data_queries = ("persistentvolumeclaims -n gitlab",)

    def values(self) -> Mapping[str, Json]:
        """Return no Helm values, because Argo CD installs the chart of GitLab."""
        return {}

    def objects_before_charts(self) -> Sequence[Manifest]:
        """Return the Kubernetes Secret with the initial password of GitLab's user `root`."""
        data = {"password": self.settings.root_password}
        return [secret_manifest(self.metadata(_ROOT_SECRET), data)]

    def objects_after_charts(self) -> Sequence[Manifest]:
        """Return the Argo CD Application that deploys GitLab.

        homelab refuses to delete GitLab as long as GitLab has volumes.
        """
        chart = self.lab.charts[_CHART]
        source = {"repository": chart.repository, "chart": chart.name, "revision": chart.version}
        options = {"namespace": self.namespace, "createNamespace": False, "cascade": True, "values": self._values()}
        settings = ApplicationSettings.model_validate(source | options)
        return [applications.application(_NAME, settings, {}, ArgoCD.namespace)]

    def _values(self) -> Json:
        one_replica = {"minReplicas": 1, "maxReplicas": 1}
        not_installed = {"install": False}
        return {
            "global": self._global(),
            "installCertmanager": False,
            "nginx-ingress": {"enabled": False},
            "prometheus": not_installed,
            "gitlab-runner": not_installed,
            "upgradeCheck": {"enabled": False},  # a Helm hook that Argo CD would run at the first sync
            "gitlab": {
                "webservice": {**one_replica, **_tls("gitlab"), "resources": resources("300m", "3Gi")},
                "sidekiq": {**one_replica, "resources": resources("200m", "2Gi")},
                "gitlab-shell": one_replica,
                "gitaly": {"persistence": {"size": self.settings.size}, "resources": resources("100m", "1Gi")},
            },
            "registry": {"hpa": one_replica, **_tls("registry")},
            "minio": {
                "persistence": {"size": self.settings.store_size},
                "nodeSelector": {"kubernetes.io/arch": ARCH},
                **_tls("minio"),
            },
        }

    def _global(self) -> Json:
        domain = self.web_ui.host.partition(".")[2]
        return {
            "edition": "ce",
            "hosts": {"domain": domain, "gitlab": {"name": self.web_ui.host}},
            "ingress": {
                "class": INGRESS_CLASS,
                "configureCertmanager": False,
                "annotations": self.web_ui.annotations,
                "tls": {"enabled": True},
            },
            "initialRootPassword": {"secret": _ROOT_SECRET, "key": "password"},
            "kas": {"enabled": False},
        }

    @property
    def web_ui(self) -> WebUI:
        """The web UI of GitLab."""
        return WebUI(self.lab, self.key, _NAME, self.settings.host, self.settings.issuer)

    def findings(self) -> Iterator[Finding]:
        """Yield errors in GitLab's host name, Application name, chart source and nodes."""
        further = (self._host_problems(), self._name_problems(), self._chart_problems(), self._store_problems())
        return chain(self.web_ui.findings(), *further)

    def _host_problems(self) -> Iterator[Finding]:
        if "." not in self.web_ui.host:
            reason = "has no domain, which the host name of GitLab's registry needs"
            yield ("host",), reason, "write it as gitlab.lab.example.com"

    def _store_problems(self) -> Iterator[Finding]:
        if not any(node.arch in (None, ARCH) for node in self.lab.schedulable_nodes):
            reason = f"needs an untainted {ARCH} node: the images of GitLab's object store exist only for {ARCH}"
            yield (), reason, "add such a node, or remove gitlab"

    def _name_problems(self) -> Iterator[Finding]:
        argocd = self.lab.settings_of(ArgoCDSettings)
        if argocd and _NAME in argocd.applications:
            reason = f"has the same Application name as argocd.applications.{_NAME}"
            yield (), reason, "rename the application in Argo CD"

    def _chart_problems(self) -> Iterator[Finding]:
        chart = self.lab.charts.get(_CHART)
        if chart and chart.repository.startswith("oci://"):
            reason = f"is deployed by Argo CD, which has no access to the OCI registry {chart.repository}"
            yield (), reason, "set chartMirror to an https:// URL"


def _tls(name: str) -> Json:
    return {"ingress": {"tls": {"secretName": f"{name}-tls"}}}
