"""Argo CD: deploys applications from Git and keeps the cluster in sync with Git."""

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
from components.platform.layer import Layer, resources
from components.settings.errors import Finding
from components.settings.fields import DnsLabel, Domain, StrictBool, Text
from components.settings.model import Model, SecretRef

REDIS_REPLICAS = 3
_FIXED_MTIME = "2026-01-01T00:00:00Z"


class ArgoCDSettings(Model):
    """Argo CD: deploys applications from Git and keeps the cluster in sync with Git."""

    host: Domain | None = None
    """Host name of the web UI. Default: `argocd.DOMAIN`."""
    issuer: DnsLabel | None = None
    """ClusterIssuer of the web UI's certificate. Default: the default issuer of certManager."""
    admin_password: SecretRef | None = None
    """Secret that contains the password of the user `admin`. Default: Argo CD generates a password in the Secret
    argocd-initial-admin-secret."""
    redis_copies: StrictBool = False
    """Whether Redis runs with three replicas on three nodes. Redis is only Argo CD's cache, which refills after a
    failure."""
    known_hosts: tuple[Text, ...] = ()
    """Lines for Argo CD's known_hosts file: the SSH host keys of your own Git servers. Argo CD already knows the host
    keys of GitHub, GitLab and similar services."""
    repositories: dict[DnsLabel, RepositorySettings] = Field(default_factory=dict)
    """Repositories that Argo CD reads; each key is a name of your choice. Private repositories need credentials."""
    projects: dict[DnsLabel, ProjectSettings] = Field(default_factory=dict)
    """Projects (AppProjects) by name, in addition to the built-in project `default`, which allows everything."""
    applications: dict[DnsLabel, ApplicationSettings] = Field(default_factory=dict)
    """Applications by name."""
    application_sets: dict[DnsLabel, ApplicationSetSettings] = Field(default_factory=dict)
    """ApplicationSets by name."""
    root: RootSettings | None = None
    """The application `root`, which deploys further applications (app of apps). Default: none."""


class ArgoCD(Layer[ArgoCDSettings]):
    """Argo CD with its repositories, projects and applications."""

    key = "argocd"
    settings_type = ArgoCDSettings
    namespace = "argocd"
    installs_after = ("longhorn",)  # the deletion of Applications may delete volumes, which needs Longhorn

    def values(self) -> Mapping[str, Json]:
        """Return Argo CD's Helm values.

        The API server, repo server and ApplicationSet controller have up to two replicas each.
        """
        values: dict[str, Json] = {
            "crds": {"install": True, "keep": True},
            # K3s enforces the chart's NetworkPolicies, which allow connections from every client to Argo CD's server
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
        budget = {"enabled": True, "maxUnavailable": 1} if replicas > 1 else {"enabled": False}
        return {"replicas": replicas, "pdb": budget, **self._component(cpu, memory)}

    def _configs(self) -> dict[str, Json]:
        configs: dict[str, Json] = {"params": {"server.insecure": self.web_ui.has_ingress}}  # Traefik terminates TLS
        if self.settings.admin_password:
            # the date of the password change is fixed, because a new date at every upgrade would end all sessions
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
        """Return the Secrets that register the repositories and their credentials with Argo CD."""
        configured = self.settings.repositories
        return [repositories.secret(name, repository, self.namespace) for name, repository in configured.items()]

    def objects_after_charts(self) -> Sequence[Manifest]:
        """Return the AppProjects, Applications and ApplicationSets."""
        settings, context = self.settings, (self.settings.repositories, self.namespace)
        manifests = [applications.project(name, project, *context) for name, project in settings.projects.items()]
        manifests += [applications.application(name, app, *context) for name, app in settings.applications.items()]
        sets = settings.application_sets.items()
        manifests += [applications.application_set(name, set_, *context) for name, set_ in sets]
        return [*manifests, *([applications.app_of_apps(settings.root, *context)] if settings.root else ())]

    def host_services(self) -> Sequence[HostService]:
        """Return the service that removes the Applications' finalizers when the layer is removed.

        Without Argo CD, the finalizers would block the deletion of the namespace.
        """
        variables = {"NAMESPACE": self.namespace}
        return [HostService("applications", "", (), ("argocd/orphan-applications.sh",), variables=variables)]

    @property
    def web_ui(self) -> WebUI:
        """The web UI of Argo CD."""
        return WebUI(self.lab, self.key, "argocd", self.settings.host, self.settings.issuer)

    def outputs(self) -> Mapping[str, object]:
        """Return the namespace in which Argo CD reads Applications."""
        return {"gitops_namespace": self.namespace}

    def findings(self) -> Iterator[Finding]:
        """Yield errors in the settings, including references between repositories, projects and applications."""
        yield from self.web_ui.findings()
        if self.settings.redis_copies and len(self.lab.schedulable_nodes) < REDIS_REPLICAS:
            reason = f"needs {REDIS_REPLICAS} untainted nodes, but the cluster has {len(self.lab.schedulable_nodes)}"
            yield ("redisCopies",), reason, "remove redisCopies: a single Redis is a cache that refills after a failure"
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
