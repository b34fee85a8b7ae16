"""Settings of AppProjects, Applications and ApplicationSets of Argo CD, and the manifests of these objects."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from components.kubernetes.manifest import Json, Manifest
from components.layers.argocd.repositories import Repositories, RepositoryRef
from components.settings.errors import setting_error
from components.settings.fields import DnsLabel, OptionType, StrictBool, Text, TextType
from components.settings.model import Model

SERVER = "https://kubernetes.default.svc"
DEFAULT_PROJECT, ROOT_APPLICATION = "default", "root"
"""Names of the project that Argo CD creates itself, and of the Application that deploys other Applications (app of
apps)."""
_FINALIZERS = {"finalizers": ["resources-finalizer.argocd.argoproj.io"]}
_DIRECTORY = "{{.path.basenameNormalized}}"
_FOLDER = "{{.path.path}}"
_ELEMENT = "{{.name}}"
_RETRIES = {"limit": 5, "backoff": {"duration": "10s", "factor": 2, "maxDuration": "5m"}}


@dataclass(frozen=True)
class _Values(OptionType):
    """Type of the Helm values of an Application: any YAML mapping."""

    name: str = "mapping"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.dict_schema(core_schema.str_schema(), core_schema.any_schema())

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "object"}


def _repository_path(value: str) -> str:
    """Validate a path below the root of a repository, as Argo CD requires in the source of an Application."""
    fix = "write the path from the root of the repository, such as apps/shop"
    if not value.strip():
        raise setting_error("must not be empty", fix)
    if value.startswith("/"):
        raise setting_error("is an absolute path, but Argo CD needs a path in the repository", fix)
    if ".." in value.split("/"):
        raise setting_error("contains .., which Argo CD refuses", fix)
    return value


RepositoryPath = Annotated[str, TextType("path in a repository", _repository_path)]


class ProjectSettings(Model):
    """Settings of an AppProject of Argo CD, which limits the repositories, namespaces and resources of its
    Applications."""

    description: Text | None = None
    """Description of the project."""
    repositories: tuple[RepositoryRef, ...] = ("*",)
    """Repositories that Applications of the project may use: keys under `repositories`, URLs, or URL patterns."""
    namespaces: tuple[Text, ...] = ("*",)
    """Namespaces into which Applications of the project may deploy, or patterns such as `shop-*`."""
    cluster_wide: StrictBool = False
    """Whether Applications may deploy cluster-scoped resources, such as CRDs and ClusterRoles."""


class SourceSettings(Model):
    """Source, project and sync options of an Argo CD Application."""

    project: DnsLabel = DEFAULT_PROJECT
    """Argo CD project of the Application: `default`, or a key under `projects`."""
    repository: RepositoryRef
    """Git or Helm repository: a key under `repositories`, or the URL of a public repository."""
    path: RepositoryPath | None = None
    """Folder in a Git repository. Set either `path` or `chart`."""
    chart: Text | None = None
    """Chart in a Helm repository. Set either `chart` or `path`."""
    revision: Text | None = None
    """Branch, tag or commit of a Git repository (default: HEAD), or version of a Helm chart (required)."""
    values: Annotated[dict[str, Any], _Values()] = Field(default_factory=dict)
    """Helm values of the chart. The Helm values must not contain secrets."""
    prune: StrictBool = True
    """Whether Argo CD deletes a resource from the cluster when its manifest disappears from Git."""
    self_heal: StrictBool = True
    """Whether Argo CD reverts manual changes to the Application's resources."""
    create_namespace: StrictBool = True
    """Whether Argo CD creates the namespace of the Application if the namespace does not exist."""
    server_side_apply: StrictBool = False
    """Whether Argo CD uses server-side apply, which very large manifests require."""
    cascade: StrictBool = False
    """Whether Argo CD deletes the Application's resources and their data when you delete the Application or disable the
    layer argocd."""


class ApplicationSettings(SourceSettings):
    """Settings of an Application of Argo CD, which deploys a Git folder or a Helm chart and keeps the cluster in sync
    with it."""

    namespace: DnsLabel | None = None
    """Namespace to deploy to. Default: the name of the Application."""


class ApplicationSetSettings(SourceSettings):
    """Settings of an ApplicationSet of Argo CD, which creates an Application for each matching Git folder, or for each
    element of a list."""

    namespace: Text | None = None
    """Name of the namespace into which Argo CD deploys. In the name, Argo CD replaces `{{.KEY}}` with the
    value of `KEY` in the element. Default: the name of the Application."""
    directories: tuple[RepositoryPath, ...] = ()
    """Folders in the Git repository, or patterns such as `apps/*`. The name of a folder becomes the name of an
    Application."""
    elements: tuple[dict[Text, Text], ...] = ()
    """List with one element for each Application. Set either `elements` or `directories`. Each element needs a `name`.
    In `path`, `revision` and `namespace`, Argo CD replaces `{{.KEY}}` with the value of `KEY` in the element."""


class RootSettings(Model):
    """Settings of an app of apps: an Application that deploys other Applications from the manifests in a Git folder."""

    repository: RepositoryRef
    """Git repository: a key under `repositories`, or the URL of a public repository."""
    path: RepositoryPath = "."
    """Folder in the Git repository that contains the manifests of Applications."""
    revision: Text = "HEAD"
    """Branch, tag or commit."""


def resolve_url(reference: str, repositories: Repositories) -> str:
    """Return the URL of a repository, which a setting names either by its key under `repositories` or by its URL."""
    return repositories[reference].url if reference in repositories else reference


def project(name: str, settings: ProjectSettings, repositories: Repositories, namespace: str) -> Manifest:
    """Return the AppProject for one entry under `argocd.projects`."""
    allowed = {"group": "*", "kind": "*"} if settings.cluster_wide else {"group": "", "kind": "Namespace"}
    spec: dict[str, Json] = {
        "sourceRepos": [resolve_url(reference, repositories) for reference in settings.repositories],
        "destinations": [{"server": SERVER, "namespace": pattern} for pattern in settings.namespaces],
        "clusterResourceWhitelist": [allowed],
    }
    description = {"description": settings.description} if settings.description else {}
    return _object("AppProject", {"name": name, "namespace": namespace}, description | spec)


def application(name: str, settings: ApplicationSettings, repositories: Repositories, namespace: str) -> Manifest:
    """Return the Application for one entry under `argocd.applications`."""
    metadata = {"name": name, "namespace": namespace, **(_FINALIZERS if settings.cascade else {})}
    return _object(
        "Application", metadata, _spec(settings, repositories, settings.namespace or name, settings.path or "")
    )


def application_set(
    name: str, settings: ApplicationSetSettings, repositories: Repositories, namespace: str
) -> Manifest:
    """Return the ApplicationSet for one entry under `argocd.applicationSets`."""
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
    """Return the Application `root`, which deploys other Applications (app of apps)."""
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
