"""Argo CD, which deploys applications from Git and keeps the cluster in sync with Git."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import Field

from components.cluster.host_requirements import HostService
from components.kubernetes.manifest import BcryptHash, Json, Manifest
from components.layers.argocd import applications, repositories, validation
from components.layers.argocd.applications import (
    ROOT_APPLICATION,
    ApplicationSetSettings,
    ApplicationSettings,
    ProjectSettings,
    RootSettings,
)
from components.layers.argocd.repositories import RepositorySettings
from components.layers.shared.web_ui import WebUI
from components.layers.traefik.layer import INGRESS_CLASS
from components.platform.layer import Layer, disruption_budget, resources
from components.settings.errors import Finding
from components.settings.fields import DnsLabel, Domain, StrictBool, Text
from components.settings.model import Model, SecretRef

REDIS_REPLICAS = 3
_FIXED_MTIME = "2026-01-01T00:00:00Z"


class ArgoCDSettings(Model):
    """Settings of Argo CD, which deploys applications from Git and keeps the cluster in sync with Git."""

    host: Domain | None = None
    """Host name of the web UI. Default: `argocd.DOMAIN`."""
    issuer: DnsLabel | None = None
    """ClusterIssuer for the TLS certificate of the web UI. Default: the default ClusterIssuer of the layer
    certManager."""
    admin_password: SecretRef | None = None
    """Pulumi secret that contains the password of Argo CD's user `admin`. Default: Argo CD generates a password, and
    stores it in the Kubernetes Secret argocd-initial-admin-secret."""
    redis_copies: StrictBool = False
    """Whether Redis has three replicas on three nodes. Argo CD uses Redis only as a cache, and fills the cache again
    after a failure of Redis."""
    known_hosts: tuple[Text, ...] = ()
    """Lines for Argo CD's known_hosts file, which contain the SSH host keys of your own Git servers. Argo CD already
    knows the SSH host keys of public services such as GitHub and GitLab."""
    repositories: dict[DnsLabel, RepositorySettings] = Field(default_factory=dict)
    """Git and Helm repositories of Argo CD, by a name of your choice. A private repository needs credentials."""
    projects: dict[DnsLabel, ProjectSettings] = Field(default_factory=dict)
    """AppProjects of Argo CD by name. Argo CD always has the project `default`, which allows everything."""
    applications: dict[DnsLabel, ApplicationSettings] = Field(default_factory=dict)
    """Applications by name."""
    application_sets: dict[DnsLabel, ApplicationSetSettings] = Field(default_factory=dict)
    """ApplicationSets by name."""
    root: RootSettings | None = None
    """Application `root`, which deploys other Applications from a Git folder (app of apps). Default: none."""


class ArgoCD(Layer[ArgoCDSettings]):
    """Layer for Argo CD, with the repositories, AppProjects and Applications from the stack file."""

    key = "argocd"
    settings_type = ArgoCDSettings
    namespace = "argocd"
    installs_after = ("longhorn",)  # the deletion of an Application may delete volumes of Longhorn

    def values(self) -> Mapping[str, Json]:
        """Return Argo CD's Helm values.

        The API server, the repo server and the ApplicationSet controller of Argo CD have up to two replicas each.
        """
        values: dict[str, Json] = {
            "crds": {"install": True, "keep": True},
            # K3s enforces the NetworkPolicies of the chart, which allow all clients to connect to Argo CD's API server
            "global": {"domain": self.web_ui.host, "networkPolicy": {"create": True}},
            "configs": self._configs(),
            "controller": self._component("100m", "768Mi"),
            "server": {**self._replicated("50m", "192Mi"), "ingress": self._ingress()},
            "repoServer": self._replicated("50m", "384Mi"),
            "applicationSet": self._replicated("25m", "192Mi"),
            "redis": {"resources": resources("25m", "64Mi")},
            "redis-ha": self._redis(),
            "redisSecretInit": {"resources": resources("10m", "128Mi")},
            "dex": {"enabled": False},
            "notifications": {"enabled": False},
        }
        return {"argo-cd": values}

    def _component(self, cpu: str, memory: str) -> dict[str, Json]:
        metrics = {"enabled": self.has_monitoring, "serviceMonitor": {"enabled": self.has_monitoring}}
        return {"resources": resources(cpu, memory), "metrics": metrics}

    def _replicated(self, cpu: str, memory: str) -> dict[str, Json]:
        replicas = self.lab.replicas(2)
        budget = disruption_budget(replicas, maxUnavailable=1)
        return {"replicas": replicas, "pdb": budget, **self._component(cpu, memory)}

    def _configs(self) -> dict[str, Json]:
        configs: dict[str, Json] = {"params": {"server.insecure": self.web_ui.has_ingress}}  # Traefik terminates TLS
        if self.settings.admin_password:
            # the password's modification time is constant, because a new time at every upgrade would end all sessions
            hashed = BcryptHash(self.settings.admin_password)
            configs["secret"] = {"argocdServerAdminPassword": hashed, "argocdServerAdminPasswordMtime": _FIXED_MTIME}
        if self.settings.known_hosts:
            configs["ssh"] = {"extraHosts": "\n".join(self.settings.known_hosts)}
        return configs

    def _ingress(self) -> Json:
        if not self.web_ui.has_ingress:
            return {"enabled": False}
        return {
            "enabled": True,
            "ingressClassName": INGRESS_CLASS,
            "hostname": self.web_ui.host,
            "annotations": self.web_ui.annotations,
            "tls": self.web_ui.issuer is not None,  # without an issuer, Traefik serves its default certificate
        }

    def _redis(self) -> Json:
        if not self.settings.redis_copies:
            return {"enabled": False}
        small_resources = {"resources": resources("25m", "128Mi")}
        # each node runs at most one HAProxy pod, so a surge pod would stay pending and block the rollout
        no_surge = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
        haproxy = {**small_resources, "deploymentStrategy": no_surge}
        return {"enabled": True, "redis": small_resources, "sentinel": small_resources, "haproxy": haproxy}

    def objects_before_charts(self) -> Sequence[Manifest]:
        """Return the Kubernetes Secrets that give Argo CD the URLs and credentials of repositories."""
        configured = self.settings.repositories
        return [repositories.secret(name, repository, self.namespace) for name, repository in configured.items()]

    def objects_after_charts(self) -> Sequence[Manifest]:
        """Return the AppProjects, Applications and ApplicationSets of Argo CD from the settings."""
        settings, context = self.settings, (self.settings.repositories, self.namespace)
        manifests = [applications.project(name, project, *context) for name, project in settings.projects.items()]
        manifests += [applications.application(name, app, *context) for name, app in settings.applications.items()]
        sets = settings.application_sets.items()
        manifests += [applications.application_set(name, set_, *context) for name, set_ in sets]
        return [*manifests, *([applications.app_of_apps(settings.root, *context)] if settings.root else ())]

    def host_services(self) -> Sequence[HostService]:
        """Return the host service that removes the finalizers of all Applications when Pulumi deletes the layer.

        Without Argo CD, the finalizers of Applications would block the deletion of the namespace.
        """
        variables = {"NAMESPACE": self.namespace}
        return [HostService("applications", "", (), ("argocd/orphan-applications.sh",), variables=variables)]

    @property
    def web_ui(self) -> WebUI:
        """The web UI of Argo CD."""
        return WebUI(self.lab, self.key, "argocd", self.settings.host, self.settings.issuer)

    def outputs(self) -> Mapping[str, object]:
        """Return the namespace in which Argo CD reads Applications, as a stack output."""
        return {"gitops_namespace": self.namespace}

    def findings(self) -> Iterator[Finding]:
        """Yield errors in Argo CD's settings, such as references to unknown repositories or projects."""
        yield from self.web_ui.findings()
        if self.settings.redis_copies and len(self.lab.schedulable_nodes) < REDIS_REPLICAS:
            reason = f"needs {REDIS_REPLICAS} untainted nodes, but the cluster has {len(self.lab.schedulable_nodes)}"
            fix = "remove redisCopies: one Redis is enough, because Argo CD uses Redis only as a cache"
            yield ("redisCopies",), reason, fix
        yield from repositories.findings(self.settings.repositories)
        yield from validation.projects(self.settings.projects, self.settings.repositories)
        yield from self._application_problems()

    def _application_problems(self) -> Iterator[Finding]:
        settings, projects = self.settings, tuple(self.settings.projects)
        for name, application in settings.applications.items():
            yield from validation.application(application, projects, settings.repositories, ("applications", name))
        for name, set_ in settings.application_sets.items():
            yield from validation.application_set(set_, projects, settings.repositories, ("applicationSets", name))
        if settings.root:
            yield from validation.repository(settings.root.repository, settings.repositories, ("root", "repository"))
            if ROOT_APPLICATION in settings.applications:
                yield ("applications", ROOT_APPLICATION), "is reserved for the setting root", "choose another name"
