"""Init container of an app's Jobs, which waits until the app's database accepts connections from the pod of the Job."""

from typing import Any

import pulumi

from components.app import database, security
from components.app.postgres_settings import PostgresSettings
from components.app.settings import AppSettings
from components.kubernetes.manifest import Json
from components.platform.layer import resources

NAME = "database"
ATTEMPTS = 60
"""Number of attempts to connect to the database, about one attempt per second."""
_SCRIPT = f"""\
attempt=1
until pg_isready --timeout=2; do
  if [ "$attempt" -ge {ATTEMPTS} ]; then
    echo "The database $PGHOST accepted no connection in {ATTEMPTS} attempts." >&2
    exit 1
  fi
  attempt=$((attempt + 1))
  sleep 1
done
"""
_IMAGE_FIELD = "imageName"
_UNKNOWN_IMAGE = "image-of-the-database"
"""Image in a preview that did not ask CloudNativePG for its default image."""


def init_container(app: AppSettings, postgres: PostgresSettings, image: pulumi.Input[str] | None) -> Json:
    """Return the init container.

    K3s' NetworkPolicy controller allows connections from a new pod to the database only after the pod has started.
    Without the init container, a program that connects at once and exits after an error would fail in each new pod of
    its Job.
    """
    variables = {
        "PGHOST": database.host(app, postgres),
        "PGPORT": str(database.PORT),
        "PGUSER": postgres.database,  # without a user name, pg_isready fails for a user without an entry in /etc/passwd
    }
    return {
        "name": NAME,
        "image": image,
        "command": ["sh", "-c", _SCRIPT],
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        "resources": resources("10m", "32Mi"),
        "securityContext": security.RESTRICTED_CONTAINER,
    }


def image(postgres: PostgresSettings, cluster: pulumi.CustomResource) -> pulumi.Input[str]:
    """Return the image of the database, which the webhook of CloudNativePG writes into a Cluster without an image."""
    if postgres.image is not None:
        return postgres.image
    spec: pulumi.Output[Any] = cluster.spec  # type: ignore[attr-defined]
    return spec.apply(_image_name)


def _image_name(spec: Json) -> str:
    if _IMAGE_FIELD not in spec and not pulumi.runtime.is_dry_run():
        raise pulumi.RunError(
            "the Cluster of the app's database has no spec.imageName, which CloudNativePG's webhook sets: "
            "set postgres.image in the stack file"
        )
    return str(spec.get(_IMAGE_FIELD, _UNKNOWN_IMAGE))
