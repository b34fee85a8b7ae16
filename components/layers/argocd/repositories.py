"""Settings of the Git and Helm repositories that Argo CD reads, and of their credentials."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

from components.kubernetes.manifest import Json, Manifest, secret_manifest
from components.settings.errors import Finding, setting_error
from components.settings.fields import DnsLabel, Text, TextType
from components.settings.model import Model, SecretRef

_SCP_STYLE = r"[A-Za-z0-9_.-]+@[A-Za-z0-9.-]+:[^\s:]+"
_LABEL = {"argocd.argoproj.io/secret-type": "repository"}


def is_url(value: str) -> bool:
    """Whether `value` is the URL of a repository, and not a key under `repositories`."""
    return "://" in value or re.fullmatch(_SCP_STYLE, value) is not None


def repository_url(value: str) -> str:
    """Validate the URL of a Git or Helm repository. The URL must not contain credentials."""
    if re.fullmatch(_SCP_STYLE, value):
        return value
    fix = "write it as https://git.lan/me/apps.git, ssh://git@git.lan/me/apps.git or git@git.lan:me/apps.git"
    try:
        parts = urlsplit(value)
    except ValueError:
        raise setting_error("is not the URL of a repository", fix) from None
    if parts.scheme not in ("https", "http", "ssh") or not parts.hostname or " " in value:
        raise setting_error("is not the URL of a repository", fix)
    if parts.password is not None or (parts.username is not None and parts.scheme != "ssh"):
        raise setting_error("must not contain credentials", "set username and password in an entry under repositories")
    return value


def _name_or_url(value: str) -> str:
    return repository_url(value) if is_url(value) else value


RepositoryRef = Annotated[str, TextType("name or URL", _name_or_url)]


class RepositorySettings(Model):
    """Settings of a Git or Helm repository that Argo CD reads, with credentials if the repository is private."""

    url: Annotated[str, TextType("URL of a repository", repository_url)]
    """URL of the repository, which starts with https://, http:// or ssh://, or has the form user@host:path."""
    type: Literal["git", "helm"] = "git"
    """Type of the repository: `git` for files in Git, `helm` for Helm charts."""
    ssh_key: SecretRef | None = None
    """Pulumi secret that contains a private SSH key with read access to the repository."""
    username: Text | None = None
    """User name with read access to the repository over HTTPS."""
    password: SecretRef | None = None
    """Pulumi secret that contains the password or token of the user in `username`."""

    @property
    def uses_ssh(self) -> bool:
        """Whether Argo CD reads the repository over SSH."""
        return not self.url.startswith("http")


Repositories = Mapping[str, RepositorySettings]


def secret(name: str, settings: RepositorySettings, namespace: str) -> Manifest:
    """Build the Kubernetes Secret that registers a repository with Argo CD."""
    data: dict[str, Json] = {"name": name, "url": settings.url, "type": settings.type}
    credentials = {"sshPrivateKey": settings.ssh_key, "username": settings.username, "password": settings.password}
    metadata = {"name": f"repository-{name}", "namespace": namespace, "labels": _LABEL}
    present = {key: value for key, value in credentials.items() if value is not None}
    return secret_manifest(metadata, data | present)


def findings(repositories: Mapping[DnsLabel, RepositorySettings]) -> Iterator[Finding]:
    """Yield errors in the settings of repositories and their credentials."""
    first: dict[str, str] = {}
    for name, settings in repositories.items():
        if settings.url in first:
            reason = f"is also the URL of {first[settings.url]}"
            yield ("repositories", name, "url"), reason, "keep one entry for each repository"
        first.setdefault(settings.url, name)
        for key, reason, fix in _credential_problems(settings):
            yield ("repositories", name, key), reason, fix


def _credential_problems(settings: RepositorySettings) -> Iterator[tuple[str, str, str]]:
    if settings.ssh_key and not settings.uses_ssh:
        yield (
            "sshKey",
            "has no effect, because Argo CD reads the repository over HTTP",
            "use the repository's ssh URL, or set username and password",
        )
    if settings.password and settings.uses_ssh:
        fix = "use the repository's https URL, or set sshKey"
        yield "password", "has no effect, because Argo CD reads the repository over SSH", fix
    if settings.password and settings.url.startswith("http:"):
        yield "password", "would be sent in clear text", "use the repository's https URL"
    if (settings.username is None) is not (settings.password is None):
        key, other = ("password", "username") if settings.username is None else ("username", "password")
        yield key, f"is set without {other}", f"add {other}; Git services accept any username together with a token"
    if settings.uses_ssh and not settings.ssh_key:
        yield "sshKey", "is missing: access over SSH needs a key", "add sshKey, or use the https URL"
    if settings.uses_ssh and settings.type == "helm":
        yield "type", "is helm, but Argo CD cannot read Helm charts over SSH", "use the https URL"
