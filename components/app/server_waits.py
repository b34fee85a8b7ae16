"""Init containers of an app's Jobs, which wait until the app's database servers accept connections from the pod of the
Job.

K3s' NetworkPolicy controller allows connections from a new pod to a server only after the pod has started. Without the
init containers, a program that connects at once and exits after an error would fail in each new pod of its Job.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from components.app import database, mariadb, security, valkey
from components.app.postgres_settings import PostgresSettings
from components.app.settings import AppSettings
from components.kubernetes.manifest import Json
from components.platform.layer import resources

DATABASE, MARIADB, VALKEY = "database", "mariadb", "valkey"
"""Names of the init containers."""
ATTEMPTS = 60
"""Number of attempts to connect to a server, about one attempt per second."""
_SCRIPT = f"""\
attempt=1
until CHECK; do
  if [ "$attempt" -ge {ATTEMPTS} ]; then
    echo "The server $WAIT_HOST accepted no connection in {ATTEMPTS} attempts." >&2
    exit 1
  fi
  attempt=$((attempt + 1))
  sleep 1
done
"""
_IMAGE_FIELD = "imageName"
_UNKNOWN_IMAGE = "image-of-the-database"
"""Image in a preview that did not ask CloudNativePG for its default image."""


@dataclass(frozen=True)
class _Wait:
    """A server, and the command of the server's image that succeeds if the server accepts connections."""

    host: str
    check: str


def init_containers(app: AppSettings, images: Mapping[str, pulumi.Input[str] | None]) -> list[Json]:
    """Return an init container for each server of the app.

    `images` maps the name of each init container to the image of its server.
    """
    return [
        {
            "name": name,
            "image": images.get(name),
            "command": ["sh", "-c", _SCRIPT.replace("CHECK", wait.check)],
            "env": [{"name": "WAIT_HOST", "value": wait.host}],
            "resources": resources("10m", "32Mi"),
            "securityContext": security.RESTRICTED_CONTAINER,
        }
        for name, wait in _waits(app)
    ]


def names(app: AppSettings) -> list[str]:
    """Return the names of the init containers."""
    return [name for name, _ in _waits(app)]


def _waits(app: AppSettings) -> Iterator[tuple[str, _Wait]]:
    if app.postgres is not None:
        # without a user name, pg_isready fails for a user without an entry in /etc/passwd
        options = f"--host=$WAIT_HOST --port={database.PORT} --username={app.postgres.database} --timeout=2"
        yield DATABASE, _Wait(database.host(app, app.postgres), f"pg_isready {options}")
    if app.mariadb is not None:
        # without a password, a server that accepts connections denies access, which is no error for a ping
        options = f"--no-defaults --host=$WAIT_HOST --port={mariadb.PORT} --connect-timeout=2"
        yield MARIADB, _Wait(mariadb.server_name(app), f"mariadb-admin {options} ping")
    if app.valkey is not None:
        # without a password, a server that accepts connections answers NOAUTH, which is no error for valkey-cli
        options = f"-h $WAIT_HOST -p {valkey.PORT} -t 2"
        yield VALKEY, _Wait(valkey.server_name(app), f"valkey-cli {options} ping")


def image(postgres: PostgresSettings, cluster: pulumi.CustomResource) -> pulumi.Input[str]:
    """Return the image of the database, which the webhook of CloudNativePG writes into a Cluster without an image."""
    if postgres.image is not None:
        return postgres.image
    spec: pulumi.Output[Any] = cluster.spec  # type: ignore[attr-defined]
    return spec.apply(_image_name)


def _image_name(spec: Json) -> str:
    if _IMAGE_FIELD not in spec and not pulumi.runtime.is_dry_run():
        raise pulumi.RunError(
            "CloudNativePG's webhook has not set spec.imageName in the Cluster of the app's database: "
            "set postgres.image in the stack file"
        )
    return str(spec.get(_IMAGE_FIELD, _UNKNOWN_IMAGE))
