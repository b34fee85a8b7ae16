"""Backup of an app's volumes and MariaDB database: a CronJob that runs restic, and the Job that restores a backup."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pulumi

from components.app import mariadb, pods, security, server_waits, volumes
from components.app.backup_settings import AppBackupSettings
from components.app.config_objects import ConfigSources
from components.app.objects import immutable_object, metadata, secret_variable
from components.app.platform_outputs import AppPlatformOutputs, ObjectStoreOutput
from components.app.settings import AppSettings
from components.kubernetes.manifest import Json, Manifest
from components.platform.layer import resources
from components.settings.errors import Findings

_ROOT = "/backup"
_FOLDER, _DUMP_FOLDER, _CACHE_FOLDER = f"{_ROOT}/volumes", f"{_ROOT}/mariadb", "/cache"
_CACHE, _DUMP = "restic-cache", "mariadb-dump"
"""Names of the pod's own volumes."""
RESTIC, DUMP, LOAD = "restic", "dump", "load"
"""Names of the containers."""
_BACK_UP, _RESTORE = (Path(__file__).with_name(f"{name}.sh").read_text() for name in ("back_up", "restore"))
_CONNECTION = f'--no-defaults --host="$MARIADB_HOST" --port={mariadb.PORT} --user="$MARIADB_USER"'
_DUMP_SCRIPT = (
    f"mariadb-dump {_CONNECTION} --single-transaction --routines --triggers --events --add-drop-database "
    f'--databases "$MARIADB_DATABASE" --result-file={_DUMP_FOLDER}/dump.sql'
)
_LOAD_SCRIPT = f"mariadb {_CONNECTION} < {_DUMP_FOLDER}/dump.sql"


def name(app: AppSettings) -> str:
    """Return the name of the CronJob and of its other objects."""
    return f"{app.name}-backup"


def labels(app: AppSettings) -> dict[str, str]:
    """Return the labels of the pods that back up or restore the app."""
    return {"app.kubernetes.io/name": name(app)}


def volume_names(app: AppSettings, settings: AppBackupSettings) -> list[str]:
    """Return the names of the volumes to back up."""
    claims = [name for name, volume in app.volumes.items() if volume.deleted_with_namespace]
    return list(settings.volumes) or claims


def secret(app: AppSettings, settings: AppBackupSettings, platform: AppPlatformOutputs) -> Manifest:
    """Return the Secret with restic's environment variables: its repository, its password and the keys of the
    bucket."""
    store = platform.volume_backup
    data = {
        "RESTIC_REPOSITORY": store.apply(lambda found: _repository(found, app.name)),
        "RESTIC_PASSWORD": settings.password.resolve(),
        "AWS_ACCESS_KEY_ID": store.apply(lambda found: found["accessKey"] if found else ""),
        "AWS_SECRET_ACCESS_KEY": store.apply(lambda found: found["secretKey"] if found else ""),
        "AWS_DEFAULT_REGION": store.apply(lambda found: found["region"] if found else ""),
    }
    return immutable_object(app, "Secret", stringData=data)


def cron_job(
    app: AppSettings,
    settings: AppBackupSettings,
    image: str,
    keys: pulumi.Input[str],
    sources: ConfigSources,
) -> Manifest:
    """Return the CronJob. The Secret `keys` contains restic's environment variables."""
    job = {
        "backoffLimit": 2,
        "template": {"metadata": {"labels": labels(app)}, "spec": _pod(app, settings, image, keys, sources)},
    }
    spec = {
        "schedule": settings.schedule,
        "concurrencyPolicy": "Forbid",
        "jobTemplate": {"metadata": {"labels": labels(app)}, "spec": job},
    }
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata(app, name(app)), "spec": spec}


def restore_pod(pod: Json, snapshot: str) -> Json:
    """Return the pod spec that restores the snapshot with this ID, made from the pod spec of the CronJob.

    Before the restore, the pod backs up the current data.
    """
    restoring: Json = deepcopy({key: value for key, value in pod.items() if key != "affinity"})  # the app is stopped
    (restic,) = restoring["containers"]
    restic["command"] = ["sh", "-euc", _RESTORE, RESTIC, snapshot, _ROOT]
    for mount in restic["volumeMounts"]:
        mount.pop("readOnly", None)
    init = restoring.get("initContainers") or []
    for container in (each for each in init if each["name"] == DUMP):
        load = {**container, "name": LOAD, "command": ["sh", "-euc", _LOAD_SCRIPT]}
        restoring |= {"initContainers": [*init, restic], "containers": [load]}
    return restoring


def list_pod(pod: Json, snapshot: str = "") -> Json:
    """Return the pod spec that lists the snapshots, made from the pod spec of the CronJob. With a `snapshot`, the pod
    prints only this snapshot, and fails if it does not exist."""
    listing: Json = {key: value for key, value in pod.items() if key not in ("affinity", "initContainers")}
    (restic,) = pod["containers"]
    mounts = [mount for mount in restic["volumeMounts"] if mount["name"] == _CACHE]
    command = ["restic", *(("cat", "snapshot", snapshot) if snapshot else ("snapshots",)), "--no-lock"]
    cache = [volume for volume in pod["volumes"] if volume["name"] == _CACHE]
    return {**listing, "containers": [{**restic, "command": command, "volumeMounts": mounts}], "volumes": cache}


