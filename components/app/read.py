"""ConfigMap and Secrets of an app's pods: files, secrets, registry login. Changed content creates a new object."""

import hashlib
import re
from dataclasses import dataclass

import pulumi

from components.app.objects import unnamed
from components.app.settings import AppPullSettings, AppSettings
from components.kubernetes.manifest import Manifest


@dataclass(frozen=True)
class Read:
    """Names of the ConfigMap and Secrets with the pods' configuration files, secrets, and registry login."""

    files: pulumi.Input[str] | None = None
    secrets: pulumi.Input[str] | None = None
    pull: pulumi.Input[str] | None = None


def files(app: AppSettings) -> Manifest:
    """Return the ConfigMap of the configuration files."""
    return unnamed(app, "ConfigMap", data={key(path): text for path, text in app.files.items()})


def secrets(app: AppSettings) -> Manifest:
    """Return the Secret with the app's secret variables and secret files."""
    files = {key(path): secret for path, secret in app.secret_files.items()}
    return unnamed(app, "Secret", stringData={**app.secrets, **files})


def pull(app: AppSettings, login: AppPullSettings) -> Manifest:
    """Return the image pull Secret for the registry of the app's image."""
    host, slash, _ = app.image.partition("/")
    registry = host if slash and re.search(r"[.:]|^localhost$", host) else "https://index.docker.io/v1/"
    credentials = {"username": login.username, "password": login.password.resolve()}
    config = pulumi.Output.json_dumps({"auths": {registry: credentials}})
    return unnamed(app, "Secret", type="kubernetes.io/dockerconfigjson", stringData={".dockerconfigjson": config})


def key(path: str) -> str:
    """Return the key of a file in its ConfigMap or Secret: the file name, and a hash of the whole path."""
    return f"{path.rpartition('/')[2]}-{hashlib.sha256(path.encode()).hexdigest()[:8]}"
