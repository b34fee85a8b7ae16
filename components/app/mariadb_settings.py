"""Settings of an app's MariaDB server."""

from typing import Annotated

from pydantic import Field

from components.app.postgres_fields import DatabaseName
from components.settings.errors import setting_error
from components.settings.fields import DnsLabel, TextType
from components.settings.kubernetes_fields import Cpu, Image, MultilineText, Size
from components.settings.model import Model

_VARIABLE = "[a-z][a-z0-9_]*"
_CONTROLLED = (
    "basedir", "bind_address", "datadir", "defaults_extra_file", "defaults_file", "init_file", "log_error",
    "pid_file", "plugin_dir", "port", "skip_grant_tables", "skip_networking", "socket", "tmpdir", "user",
)  # fmt: skip
"""System variables that homelab sets itself, or without which the server does not protect its data."""


def _variable(value: str) -> str:
    if not value.isascii() or not value.replace("_", "a").isalnum() or value != value.lower() or not value[0].isalpha():
        raise setting_error("is not a system variable of MariaDB", "write it as in SHOW VARIABLES, such as sql_mode")
    if value in _CONTROLLED:
        raise setting_error("cannot be set, because homelab controls this system variable", "remove it")
    return value


VariableName = Annotated[str, TextType("system variable of MariaDB", _variable, _VARIABLE)]


class AppMariadbSettings(Model):
    """A MariaDB server of the app. homelab sets MARIADB_HOST, MARIADB_PORT, MARIADB_DATABASE, MARIADB_USER,
    MARIADB_PASSWORD and MARIADB_URL in the app's environment, for the connection to MariaDB."""

    size: Size
    """Size of MariaDB's volume. You can increase the volume's size later, but not decrease it."""
    image: Image | None = None
    """Container image of MariaDB, with its programs but without its entrypoint. A newer image upgrades the database's
    files, and MariaDB cannot go back to an older major version. Default: docker.io/library/mariadb, in the version of
    homelab's catalog."""
    storage_class: DnsLabel | None = None
    """StorageClass of MariaDB's volume. Default: the platform's default StorageClass."""
    database: DatabaseName = "app"
    """Name of the database, and of the user that has all rights in the database."""
    parameters: dict[VariableName, MultilineText] = Field(default_factory=dict)
    """System variables of MariaDB, such as `max_allowed_packet: 64M`."""
    cpu: Cpu = "100m"
    """CPU request of MariaDB's container."""
    memory: Size = "512Mi"
    """Memory request and limit of MariaDB's container. MariaDB caches data in half of the memory
    (innodb_buffer_pool_size)."""
