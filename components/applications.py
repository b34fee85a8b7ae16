"""What ArgoCD deploys: projects, applications and sets of them, as their owner describes them and as its objects."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from components.fields import Free, HostLabel, Switch, Text
from components.manifest import Manifest, Tree
from components.model import Model
from components.repositories import Named, Repositories

SERVER = "https://kubernetes.default.svc"
DEFAULT, ROOT = "default", "root"
"""The project that ArgoCD makes itself, and the application of applications."""
_FINALIZERS = {"finalizers": ["resources-finalizer.argocd.argoproj.io"]}
_DIRECTORY = "{{.path.basenameNormalized}}"
_FOLDER = "{{.path.path}}"
_ELEMENT = "{{.name}}"
_RETRIES = {"limit": 5, "backoff": {"duration": "10s", "factor": 2, "maxDuration": "5m"}}


@dataclass(frozen=True)
class _Values(Free):
    """Values of a chart."""

    name: str = "mapping"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.dict_schema(core_schema.str_schema(), core_schema.any_schema())

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "object"}


class ProjectSettings(Model):
    """A project: what its applications may do."""

    description: Text | None = None
    """What it is for."""
    repositories: tuple[Named, ...] = ("*",)
    """Where they may come from: names of `repositories`, URLs, or patterns of URLs."""
    namespaces: tuple[Text, ...] = ("*",)
    """Namespaces in which they may be, or patterns such as `shop-*`."""
    cluster_wide: Switch = False
    """Whether they may bring what is in no namespace, such as CRDs and cluster roles."""


class Source(Model):
    """What is deployed, and how."""

    project: HostLabel = DEFAULT
    """Project: `default`, or one of `projects`."""
    repository: Named
    """Where it comes from: an entry of `repositories`, or the URL of a public repository."""
    path: Text | None = None
    """Folder in a Git repository. Give this or `chart`."""
    chart: Text | None = None
    """Chart in a Helm repository."""
    revision: Text | None = None
    """Branch, tag or commit, default HEAD; of a chart its version, which must be given."""
    values: Annotated[dict[str, Any], _Values()] = Field(default_factory=dict)
    """Helm values, without secrets."""
    prune: Switch = True
    """Whether what is gone from Git is deleted."""
    self_heal: Switch = True
    """Whether what was changed by hand is changed back."""
    create_namespace: Switch = True
    """Whether its namespace is made if it is missing."""
    server_side_apply: Switch = False
    """Whether the API server merges changes, which very large objects need."""
    cascade: Switch = False
    """Whether what it deployed is deleted with it, data too; also when argocd is switched off."""


class ApplicationSettings(Source):
    """An application: a folder of a Git repository or a chart, kept deployed."""

    namespace: HostLabel | None = None
    """Namespace into which it is deployed. Default: its own name."""


class ApplicationSetSettings(Source):
    """One application for each folder of a Git repository that fits, or for each element of a list."""

    namespace: Text | None = None
    """Namespace into which each is deployed, `{{.key}}` as below. Default: its name."""
    directories: tuple[Text, ...] = ()
    """Patterns of folders, such as `apps/*`; each application has the name of its folder."""
    elements: tuple[dict[Text, Text], ...] = ()
    """A list instead; each has a `name`, and keys that `path`, `revision` and `namespace` use as `{{.key}}`."""


class RootSettings(Model):
    """An application of applications: a folder whose files describe further applications."""

    repository: Named
    """Where it is: an entry of `repositories`, or the URL of a public repository."""
    path: Text = "."
    """Folder with the files."""
    revision: Text = "HEAD"
    """Branch, tag or commit."""


def url(named: str, repositories: Repositories) -> str:
    """Return the URL of a repository given by its name, and others as they are."""
    return repositories[named].url if named in repositories else named


def project(name: str, settings: ProjectSettings, repositories: Repositories, namespace: str) -> Manifest:
    """Return a project."""
    kinds = {"group": "*", "kind": "*"} if settings.cluster_wide else {"group": "", "kind": "Namespace"}
    spec: dict[str, Tree] = {
        "sourceRepos": [url(named, repositories) for named in settings.repositories],
        "destinations": [{"server": SERVER, "namespace": each} for each in settings.namespaces],
        "clusterResourceWhitelist": [kinds],
    }
    described = {"description": settings.description} if settings.description else {}
    return _object("AppProject", {"name": name, "namespace": namespace}, described | spec)


def application(name: str, settings: ApplicationSettings, repositories: Repositories, namespace: str) -> Manifest:
    """Return an application."""
    metadata = {"name": name, "namespace": namespace, **(_FINALIZERS if settings.cascade else {})}
    return _object(
        "Application", metadata, _spec(settings, repositories, settings.namespace or name, settings.path or "")
    )


def application_set(
    name: str, settings: ApplicationSetSettings, repositories: Repositories, namespace: str
) -> Manifest:
    """Return a set of applications."""
    if settings.directories:
        folders = [{"path": pattern} for pattern in settings.directories]
        revision = settings.revision or "HEAD"
        git = {"repoURL": url(settings.repository, repositories), "revision": revision, "directories": folders}
        generator: Tree = {"git": git}
        each, path = _DIRECTORY, _FOLDER
    else:
        generator = {"list": {"elements": list(settings.elements)}}
        each, path = _ELEMENT, settings.path or ""
    template = {"metadata": {"name": each}, "spec": _spec(settings, repositories, settings.namespace or each, path)}
    spec = {
        "goTemplate": True,
        "goTemplateOptions": ["missingkey=error"],
        "generators": [generator],
        "template": template,
        "syncPolicy": {"preserveResourcesOnDeletion": not settings.cascade},
    }
    return _object("ApplicationSet", {"name": name, "namespace": namespace}, spec)


def root(settings: RootSettings, repositories: Repositories, namespace: str) -> Manifest:
    """Return the application of applications."""
    given = ApplicationSettings(repository=settings.repository, revision=settings.revision)
    spec = _spec(given, repositories, namespace, settings.path)
    return _object("Application", {"name": ROOT, "namespace": namespace}, spec)


def _spec(settings: Source, repositories: Repositories, namespace: str, path: str) -> Tree:
    source = {"repoURL": url(settings.repository, repositories), "targetRevision": settings.revision or "HEAD"}
    what = {"chart": settings.chart} if settings.chart else {"path": path}
    helm = {"helm": {"valuesObject": settings.values}} if settings.values else {}
    options = {"CreateNamespace": settings.create_namespace, "ServerSideApply": settings.server_side_apply}
    return {
        "project": settings.project,
        "source": {**source, **what, **helm},
        "destination": {"server": SERVER, "namespace": namespace},
        "syncPolicy": {
            "automated": {"prune": settings.prune, "selfHeal": settings.self_heal},
            "syncOptions": [f"{option}=true" for option, on in options.items() if on],
            "retry": _RETRIES,
        },
    }


def _object(kind: str, metadata: Tree, spec: Tree) -> Manifest:
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}
