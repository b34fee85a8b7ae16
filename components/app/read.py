"""What the pods of an app read: its files and secrets, under a new name with every new content."""

import hashlib
import re
from dataclasses import dataclass

import pulumi

from components.app.objects import unnamed
from components.app.settings import AppPullSettings, AppSettings
from components.manifest import Manifest


@dataclass(frozen=True)
class Read:
    """Names of the ConfigMap and the Secrets that the pods read, or that their images are pulled with."""

    files: pulumi.Input[str] | None = None
    secrets: pulumi.Input[str] | None = None
    pull: pulumi.Input[str] | None = None


def files(app: AppSettings) -> Manifest:
    """The configuration files."""
    return unnamed(app, "ConfigMap", data={key(path): text for path, text in app.files.items()})


def secrets(app: AppSettings) -> Manifest:
    """The variables and the files that are secrets."""
    files = {key(path): secret for path, secret in app.secret_files.items()}
    return unnamed(app, "Secret", stringData={**app.secrets, **files})


def pull(app: AppSettings, given: AppPullSettings) -> Manifest:
    """What the image is pulled with."""
    host, slash, _ = app.image.partition("/")
    registry = host if slash and re.search(r"[.:]|^localhost$", host) else "https://index.docker.io/v1/"
    who = {"username": given.username, "password": given.password.resolve()}
    text = pulumi.Output.json_dumps({"auths": {registry: who}})
    return unnamed(app, "Secret", type="kubernetes.io/dockerconfigjson", stringData={".dockerconfigjson": text})


def key(path: str) -> str:
    """Return the key of a file: its name, and what sets it apart from others of that name."""
    return f"{path.rpartition('/')[2]}-{hashlib.sha256(path.encode()).hexdigest()[:8]}"
