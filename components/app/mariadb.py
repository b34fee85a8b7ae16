"""The MariaDB server of an app: StatefulSet, Service, Secret with the password, and volume."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pulumi

from components.app import security, server_objects
from components.app.mariadb_settings import AppMariadbSettings
from components.app.objects import immutable_object, secret_variable
from components.app.platform_outputs import AppPlatformOutputs
from components.app.settings import AppSettings
from components.kubernetes.manifest import Json, Manifest
from components.platform.layer import resources
from components.settings.quantities import mebibytes

PORT = 3306
CONTAINER = "mariadb"
"""Name of MariaDB's container."""
_USER = 999
"""User ID and group ID of the user `mysql` in MariaDB's image."""
_CONFIG, _DATA, _RUN = "config", "data", "run"
_CONFIG_FOLDER, _DATA_FOLDER, _RUN_FOLDER = "/etc/mariadb", "/var/lib/mysql", "/run/mysqld"
_INIT_FILE, _SOCKET = "init.sql", "mariadb.sock"
PASSWORD = "password"  # noqa: S105 - a key of the Secret
_STARTUP_SECONDS = 600
"""Longest time, in seconds, that MariaDB may take to recover its data."""
_STOP_SECONDS = 120
"""Seconds that MariaDB has to write its data to the volume before Kubernetes kills MariaDB."""
_PREPARE = Path(__file__).with_name("mariadb_prepare.sh").read_text()


def server_name(app: AppSettings) -> str:
    """Return the name of MariaDB's StatefulSet, Service and other objects."""
    return f"{app.name}-mariadb"


def labels(app: AppSettings) -> dict[str, str]:
    """Return the labels of MariaDB's pod, which do not match the selector of the app's Service."""
    return server_objects.labels(server_name(app))


def secret(app: AppSettings, settings: AppMariadbSettings, password: pulumi.Input[str]) -> Manifest:
    """Return the Secret with the password of the app's user, and with the statements that MariaDB runs at each start.

    The password contains only hexadecimal digits.
    """
    name = settings.database
    before = (
        f"CREATE DATABASE IF NOT EXISTS `{name}`;\nCREATE USER IF NOT EXISTS `{name}`@`%`;\n"
        f"ALTER USER `{name}`@`%` IDENTIFIED BY '"
    )
    after = f"';\nGRANT ALL PRIVILEGES ON `{name.replace('_', chr(92) + '_')}`.* TO `{name}`@`%`;\n"
    statements = pulumi.Output.concat(before, password, after)
    return immutable_object(app, "Secret", stringData={PASSWORD: password, _INIT_FILE: statements})


def claim(app: AppSettings, settings: AppMariadbSettings, platform: AppPlatformOutputs) -> Manifest:
    """Return the PersistentVolumeClaim of MariaDB's volume."""
    return server_objects.claim(app, server_name(app), settings.storage_class, settings.size, platform)


def service(app: AppSettings) -> Manifest:
    """Return MariaDB's Service, to whose name the app connects."""
    return server_objects.service(app, server_name(app), "mariadb", PORT)


def stateful_set(
    app: AppSettings, settings: AppMariadbSettings, image: str, secret_name: pulumi.Input[str]
) -> Manifest:
    """Return the StatefulSet, which stops the old pod before it starts the new pod."""
    items = [{"key": _INIT_FILE, "path": _INIT_FILE}]
    pod = {
        "terminationGracePeriodSeconds": _STOP_SECONDS,
        "initContainers": [_prepare(settings, image)],
        "containers": [_container(settings, image)],
        "volumes": [
            {"name": _CONFIG, "secret": {"secretName": secret_name, "items": items, "defaultMode": 0o440}},
            {"name": _DATA, "persistentVolumeClaim": {"claimName": server_name(app)}},
            {"name": _RUN, "emptyDir": {}},
        ],
    }
    return server_objects.stateful_set(app, server_name(app), _USER, pod)


