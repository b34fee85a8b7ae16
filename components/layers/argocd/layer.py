"""Argo CD: deploys applications from Git and keeps them in sync."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import Field

from components.cluster.host_requirements import Service
from components.kubernetes.manifest import Hashed, Manifest, Tree
from components.layers.argocd import applications, repositories, validation
from components.layers.argocd.applications import (
    ROOT,
    ApplicationSetSettings,
    ApplicationSettings,
    ProjectSettings,
    RootSettings,
)
from components.layers.argocd.repositories import RepositorySettings
from components.layers.shared.web_ui import Page
from components.layers.traefik.layer import CLASS
from components.platform.layer import Finding, Layer, resources
from components.settings.fields import Domain, HostLabel, Switch, Text
from components.settings.model import Model, SecretRef

REDIS_COPIES = 3
_FIXED_MTIME = "2026-01-01T00:00:00Z"


class ArgoCDSettings(Model):
    """Argo CD: deploys applications from Git and keeps them in sync."""

    host: Domain | None = None
    """Host name of the web UI. Default: `argocd.DOMAIN`."""
    issuer: HostLabel | None = None
    """Issuer of certManager for the web UI's certificate. Default: the default issuer."""
    admin_password: SecretRef | None = None
    """Secret that contains the password of `admin`. Default: Argo CD generates one in argocd-initial-admin-secret."""
    redis_copies: Switch = False
    """Whether Redis runs with three replicas on three nodes. Redis is only a cache and refills after a failure."""
    known_hosts: tuple[Text, ...] = ()
    """Lines of known_hosts for your own SSH servers. Argo CD already knows GitHub, GitLab and similar hosts."""
    repositories: dict[HostLabel, RepositorySettings] = Field(default_factory=dict)
    """Repositories by a name of your choice, with credentials for private repositories."""
    projects: dict[HostLabel, ProjectSettings] = Field(default_factory=dict)
    """Projects (AppProjects) by name, besides `default`, which allows everything."""
    applications: dict[HostLabel, ApplicationSettings] = Field(default_factory=dict)
    """Applications by name."""
    application_sets: dict[HostLabel, ApplicationSetSettings] = Field(default_factory=dict)
    """ApplicationSets by name."""
    root: RootSettings | None = None
    """The application `root`, which deploys further applications (app of apps). Default: none."""


class ArgoCD(Layer[ArgoCDSettings]):
    """Argo CD with its repositories, projects and applications."""

    key = "argocd"
    settings_type = ArgoCDSettings
    namespace = "argocd"
    after = ("longhorn",)  # deleting Applications may delete volumes, which needs Longhorn

    def values(self) -> Mapping[str, Tree]:
        """Return the Helm values of Argo CD, whose request-serving components have up to two replicas."""
        values: dict[str, Tree] = {
            "crds": {"install": True, "keep": True},
            # K3s enforces NetworkPolicies; the server's policy admits every client, including Traefik
            "global": {"domain": self.page.host, "networkPolicy": {"create": True}},
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

    def _component(self, cpu: str, memory: str) -> dict[str, Tree]:
        metrics = {"enabled": self.monitored, "serviceMonitor": {"enabled": self.monitored}}
        return {"resources": resources(cpu, memory), "metrics": metrics}

    def _replicated(self, cpu: str, memory: str) -> dict[str, Tree]:
        replicas = self.lab.replicas(2)
        budget = {"enabled": True, "maxUnavailable": 1} if replicas > 1 else {"enabled": False}
        return {"replicas": replicas, "pdb": budget, **self._component(cpu, memory)}

    def _configs(self) -> dict[str, Tree]:
        configs: dict[str, Tree] = {"params": {"server.insecure": self.page.served}}  # Traefik terminates TLS
        if self.settings.admin_password:
            # a fixed date: a new date at every upgrade would invalidate all sessions
            hashed = Hashed(self.settings.admin_password)
            configs["secret"] = {"argocdServerAdminPassword": hashed, "argocdServerAdminPasswordMtime": _FIXED_MTIME}
        if self.settings.known_hosts:
            configs["ssh"] = {"extraHosts": "\n".join(self.settings.known_hosts)}
        return configs

    def _ingress(self) -> Tree:
        if not self.page.served:
            return {"enabled": False}
        return {
            "enabled": True,
            "ingressClassName": CLASS,
            "hostname": self.page.host,
            "annotations": self.page.annotations,
            "tls": self.page.issuer is not None,  # without an issuer, Traefik serves its default certificate
        }

    def _redis(self) -> Tree:
        if not self.settings.redis_copies:
            return {"enabled": False}
        small_resources = {"resources": resources("25m", "128Mi")}
        # at most one HAProxy pod runs on a node: a surge pod would stay pending and block the rollout
        no_surge = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
        haproxy = {**small_resources, "deploymentStrategy": no_surge}
        return {"enabled": True, "redis": small_resources, "sentinel": small_resources, "haproxy": haproxy}

    def before(self) -> Sequence[Manifest]:
        """Return the Secrets that configure Argo CD's repositories and their credentials."""
        configured = self.settings.repositories
        return [repositories.secret(name, repository, self.namespace) for name, repository in configured.items()]

    def extend(self) -> Sequence[Manifest]:
        """Return the AppProjects, Applications and ApplicationSets."""
        settings, context = self.settings, (self.settings.repositories, self.namespace)
        manifests = [applications.project(name, project, *context) for name, project in settings.projects.items()]
        manifests += [applications.application(name, app, *context) for name, app in settings.applications.items()]
        sets = settings.application_sets.items()
        manifests += [applications.application_set(name, set_, *context) for name, set_ in sets]
        return [*manifests, *([applications.root(settings.root, *context)] if settings.root else ())]

    def services(self) -> Sequence[Service]:
        """Return the service that removes finalizers on deletion, because only Argo CD would remove them."""
        variables = {"NAMESPACE": self.namespace}
        return [Service("applications", "", (), ("argocd/orphan-applications.sh",), variables=variables)]

    @property
    def page(self) -> Page:
        """The web UI of Argo CD."""
        return Page(self.lab, self.key, "argocd", self.settings.host, self.settings.issuer)

    def outputs(self) -> Mapping[str, object]:
        """Return the namespace for Applications."""
        return {"gitops_namespace": self.namespace}

    def problems(self) -> Iterator[Finding]:
        """Yield errors in the settings, including references between repositories, projects and applications."""
        yield from self.page.problems()
        if self.settings.redis_copies and len(self.lab.untainted) < REDIS_COPIES:
            reason = f"needs {REDIS_COPIES} untainted nodes, and the cluster has {len(self.lab.untainted)}"
            yield ("redisCopies",), reason, "remove it: a single Redis is a cache that refills after a failure"
        yield from repositories.problems(self.settings.repositories)
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
            if ROOT in settings.applications:
                yield ("applications", ROOT), "is reserved for the setting root", "choose another name"
