"""The database of an app, as objects of CloudNativePG and its Barman Cloud plugin."""

from collections.abc import Iterator
from typing import Any

import pulumi

from components.app.objects import metadata, unnamed
from components.app.postgres_settings import PostgresSettings
from components.app.settings import AppSettings
from components.app.surroundings import Surroundings
from components.layer import resources
from components.manifest import Manifest, Tree

PLUGIN = "barman-cloud.cloudnative-pg.io"
PORT = 5432
STATUS_PORT = 8000
METRICS_PORT = 9187
_ORIGIN = "origin"


def archive(app: AppSettings, postgres: PostgresSettings) -> str:
    """Name of the database in the cluster, and of its backups in the object store."""
    return f"{app.name}-{postgres.name}"


def pooler_name(app: AppSettings, postgres: PostgresSettings) -> str:
    """Name of the connection pool."""
    return f"{archive(app, postgres)}-pooler"


def access(app: AppSettings, platform: Surroundings) -> Manifest:
    """The keys to the object store; a secret."""
    store = platform.database_backup
    data = {key: _of(store, key) for key in ("accessKey", "secretKey", "region")}
    return unnamed(app, "Secret", stringData=data)


def object_store(
    app: AppSettings, postgres: PostgresSettings, platform: Surroundings, keys: pulumi.Input[str]
) -> Manifest:
    """Where the database is backed up to and restored from; `keys` is the name of the secret."""
    store = platform.database_backup
    compressed = {"compression": "gzip"}
    spec: dict[str, Tree] = {
        "configuration": {
            "destinationPath": pulumi.Output.unsecret(_destination(store)),
            "endpointURL": pulumi.Output.unsecret(_of(store, "endpoint")),
            "s3Credentials": {
                "accessKeyId": {"name": keys, "key": "accessKey"},
                "secretAccessKey": {"name": keys, "key": "secretKey"},
                "region": {"name": keys, "key": "region"},
            },
            "wal": compressed,
            "data": compressed,
        },
        "instanceSidecarConfiguration": {"resources": resources("50m", "256Mi")},
    }
    if postgres.backup is not None:
        spec["retentionPolicy"] = postgres.backup.retention
    return _object(app, "barmancloud.cnpg.io/v1", "ObjectStore", archive(app, postgres), spec)


def cluster(app: AppSettings, postgres: PostgresSettings, platform: Surroundings) -> Manifest:
    """The instances of Postgres. It is there when all of them are ready."""
    several = postgres.instances > 1
    spec: dict[str, Tree] = {
        "instances": postgres.instances,
        "enablePDB": several,  # with one instance it would block every drain
        "primaryUpdateMethod": "switchover" if several else "restart",
        "storage": {
            "size": postgres.size,
            "storageClass": postgres.storage_class or platform.database_storage_class,
        },
        "affinity": {
            "enablePodAntiAffinity": True,
            "podAntiAffinityType": "preferred",
            "topologyKey": "kubernetes.io/hostname",
        },
        "resources": resources(postgres.cpu, postgres.memory),
        "postgresql": _server(postgres),
        "bootstrap": _bootstrap(postgres),
    }
    if postgres.image is not None:
        spec["imageName"] = postgres.image
    if postgres.backup is not None:
        spec["plugins"] = [{"isWALArchiver": True, **_plugin(app, postgres, archive(app, postgres))}]
    if postgres.restore is not None:
        origin = _plugin(app, postgres, postgres.restore.source)
        spec["externalClusters"] = [{"name": _ORIGIN, "plugin": origin}]
    name = archive(app, postgres)
    return _object(app, "postgresql.cnpg.io/v1", "Cluster", name, spec, until="condition=Ready")


def around(app: AppSettings, postgres: PostgresSettings) -> Iterator[Manifest]:
    """Yield what comes when the instances are ready: extensions, scheduled backups, connection pool."""
    name, of = archive(app, postgres), {"cluster": {"name": archive(app, postgres)}}
    group = "postgresql.cnpg.io/v1"
    if postgres.extensions:
        wanted = [{"name": extension} for extension in postgres.extensions]
        spec: dict[str, Tree] = {**of, "name": postgres.database, "owner": postgres.database, "extensions": wanted}
        yield _object(app, group, "Database", name, spec, until="jsonpath={.status.applied}=true")
    if postgres.backup is not None:
        plugin = {"method": "plugin", "pluginConfiguration": {"name": PLUGIN}, "immediate": True}
        spec = {**of, "schedule": postgres.backup.schedule, "backupOwnerReference": "self", **plugin}
        yield _object(app, group, "ScheduledBackup", name, spec)
    if postgres.pooler is not None:
        pool = {"poolMode": postgres.pooler.mode}
        spec = {**of, "instances": postgres.pooler.instances, "type": "rw", "pgbouncer": pool}
        yield _object(app, group, "Pooler", pooler_name(app, postgres), spec)


def environment(app: AppSettings) -> Iterator[dict[str, Tree]]:
    """Yield the variables by which the app finds its database."""
    postgres = app.postgres
    if postgres is None:
        return
    secret = f"{archive(app, postgres)}-app"  # CloudNativePG makes it
    host = pooler_name(app, postgres) if postgres.pooler else f"{archive(app, postgres)}-rw"
    yield {"name": "PGHOST", "value": host}
    yield {"name": "PGPORT", "value": str(PORT)}
    yield {"name": "PGDATABASE", "value": postgres.database}
    for variable, key in (("PGUSER", "username"), ("PGPASSWORD", "password")):
        yield {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
    url = "postgresql://$(PGUSER):$(PGPASSWORD)@$(PGHOST):$(PGPORT)/$(PGDATABASE)"
    yield {"name": "DATABASE_URL", "value": url}


def _server(postgres: PostgresSettings) -> dict[str, Tree]:
    server: dict[str, Tree] = {"parameters": dict(postgres.parameters)}
    if postgres.instances > 1:
        # a commit is on two machines, unless there is only one left
        server["synchronous"] = {"method": "any", "number": 1, "dataDurability": "preferred"}
    return server


def _bootstrap(postgres: PostgresSettings) -> dict[str, Tree]:
    names = {"database": postgres.database, "owner": postgres.database}
    if postgres.restore is None:
        return {"initdb": names}
    target = {"recoveryTarget": {"targetTime": postgres.restore.time}} if postgres.restore.time else {}
    return {"recovery": {"source": _ORIGIN, **names, **target}}


def _plugin(app: AppSettings, postgres: PostgresSettings, server: str) -> dict[str, Tree]:
    return {"name": PLUGIN, "parameters": {"barmanObjectName": archive(app, postgres), "serverName": server}}


def _of(store: pulumi.Output[Any], key: str) -> pulumi.Output[str]:
    return store.apply(lambda given: str(given[key]) if given else "")


def _destination(store: pulumi.Output[Any]) -> pulumi.Output[str]:
    text = pulumi.Output.format("s3://{}/{}", _of(store, "bucket"), _of(store, "path"))
    return text.apply(lambda destination: destination.rstrip("/"))


def _object(
    app: AppSettings, version: str, kind: str, name: str, spec: dict[str, Tree], *, until: str | None = None
) -> Manifest:
    wait = {"annotations": {"pulumi.com/waitFor": until}} if until else {}
    return {"apiVersion": version, "kind": kind, "metadata": metadata(app, name, **wait), "spec": spec}
