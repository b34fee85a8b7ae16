"""Argo CD's AppProjects, Applications and ApplicationSets: their settings and manifests."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from components.kubernetes.manifest import Json, Manifest
from components.layers.argocd.repositories import Repositories, RepositoryRef
from components.settings.fields import DnsLabel, OptionType, StrictBool, Text
from components.settings.model import Model

SERVER = "https://kubernetes.default.svc"
DEFAULT_PROJECT, ROOT_APPLICATION = "default", "root"
"""Names of the project that Argo CD creates itself, and of the app of apps."""
_FINALIZERS = {"finalizers": ["resources-finalizer.argocd.argoproj.io"]}
_DIRECTORY = "{{.path.basenameNormalized}}"
_FOLDER = "{{.path.path}}"
_ELEMENT = "{{.name}}"
_RETRIES = {"limit": 5, "backoff": {"duration": "10s", "factor": 2, "maxDuration": "5m"}}


@dataclass(frozen=True)
class _Values(OptionType):
    """The type of a chart's Helm values: any mapping."""

    name: str = "mapping"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.dict_schema(core_schema.str_schema(), core_schema.any_schema())

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "object"}


class ProjectSettings(Model):
    """An AppProject: the repositories, namespaces and resources that its applications may use."""

    description: Text | None = None
    """Description of the project."""
    repositories: tuple[RepositoryRef, ...] = ("*",)
    """Repositories that applications may use: names of `repositories`, URLs, or URL patterns."""
    namespaces: tuple[Text, ...] = ("*",)
    """Namespaces that applications may deploy to, or patterns such as `shop-*`."""
    cluster_wide: StrictBool = False
    """Allow applications to deploy cluster-scoped resources, such as CRDs and ClusterRoles."""


class SourceSettings(Model):
    """Source and sync options of an application."""

    project: DnsLabel = DEFAULT_PROJECT
    """Project of the application: `default`, or one of `projects`."""
    repository: RepositoryRef
    """Repository: an entry of `repositories`, or the URL of a public repository."""
    path: Text | None = None
    """Folder in a Git repository. Either this or `chart`."""
    chart: Text | None = None
    """Chart in a Helm repository. Either this or `path`."""
    revision: Text | None = None
    """Branch, tag or commit of a Git repository (default: HEAD), or version of a chart (required)."""
    values: Annotated[dict[str, Any], _Values()] = Field(default_factory=dict)
    """Helm values of the chart. They must not contain secrets."""
    prune: StrictBool = True
    """Delete resources from the cluster that were removed from Git."""
    self_heal: StrictBool = True
    """Revert manual changes to the application's resources."""
    create_namespace: StrictBool = True
    """Create the application's namespace if it is missing."""
    server_side_apply: StrictBool = False
    """Use server-side apply, which very large objects need."""
    cascade: StrictBool = False
    """Delete an application's resources, data included, when the application is deleted or argocd is disabled."""


class ApplicationSettings(SourceSettings):
    """An application: a Git folder or a Helm chart that Argo CD keeps deployed."""

    namespace: DnsLabel | None = None
    """Namespace to deploy to. Default: the application's name."""


class ApplicationSetSettings(SourceSettings):
    """One application for each matching folder of a Git repository, or for each element of a list."""

    namespace: Text | None = None
    """Namespace to deploy to; may use keys of `elements` as `{{.key}}`. Default: the application's name."""
    directories: tuple[Text, ...] = ()
    """Folder patterns, such as `apps/*`. Each application is named after its folder."""
    elements: tuple[dict[Text, Text], ...] = ()
    """List of applications instead of `directories`. Each element needs a `name`; `path`, `revision` and `namespace`
    can use an element's keys as `{{.key}}`."""


class RootSettings(Model):
    """The app of apps: a folder whose files describe further applications."""

    repository: RepositoryRef
    """Git repository: an entry of `repositories`, or the URL of a public repository."""
    path: Text = "."
    """Folder with the files that describe applications."""
    revision: Text = "HEAD"
    """Branch, tag or commit."""


def resolve_url(reference: str, repositories: Repositories) -> str:
    """Resolve the name of a repository to its URL; return a URL unchanged."""
    return repositories[reference].url if reference in repositories else reference


def project(name: str, settings: ProjectSettings, repositories: Repositories, namespace: str) -> Manifest:
    """Return the AppProject of a project."""
    allowed = {"group": "*", "kind": "*"} if settings.cluster_wide else {"group": "", "kind": "Namespace"}
    spec: dict[str, Json] = {
        "sourceRepos": [resolve_url(reference, repositories) for reference in settings.repositories],
        "destinations": [{"server": SERVER, "namespace": pattern} for pattern in settings.namespaces],
        "clusterResourceWhitelist": [allowed],
    }
    description = {"description": settings.description} if settings.description else {}
    return _object("AppProject", {"name": name, "namespace": namespace}, description | spec)


def application(name: str, settings: ApplicationSettings, repositories: Repositories, namespace: str) -> Manifest:
    """Return the Application of an application."""
    metadata = {"name": name, "namespace": namespace, **(_FINALIZERS if settings.cascade else {})}
    return _object(
        "Application", metadata, _spec(settings, repositories, settings.namespace or name, settings.path or "")
    )


def application_set(
    name: str, settings: ApplicationSetSettings, repositories: Repositories, namespace: str
) -> Manifest:
    """Return the ApplicationSet of a set of applications."""
    if settings.directories:
        folders = [{"path": pattern} for pattern in settings.directories]
        revision = settings.revision or "HEAD"
        git = {"repoURL": resolve_url(settings.repository, repositories), "revision": revision, "directories": folders}
        generator: Json = {"git": git}
        name_template, path = _DIRECTORY, _FOLDER
    else:
        generator = {"list": {"elements": list(settings.elements)}}
        name_template, path = _ELEMENT, settings.path or ""
    application_spec = _spec(settings, repositories, settings.namespace or name_template, path)
    template = {"metadata": {"name": name_template}, "spec": application_spec}
    spec = {
        "goTemplate": True,
        "goTemplateOptions": ["missingkey=error"],
        "generators": [generator],
        "template": template,
        "syncPolicy": {"preserveResourcesOnDeletion": not settings.cascade},
    }
    return _object("ApplicationSet", {"name": name, "namespace": namespace}, spec)


def app_of_apps(settings: RootSettings, repositories: Repositories, namespace: str) -> Manifest:
    """Return the Application of the app of apps."""
    source = ApplicationSettings(repository=settings.repository, revision=settings.revision)
    spec = _spec(source, repositories, namespace, settings.path)
    return _object("Application", {"name": ROOT_APPLICATION, "namespace": namespace}, spec)


def _spec(settings: SourceSettings, repositories: Repositories, namespace: str, path: str) -> Json:
    source = {"repoURL": resolve_url(settings.repository, repositories), "targetRevision": settings.revision or "HEAD"}
    location = {"chart": settings.chart} if settings.chart else {"path": path}
    helm = {"helm": {"valuesObject": settings.values}} if settings.values else {}
    options = {"CreateNamespace": settings.create_namespace, "ServerSideApply": settings.server_side_apply}
    return {
        "project": settings.project,
        "source": {**source, **location, **helm},
        "destination": {"server": SERVER, "namespace": namespace},
        "syncPolicy": {
            "automated": {"prune": settings.prune, "selfHeal": settings.self_heal},
            "syncOptions": [f"{option}=true" for option, on in options.items() if on],
            "retry": _RETRIES,
        },
    }


def _object(kind: str, metadata: Json, spec: Json) -> Manifest:
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}
