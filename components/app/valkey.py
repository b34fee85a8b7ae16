"""The Valkey server of an app: StatefulSet, Service, Secret with the password, and volume."""

from collections.abc import Iterator

import pulumi

from components.app import security, server_objects
from components.app.objects import immutable_object, secret_variable
from components.app.platform_outputs import AppPlatformOutputs
from components.app.settings import AppSettings
from components.app.valkey_settings import AppValkeySettings
from components.kubernetes.manifest import Json, Manifest
from components.platform.layer import resources
from components.settings.quantities import mebibytes

PORT = 6379
_USER = 999
"""User ID and group ID of the user `valkey` in Valkey's image."""
_CONFIG, _DATA = "config", "data"
_CONFIG_FILE, _CONFIG_FOLDER, _DATA_FOLDER = "valkey.conf", "/etc/valkey", "/data"
_PASSWORD = "password"  # noqa: S105 - a key of the Secret
_STARTUP_SECONDS = 600
"""Longest time, in seconds, that Valkey may take to load its data."""


def server_name(app: AppSettings) -> str:
    """Return the name of Valkey's StatefulSet, Service and other objects."""
    return f"{app.name}-valkey"


def labels(app: AppSettings) -> dict[str, str]:
    """Return the labels of Valkey's pod, which do not match the selector of the app's Service."""
    return server_objects.labels(server_name(app))


def secret(app: AppSettings, password: pulumi.Input[str]) -> Manifest:
    """Return the Secret with Valkey's password, and with the configuration file that sets the password."""
    # an argument of valkey-server would show the password in the list of the node's processes
    config = pulumi.Output.concat("requirepass ", password, "\n")
    return immutable_object(app, "Secret", stringData={_PASSWORD: password, _CONFIG_FILE: config})


def claims(app: AppSettings, settings: AppValkeySettings, platform: AppPlatformOutputs) -> Iterator[Manifest]:
    """Yield the PersistentVolumeClaim of Valkey's volume if `size` is set."""
    if settings.size:
        yield server_objects.claim(app, server_name(app), settings.storage_class, settings.size, platform)


def service(app: AppSettings) -> Manifest:
    """Return Valkey's Service. The app uses the Service's name as Valkey's host name."""
    return server_objects.service(app, server_name(app), "valkey", PORT)


def stateful_set(app: AppSettings, settings: AppValkeySettings, image: str, secret_name: pulumi.Input[str]) -> Manifest:
    """Return the StatefulSet, which stops the old pod before it starts the new pod."""
    pod = {
        "containers": [_container(settings, image, secret_name)],
        "volumes": list(_volumes(app, settings, secret_name)),
    }
    return server_objects.stateful_set(app, server_name(app), _USER, pod)


def environment(app: AppSettings, secret_name: pulumi.Input[str] | None) -> Iterator[Json]:
    """Yield the environment variables with Valkey's address and password."""
    if app.valkey is None:
        return
    yield {"name": "VALKEY_HOST", "value": server_name(app)}
    yield {"name": "VALKEY_PORT", "value": str(PORT)}
    yield secret_variable("VALKEY_PASSWORD", secret_name, _PASSWORD)
    yield {"name": "REDIS_URL", "value": "redis://:$(VALKEY_PASSWORD)@$(VALKEY_HOST):$(VALKEY_PORT)"}


def _container(settings: AppValkeySettings, image: str, secret_name: pulumi.Input[str]) -> Json:
    ping = {"exec": {"command": ["valkey-cli", "-e", "ping"]}, "periodSeconds": 10, "timeoutSeconds": 5}
    data = [{"name": _DATA, "mountPath": _DATA_FOLDER}] if settings.size else []
    return {
        "name": "valkey",
        "image": image,
        "command": ["valkey-server", f"{_CONFIG_FOLDER}/{_CONFIG_FILE}"],
        "args": list(_options(settings)),
        # valkey-cli reads its password from this variable
        "env": [secret_variable("REDISCLI_AUTH", secret_name, _PASSWORD)],
        "ports": [{"name": "valkey", "containerPort": PORT, "protocol": "TCP"}],
        "resources": resources(settings.cpu, settings.memory),
        "securityContext": security.RESTRICTED_CONTAINER,
        # while Valkey loads its data, Valkey answers a ping with an error
        "startupProbe": ping | {"periodSeconds": 2, "failureThreshold": _STARTUP_SECONDS // 2},
        "readinessProbe": ping,
        "livenessProbe": ping,
        "volumeMounts": [{"name": _CONFIG, "mountPath": _CONFIG_FOLDER, "readOnly": True}, *data],
    }


def _options(settings: AppValkeySettings) -> Iterator[str]:
    """Yield the options of valkey-server."""
    # to rewrite its append-only file, Valkey forks, and the two processes can need twice the memory
    yield from ("--maxmemory", f"{mebibytes(settings.memory) // 2}mb", "--maxmemory-policy", settings.maxmemory_policy)
    yield from ("--save", "")  # no snapshots
    if settings.size:
        yield from ("--appendonly", "yes", "--dir", _DATA_FOLDER)


def _volumes(app: AppSettings, settings: AppValkeySettings, secret_name: pulumi.Input[str]) -> Iterator[Json]:
    items = [{"key": _CONFIG_FILE, "path": _CONFIG_FILE}]
    yield {"name": _CONFIG, "secret": {"secretName": secret_name, "items": items, "defaultMode": 0o440}}
    if settings.size:
        yield {"name": _DATA, "persistentVolumeClaim": {"claimName": server_name(app)}}
