"""Settings and manifests of Argo CD's AppProjects, Applications and ApplicationSets."""

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
    """An AppProject: the repositories, namespaces and resources that applications of the project may use."""

    description: Text | None = None
    """Description of the project."""
    repositories: tuple[RepositoryRef, ...] = ("*",)
    """Repositories that applications may use: names of entries of `repositories`, URLs, or URL patterns."""
    namespaces: tuple[Text, ...] = ("*",)
    """Namespaces that applications may deploy to, or patterns such as `shop-*`."""
    cluster_wide: StrictBool = False
    """Whether applications may deploy cluster-scoped resources, such as CRDs and ClusterRoles."""


class SourceSettings(Model):
    """Source and sync options of an application."""

    project: DnsLabel = DEFAULT_PROJECT
    """Argo CD project of the application: `default`, or the name of an entry of `projects`."""
    repository: RepositoryRef
    """Repository: the name of an entry of `repositories`, or the URL of a public repository."""
    path: Text | None = None
    """Folder in a Git repository. Set either `path` or `chart`."""
    chart: Text | None = None
    """Chart in a Helm repository. Set either `chart` or `path`."""
    revision: Text | None = None
    """Revision: a branch, tag or commit of a Git repository (default: HEAD), or the version of a Helm chart
    (required)."""
    values: Annotated[dict[str, Any], _Values()] = Field(default_factory=dict)
    """Helm values of the chart. Helm values must not contain secrets."""
    prune: StrictBool = True
    """Whether Argo CD deletes resources from the cluster after their removal from Git."""
    self_heal: StrictBool = True
    """Whether Argo CD reverts manual changes to the application's resources."""
    create_namespace: StrictBool = True
    """Whether Argo CD creates the application's namespace if the namespace is missing."""
    server_side_apply: StrictBool = False
    """Whether Argo CD uses server-side apply, which very large objects need."""
    cascade: StrictBool = False
    """Whether the application's resources and their data are deleted when the application is deleted or argocd is
    disabled."""


class ApplicationSettings(SourceSettings):
    """An application: a Git folder or a Helm chart that Argo CD keeps deployed."""

    namespace: DnsLabel | None = None
    """Namespace to deploy to. Default: the application's name."""


class ApplicationSetSettings(SourceSettings):
    """One application for each matching folder of a Git repository, or for each element of a list."""

    namespace: Text | None = None
    """Namespace to deploy to, which can insert keys of an element as `{{.key}}`. Default: the application's name."""
    directories: tuple[Text, ...] = ()
    """Patterns of folders in the Git repository, such as `apps/*`. Each application gets the name of its folder."""
    elements: tuple[dict[Text, Text], ...] = ()
    """List with one element for each application, as an alternative to `directories`. Each element needs a `name`. The
    settings `path`, `revision` and `namespace` can insert an element's keys as `{{.key}}`."""


class RootSettings(Model):
    """The app of apps: a Git folder with the manifests of further Argo CD Applications."""

    repository: RepositoryRef
    """Git repository: the name of an entry of `repositories`, or the URL of a public repository."""
    path: Text = "."
    """Folder of the repository that contains the manifests of Applications."""
    revision: Text = "HEAD"
    """Branch, tag or commit."""


def resolve_url(reference: str, repositories: Repositories) -> str:
    """Return the URL of the repository that a setting refers to by name or by URL."""
    return repositories[reference].url if reference in repositories else reference


def project(name: str, settings: ProjectSettings, repositories: Repositories, namespace: str) -> Manifest:
    """Return the AppProject for one entry of `projects`."""
    allowed = {"group": "*", "kind": "*"} if settings.cluster_wide else {"group": "", "kind": "Namespace"}
    spec: dict[str, Json] = {
        "sourceRepos": [resolve_url(reference, repositories) for reference in settings.repositories],
        "destinations": [{"server": SERVER, "namespace": pattern} for pattern in settings.namespaces],
        "clusterResourceWhitelist": [allowed],
    }
    description = {"description": settings.description} if settings.description else {}
    return _object("AppProject", {"name": name, "namespace": namespace}, description | spec)


def application(name: str, settings: ApplicationSettings, repositories: Repositories, namespace: str) -> Manifest:
    """Return the Application for one entry of `applications`."""
    metadata = {"name": name, "namespace": namespace, **(_FINALIZERS if settings.cascade else {})}
    return _object(
        "Application", metadata, _spec(settings, repositories, settings.namespace or name, settings.path or "")
    )


def application_set(
    name: str, settings: ApplicationSetSettings, repositories: Repositories, namespace: str
) -> Manifest:
    """Return the ApplicationSet for one entry of `applicationSets`."""
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
    """Return the Application `root`, which is the app of apps."""
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
