"""ConfigMap and Secrets of an app's pods: configuration files, secrets and the registry login.

Pulumi replaces a ConfigMap or Secret when the content changes.
"""

import hashlib
import re
from dataclasses import dataclass

import pulumi

from components.app.objects import immutable_object
from components.app.settings import AppPullSettings, AppSettings
from components.kubernetes.manifest import Manifest


@dataclass(frozen=True)
class ConfigSources:
    """Names of the ConfigMap and Secrets that contain the pods' configuration files, secrets and registry login."""

    files: pulumi.Input[str] | None = None
    secrets: pulumi.Input[str] | None = None
    image_pull_secret: pulumi.Input[str] | None = None


def config_map(app: AppSettings) -> Manifest:
    """Return the ConfigMap with the app's configuration files."""
    return immutable_object(app, "ConfigMap", data={file_key(path): text for path, text in app.files.items()})


def secret(app: AppSettings) -> Manifest:
    """Return the Secret with the app's secret variables and secret files."""
    files = {file_key(path): secret for path, secret in app.secret_files.items()}
    return immutable_object(app, "Secret", stringData={**app.secrets, **files})


def image_pull_secret(app: AppSettings, login: AppPullSettings) -> Manifest:
    """Return the image pull Secret for the registry of the app's image."""
    host, slash, _ = app.image.partition("/")
    registry = host if slash and re.search(r"[.:]|^localhost$", host) else "https://index.docker.io/v1/"
    credentials = {"username": login.username, "password": login.password.resolve()}
    config = pulumi.Output.json_dumps({"auths": {registry: credentials}})
    return immutable_object(
        app, "Secret", type="kubernetes.io/dockerconfigjson", stringData={".dockerconfigjson": config}
    )


def file_key(path: str) -> str:
    """Return a file's key in the ConfigMap or Secret: the file name and a hash of the file's full path."""
    return f"{path.rpartition('/')[2]}-{hashlib.sha256(path.encode()).hexdigest()[:8]}"