def backup_problems(app: AppSettings) -> Findings:
    """Yield the path, reason and fix of each conflict in the settings of the backup."""
    settings = app.backup
    if settings is None:
        return
    if not volume_names(app, settings) and app.mariadb is None:
        fix = "remove backup, or add a volume or mariadb; postgres.backup backs up a PostgreSQL database"
        yield ("backup",), "has no effect: the app has no volume that is a PersistentVolumeClaim", fix
    for index, volume in enumerate(settings.volumes):
        if volume in settings.volumes[:index]:
            yield ("backup", "volumes", index), f"lists {volume} again", "keep one of them"
        if volume not in app.volumes:
            yield ("backup", "volumes", index), "is not a volume of the app", "use a name from volumes"
        elif app.volumes[volume].memory:
            yield ("backup", "volumes", index), "is a volume in memory", "remove it"
    for volume in volume_names(app, settings):
        own = app.volumes.get(volume)
        if own and (own.per_pod or own.access_mode == "ReadWriteOncePod"):
            key = "perPod" if own.per_pod else "accessMode: ReadWriteOncePod"
            reason = f"includes {volume}, which other pods cannot mount because of {key}"
            yield ("backup", "volumes"), reason, f"list the volumes to back up without it, or remove {key}"
    if "backup" in app.cron:
        yield ("cron", "backup"), f"results in the name {name(app)}, which the backup uses", "choose another name"
    if "backup" in app.workers:
        yield ("workers", "backup"), f"results in the name {name(app)}, which the backup uses", "choose another name"


def _pod(
    app: AppSettings, settings: AppBackupSettings, image: str, keys: pulumi.Input[str], sources: ConfigSources
) -> Json:
    backed_up = volume_names(app, settings)
    mounts = [{"name": each, "mountPath": f"{_FOLDER}/{each}", "readOnly": True} for each in backed_up]
    mounts.append({"name": _CACHE, "mountPath": _CACHE_FOLDER})
    own_volumes = [*volumes.for_job(app, backed_up), {"name": _CACHE, "emptyDir": {}}]
    if app.mariadb is not None:
        mounts.append({"name": _DUMP, "mountPath": _DUMP_FOLDER})
        own_volumes.append({"name": _DUMP, "emptyDir": {}})
    init = list(_dump(app, sources))
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": security.pod_context(app),
        **pods.placement_fields(app, backed_up),
        "restartPolicy": "Never",
        **({"initContainers": init} if init else {}),
        "containers": [_restic(app, settings, image, keys, mounts)],
        "volumes": own_volumes,
    }


def _restic(
    app: AppSettings, settings: AppBackupSettings, image: str, keys: pulumi.Input[str], mounts: list[Json]
) -> Json:
    keep = {"DAILY": settings.keep_daily, "WEEKLY": settings.keep_weekly, "MONTHLY": settings.keep_monthly}
    folders = {"HOME": _CACHE_FOLDER, "RESTIC_CACHE_DIR": _CACHE_FOLDER, "TMPDIR": _CACHE_FOLDER}
    variables = {"APP": app.name, **folders, **{f"KEEP_{name}": str(value) for name, value in keep.items()}}
    return {
        "name": RESTIC,
        "image": image,
        "command": ["sh", "-euc", _BACK_UP],
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        "envFrom": [{"secretRef": {"name": keys}}],
        "resources": resources(settings.cpu, settings.memory),
        "securityContext": security.container_context(app) | {"readOnlyRootFilesystem": True},
        "volumeMounts": mounts,
    }


def _dump(app: AppSettings, sources: ConfigSources) -> Iterator[Json]:
    """Yield the init containers that wait for MariaDB, and write a dump of its database."""
    if app.mariadb is None:
        return
    waits = server_waits.init_containers(app, sources.server_images)
    (wait,) = (each for each in waits if each["name"] == server_waits.MARIADB)
    yield wait
    variables = [*mariadb.environment(app, sources.mariadb)]
    yield {
        **wait,
        "name": DUMP,
        "command": ["sh", "-euc", _DUMP_SCRIPT],
        "env": [*variables, secret_variable("MYSQL_PWD", sources.mariadb, mariadb.PASSWORD)],
        "resources": resources("50m", "256Mi"),
        "volumeMounts": [{"name": _DUMP, "mountPath": _DUMP_FOLDER}],
    }


def _repository(store: ObjectStoreOutput | None, app: str) -> str:
    """Return restic's repository. For a platform without an object store, `PlatformOutputs.require()` reports an
    error."""
    if store is None:
        return ""
    path = "/".join(filter(None, (store["endpoint"].rstrip("/"), store["bucket"], store["path"], app)))
    return f"s3:{path}"
