"""ArgoCD: what stands in Git is what runs."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import Field

from components import applications, gitops, repositories
from components.applications import (
    ROOT,
    ApplicationSetSettings,
    ApplicationSettings,
    ProjectSettings,
    RootSettings,
)
from components.fields import Domain, HostLabel, Switch, Text
from components.host import Service
from components.layer import Finding, Layer, resources
from components.layers.traefik import CLASS
from components.manifest import Hashed, Manifest, Tree
from components.model import Model, SecretRef
from components.page import Page
from components.repositories import RepositorySettings

REDIS_COPIES = 3
_LONG_AGO = "2026-01-01T00:00:00Z"


class ArgoCDSettings(Model):
    """ArgoCD: what stands in Git is what runs."""

    host: Domain | None = None
    """Host name of its page. Default: `argocd.DOMAIN`."""
    issuer: HostLabel | None = None
    """Issuer of certManager for the page's certificate. Default: the default one."""
    admin_password: SecretRef | None = None
    """Secret that holds the password of `admin`. Default: ArgoCD makes one, in argocd-initial-admin-secret."""
    redis_copies: Switch = False
    """Whether its cache runs three times, on three machines. A single one is filled anew after a failure."""
    known_hosts: tuple[Text, ...] = ()
    """Lines of known_hosts for SSH servers of your own; those of GitHub, GitLab and the like are known."""
    repositories: dict[HostLabel, RepositorySettings] = Field(default_factory=dict)
    """Repositories by a name of your choice, with the keys to private ones."""
    projects: dict[HostLabel, ProjectSettings] = Field(default_factory=dict)
    """Projects by name, besides `default`, in which everything is allowed."""
    applications: dict[HostLabel, ApplicationSettings] = Field(default_factory=dict)
    """Applications by name."""
    application_sets: dict[HostLabel, ApplicationSetSettings] = Field(default_factory=dict)
    """Sets of applications by name."""
    root: RootSettings | None = None
    """The application `root`, which brings further applications. Default: there is none."""


class ArgoCD(Layer[ArgoCDSettings]):
    """ArgoCD with its repositories, projects and applications."""

    key = "argocd"
    settings_type = ArgoCDSettings
    namespace = "argocd"
    after = ("longhorn",)  # what Applications take along with them may have volumes

    def values(self) -> Mapping[str, Tree]:
        """Return ArgoCD, with what serves requests twice where there are two machines."""
        values: dict[str, Tree] = {
            "crds": {"install": True, "keep": True},
            # K3s enforces them; the server's lets everybody in, so Traefik too
            "global": {"domain": self.page.host, "networkPolicy": {"create": True}},
            "configs": self._configs(),
            "controller": self._part("100m", "768Mi"),
            "server": {**self._copies("50m", "192Mi"), "ingress": self._ingress()},
            "repoServer": self._copies("50m", "384Mi"),
            "applicationSet": self._copies("25m", "192Mi"),
            "redis": {"resources": resources("25m", "64Mi")},
            "redis-ha": self._redis(),
            "redisSecretInit": {"resources": resources("10m", "128Mi")},
            "dex": {"enabled": False},
            "notifications": {"enabled": False},
        }
        return {"argo-cd": values}

    def _part(self, cpu: str, memory: str) -> dict[str, Tree]:
        metrics = {"enabled": self.monitored, "serviceMonitor": {"enabled": self.monitored}}
        return {"resources": resources(cpu, memory), "metrics": metrics}

    def _copies(self, cpu: str, memory: str) -> dict[str, Tree]:
        replicas = self.lab.replicas(2)
        budget = {"enabled": True, "maxUnavailable": 1} if replicas > 1 else {"enabled": False}
        return {"replicas": replicas, "pdb": budget, **self._part(cpu, memory)}

    def _configs(self) -> dict[str, Tree]:
        configs: dict[str, Tree] = {"params": {"server.insecure": self.page.served}}  # Traefik ends TLS
        if self.settings.admin_password:
            # a fixed date, or every upgrade would log everybody out
            hashed = Hashed(self.settings.admin_password)
            configs["secret"] = {"argocdServerAdminPassword": hashed, "argocdServerAdminPasswordMtime": _LONG_AGO}
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
            "tls": self.page.issuer is not None,  # without, Traefik shows its default certificate
        }

    def _redis(self) -> Tree:
        if not self.settings.redis_copies:
            return {"enabled": False}
        small = {"resources": resources("25m", "128Mi")}
        # each on a machine of its own: a fourth one would find no machine, and the rollout would wait for it
        one_by_one = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
        balancer = {**small, "deploymentStrategy": one_by_one}
        return {"enabled": True, "redis": small, "sentinel": small, "haproxy": balancer}

    def before(self) -> Sequence[Manifest]:
        """Return what ArgoCD learns of its repositories from."""
        given = self.settings.repositories
        return [repositories.secret(name, each, self.namespace) for name, each in given.items()]

    def extend(self) -> Sequence[Manifest]:
        """Return projects and applications."""
        given, known, namespace = self.settings, self.settings.repositories, self.namespace
        made = [applications.project(name, each, known, namespace) for name, each in given.projects.items()]
        made += [applications.application(name, each, known, namespace) for name, each in given.applications.items()]
        sets = given.application_sets.items()
        made += [applications.application_set(name, each, known, namespace) for name, each in sets]
        return [*made, *([applications.root(given.root, known, namespace)] if given.root else ())]

    def services(self) -> Sequence[Service]:
        """Return what lets Applications go that others made: their finalizers wait for an ArgoCD that is gone."""
        return [Service("applications", "", (), ("orphan.sh",), variables={"NAMESPACE": self.namespace})]

    @property
    def page(self) -> Page:
        """Its page."""
        return Page(self.lab, self.key, "argocd", self.settings.host, self.settings.issuer)

    def outputs(self) -> Mapping[str, object]:
        """Return the namespace in which applications are described."""
        return {"gitops_namespace": self.namespace}

    def problems(self) -> Iterator[Finding]:
        """Yield what is wrong between ArgoCD and the lab, and between what it is to deploy."""
        yield from self.page.problems()
        if self.settings.redis_copies and len(self.lab.untainted) < REDIS_COPIES:
            reason = f"needs {REDIS_COPIES} machines that take any pod, and there are {len(self.lab.untainted)}"
            yield ("redisCopies",), reason, "leave it out: a single cache is filled anew after a failure"
        yield from repositories.problems(self.settings.repositories)
        yield from gitops.projects(self.settings.projects, self.settings.repositories)
        yield from self._application_problems()

    def _application_problems(self) -> Iterator[Finding]:
        given, known = self.settings, tuple(self.settings.projects)
        for name, each in given.applications.items():
            yield from gitops.application(each, known, given.repositories, ("applications", name))
        for name, set_ in given.application_sets.items():
            yield from gitops.application_set(set_, known, given.repositories, ("applicationSets", name))
        if given.root:
            yield from gitops.repository(given.root.repository, given.repositories, ("root", "repository"))
            if ROOT in given.applications:
                yield ("applications", ROOT), "is the name of the application that root is", "give it another name"
