"""ConfigMap and Secrets of an app: configuration files, secrets, registry credentials and users for HTTP basic
authentication.

Pulumi replaces a ConfigMap or Secret when its content changes.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import pulumi

from components.app import exposure
from components.app.ingress_settings import AppBasicAuthSettings
from components.app.objects import immutable_object
from components.app.platform_outputs import AppPlatformOutputs
from components.app.secret_settings import AppPullSettings
from components.app.settings import AppSettings
from components.app.variable_references import has_host, insert_host
from components.kubernetes.manifest import Manifest, bcrypt_hash

_HTPASSWD_COST = 5
"""Cost of bcrypt, which Traefik computes for each request. `htpasswd -B` has the same default."""
_HTPASSWD_LINE = re.compile(r"[^:\s]+:(\$2[aby]\$|\$apr1\$|\$1\$|\{SHA\})\S+")


@dataclass(frozen=True)
class ConfigSources:
    """Names of the ConfigMap and Secrets that contain the pods' configuration files, secrets, registry credentials and
    the passwords of MariaDB and Valkey."""

    files: pulumi.Input[str] | None = None
    secrets: pulumi.Input[str] | None = None
    image_pull_secret: pulumi.Input[str] | None = None
    mariadb: pulumi.Input[str] | None = None
    valkey: pulumi.Input[str] | None = None
    roles: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    """Names of the Secrets with the passwords of the database's additional roles, by role."""
    server_images: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    """Images of the app's database servers, by the name of the init container of Jobs that waits for the server."""


def config_map(app: AppSettings, platform: AppPlatformOutputs) -> Manifest:
    """Return the ConfigMap with the app's configuration files."""
    names = exposure.host_names(app, platform)
    data = {file_key(path): _with_host(text, names) for path, text in app.files.items()}
    return immutable_object(app, "ConfigMap", data=data)


def _with_host(text: str, names: Sequence[pulumi.Input[str]]) -> pulumi.Input[str]:
    if not has_host(text):
        return insert_host(text, "")  # only removes the second $ of $$(HOMELAB_HOST)
    return pulumi.Output.from_input(names[0]).apply(partial(insert_host, text))


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


def htpasswd(app: AppSettings, settings: AppBasicAuthSettings, path: str) -> Manifest:
    """Return the Secret with the users and password hashes of `ingress.basicAuth`.

    `path` is the path of the app's settings, such as `homelab:app`.
    """
    if settings.htpasswd:
        lines = settings.htpasswd.resolve().apply(partial(checked_htpasswd, path))
    else:
        users = [
            password.resolve().apply(partial(_htpasswd_line, app.name, user))
            for user, password in settings.users.items()
        ]
        lines = pulumi.Output.all(*users).apply("\n".join)
    return immutable_object(app, "Secret", stringData={"users": lines})


def _htpasswd_line(app: str, user: str, password: str) -> str:
    # the salt is derived from the names of app and user: a random salt would change the Secret in every Pulumi run
    salt = hashlib.sha256(f"{app}/{user}".encode()).hexdigest()[:32]
    return f"{user}:{bcrypt_hash(password, salt, _HTPASSWD_COST)}"


def checked_htpasswd(path: str, text: str) -> str:
    """Return the lines of an htpasswd file, each of the form USER:HASH. Raises `pulumi.RunError` for an htpasswd line
    that Traefik cannot read.

    `path` is the path of the app's settings, such as `homelab:app`.
    """
    for number, line in enumerate(text.strip().splitlines() or [""], start=1):
        if not _HTPASSWD_LINE.fullmatch(line.strip()):
            reason = f"line {number} of the secret is not a user with a hash that Traefik supports"
            fix = "set the secret to the output of `htpasswd -nB USER`"
            raise pulumi.RunError(f"{path}.ingress.basicAuth.htpasswd: {reason}; {fix}")
    return "\n".join(line.strip() for line in text.strip().splitlines())


def file_key(path: str) -> str:
    """Return the key of a file in the ConfigMap or Secret: the file's name, and a hash of the file's full path."""
    return f"{path.rpartition('/')[2]}-{hashlib.sha256(path.encode()).hexdigest()[:8]}"