def client_command(settings: AppMariadbSettings, arguments: Sequence[str]) -> list[str]:
    """Return the command that opens the database in MariaDB's container, with all rights."""
    socket = f"--socket={_RUN_FOLDER}/{_SOCKET}"
    return ["mariadb", "--no-defaults", socket, f"--database={settings.database}", *arguments]


def environment(app: AppSettings, secret_name: pulumi.Input[str] | None) -> Iterator[Json]:
    """Yield the environment variables with MariaDB's address and the credentials of the app's user."""
    if app.mariadb is None:
        return
    yield {"name": "MARIADB_HOST", "value": server_name(app)}
    yield {"name": "MARIADB_PORT", "value": str(PORT)}
    yield {"name": "MARIADB_DATABASE", "value": app.mariadb.database}
    yield {"name": "MARIADB_USER", "value": app.mariadb.database}
    yield secret_variable("MARIADB_PASSWORD", secret_name, PASSWORD)
    address = "$(MARIADB_USER):$(MARIADB_PASSWORD)@$(MARIADB_HOST):$(MARIADB_PORT)/$(MARIADB_DATABASE)"
    yield {"name": "MARIADB_URL", "value": f"mysql://{address}"}


def _prepare(settings: AppMariadbSettings, image: str) -> Json:
    """Return the init container that creates the database's files, or upgrades them for a newer image."""
    return {
        "name": "prepare",
        "image": image,
        "command": ["sh", "-euc", _PREPARE, "prepare", _DATA_FOLDER, _RUN_FOLDER],
        "resources": resources(settings.cpu, settings.memory),
        "securityContext": security.RESTRICTED_CONTAINER,
        "volumeMounts": _mounts(),
    }


def _container(settings: AppMariadbSettings, image: str) -> Json:
    # without a user's name, the server that accepts connections denies access, which is no error for a ping
    ping = {
        "exec": {"command": ["mariadb-admin", "--no-defaults", f"--socket={_RUN_FOLDER}/{_SOCKET}", "ping"]},
        "periodSeconds": 10,
        "timeoutSeconds": 5,
    }
    init_file = {"name": _CONFIG, "mountPath": _CONFIG_FOLDER, "readOnly": True}
    return {
        "name": CONTAINER,
        "image": image,
        "command": ["mariadbd"],
        "args": list(_options(settings)),
        "ports": [{"name": "mariadb", "containerPort": PORT, "protocol": "TCP"}],
        "resources": resources(settings.cpu, settings.memory),
        "securityContext": security.RESTRICTED_CONTAINER,
        "startupProbe": ping | {"periodSeconds": 2, "failureThreshold": _STARTUP_SECONDS // 2},
        "readinessProbe": ping,
        "livenessProbe": ping,
        "volumeMounts": [init_file, *_mounts()],
    }


def _options(settings: AppMariadbSettings) -> Iterator[str]:
    """Yield the options of mariadbd, which reads no other configuration."""
    yield "--no-defaults"
    yield f"--datadir={_DATA_FOLDER}/data"
    yield f"--socket={_RUN_FOLDER}/{_SOCKET}"
    yield f"--pid-file={_RUN_FOLDER}/mariadb.pid"
    yield f"--tmpdir={_RUN_FOLDER}"
    yield f"--init-file={_CONFIG_FOLDER}/{_INIT_FILE}"
    yield f"--port={PORT}"
    yield "--skip-name-resolve"  # pods have no reverse DNS entries
    if "innodb_buffer_pool_size" not in settings.parameters:
        yield f"--innodb-buffer-pool-size={mebibytes(settings.memory) // 2}M"
    yield from (f"--{name.replace('_', '-')}={value}" for name, value in settings.parameters.items())


def _mounts() -> list[Json]:
    return [{"name": _DATA, "mountPath": _DATA_FOLDER}, {"name": _RUN, "mountPath": _RUN_FOLDER}]
