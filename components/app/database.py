"""The PostgreSQL database of an app: objects of CloudNativePG and its Barman Cloud plugin."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pulumi

from components.app.objects import immutable_object, metadata, secret_variable
from components.app.platform_outputs import AppPlatformOutputs
from components.app.postgres_settings import PostgresRoleSettings, PostgresSettings
from components.app.settings import AppSettings
from components.app.variable_references import SUPERUSER_VARIABLES, role_variable
from components.kubernetes.manifest import Json, Manifest
from components.platform.layer import resources

PLUGIN = "barman-cloud.cloudnative-pg.io"
PORT = 5432
STATUS_PORT = 8000
METRICS_PORT = 9187
_RESTORE_SOURCE = "origin"
_APPLIED = "jsonpath={.status.applied}=true"
"""Condition that a Database of CloudNativePG meets when its database and extensions exist."""
_POOLER_PARAMETERS = {
    "server_login_retry": "1",  # s: by default, PgBouncer waits 15 s before it connects to the new primary
    "tcp_keepidle": "10",  # s: by default, a query that waits for its result notices a lost machine after two hours
    "tcp_keepintvl": "5",  # s
    "tcp_user_timeout": "10000",  # ms: by default, a query sent to a lost machine fails after 15 minutes
}
"""Parameters of PgBouncer that make PgBouncer soon close connections to a lost primary, and try the new primary."""


def cluster_name(app: AppSettings, postgres: PostgresSettings) -> str:
    """Return the name of the app's CloudNativePG Cluster.

    CloudNativePG stores the backups in the object store under the Cluster's name.
    """
    return f"{app.name}-{postgres.name}"


def pooler_name(app: AppSettings, postgres: PostgresSettings) -> str:
    """Return the name of the app's CloudNativePG Pooler."""
    return f"{cluster_name(app, postgres)}-pooler"


def database_name(app: AppSettings, postgres: PostgresSettings, database: str) -> str:
    """Return the name of the CloudNativePG Database of an additional database."""
    return f"{cluster_name(app, postgres)}-{database.replace('_', '-')}"


def role_secret_name(app: AppSettings, postgres: PostgresSettings, role: str) -> str:
    """Return the name of the Secret with a role's password, without the suffix that Pulumi appends."""
    return f"{cluster_name(app, postgres)}-role-{role.replace('_', '-')}"


def store_credentials(app: AppSettings, platform: AppPlatformOutputs) -> Manifest:
    """Return the Secret with the access keys of the object store."""
    store = platform.database_backup
    data = {key: _store_setting(store, key) for key in ("accessKey", "secretKey", "region")}
    return immutable_object(app, "Secret", stringData=data)


def object_store(
    app: AppSettings, postgres: PostgresSettings, platform: AppPlatformOutputs, keys: pulumi.Input[str]
) -> Manifest:
    """Return the ObjectStore of the Barman Cloud plugin, which describes the bucket for backups and restores. The
    Secret `keys` contains the access keys of the S3 bucket."""
    store = platform.database_backup
    compressed = {"compression": "gzip"}
    spec: dict[str, Json] = {
        "configuration": {
            "destinationPath": pulumi.Output.unsecret(_destination(store)),
            "endpointURL": pulumi.Output.unsecret(_store_setting(store, "endpoint")),
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
    return _object(app, "barmancloud.cnpg.io/v1", "ObjectStore", cluster_name(app, postgres), spec)


def role_secret(app: AppSettings, role: str, password: pulumi.Input[str]) -> Manifest:
    """Return the Secret with the password of an additional role, in the format that CloudNativePG reads."""
    return immutable_object(
        app, "Secret", type="kubernetes.io/basic-auth", stringData={"username": role, "password": password}
    )


def cluster(
    app: AppSettings,
    postgres: PostgresSettings,
    platform: AppPlatformOutputs,
    passwords: Mapping[str, pulumi.Input[str]],
) -> Manifest:
    """Return the CloudNativePG Cluster, which describes the PostgreSQL instances of the app's database. Pulumi waits
    until all PostgreSQL instances are ready.

    `passwords` maps each additional role to the name of the Secret with the role's password.
    """
    replicated = postgres.instances > 1
    spec: dict[str, Json] = {
        "instances": postgres.instances,
        "enablePDB": replicated,  # with one instance, a PodDisruptionBudget would block every drain
        "primaryUpdateMethod": "switchover" if replicated else "restart",
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
        "postgresql": _postgresql(postgres),
        "bootstrap": _bootstrap(postgres),
    }
    if postgres.enable_superuser_access:
        spec["enableSuperuserAccess"] = True
    if postgres.roles:
        spec["managed"] = {"roles": [_role(name, role, passwords[name]) for name, role in postgres.roles.items()]}
    if postgres.image is not None:
        spec["imageName"] = postgres.image
    if postgres.backup is not None:
        spec["plugins"] = [{"isWALArchiver": True, **_plugin(app, postgres, cluster_name(app, postgres))}]
    if postgres.restore is not None:
        source = _plugin(app, postgres, postgres.restore.source)
        spec["externalClusters"] = [{"name": _RESTORE_SOURCE, "plugin": source}]
    name = cluster_name(app, postgres)
    return _object(app, "postgresql.cnpg.io/v1", "Cluster", name, spec, wait_for="condition=Ready")


def dependent_objects(app: AppSettings, postgres: PostgresSettings) -> Iterator[Manifest]:
    """Yield the CloudNativePG objects that need a running PostgreSQL instance: Database, ScheduledBackup and Pooler."""
    name, cluster_ref = cluster_name(app, postgres), {"cluster": {"name": cluster_name(app, postgres)}}
    group = "postgresql.cnpg.io/v1"
    if postgres.extensions:
        first = _database(postgres.database, postgres.database, postgres.extensions)
        yield _object(app, group, "Database", name, cluster_ref | first, wait_for=_APPLIED)
    for database, settings in postgres.databases.items():
        additional = _database(database, settings.owner or postgres.database, settings.extensions)
        own_name = database_name(app, postgres, database)
        yield _object(app, group, "Database", own_name, cluster_ref | additional, wait_for=_APPLIED)
    if postgres.backup is not None:
        plugin = {"method": "plugin", "pluginConfiguration": {"name": PLUGIN}, "immediate": True}
        spec = {**cluster_ref, "schedule": postgres.backup.schedule, "backupOwnerReference": "self", **plugin}
        yield _object(app, group, "ScheduledBackup", name, spec)
    if postgres.pooler is not None:
        pgbouncer = {"poolMode": postgres.pooler.mode, "parameters": dict(_POOLER_PARAMETERS)}
        spec = {**cluster_ref, "instances": postgres.pooler.instances, "type": "rw", "pgbouncer": pgbouncer}
        yield _object(app, group, "Pooler", pooler_name(app, postgres), spec)


def host(app: AppSettings, postgres: PostgresSettings) -> str:
    """Return the name of the Service to which the app connects: of the pooler, or of the primary."""
    return pooler_name(app, postgres) if postgres.pooler else f"{cluster_name(app, postgres)}-rw"


def environment(app: AppSettings, passwords: Mapping[str, pulumi.Input[str]]) -> Iterator[dict[str, Json]]:
    """Yield the environment variables with the address and credentials of the app's database.

    `passwords` maps each additional role to the name of the Secret with the role's password.
    """
    postgres = app.postgres
    if postgres is None:
        return
    secret = f"{cluster_name(app, postgres)}-app"  # CloudNativePG creates it
    yield {"name": "PGHOST", "value": host(app, postgres)}
    yield {"name": "PGPORT", "value": str(PORT)}
    yield {"name": "PGDATABASE", "value": postgres.database}
    for variable, key in (("PGUSER", "username"), ("PGPASSWORD", "password")):
        yield secret_variable(variable, secret, key)
    url = "postgresql://$(PGUSER):$(PGPASSWORD)@$(PGHOST):$(PGPORT)/$(PGDATABASE)"
    yield {"name": "DATABASE_URL", "value": url}
    for role in postgres.roles:
        yield secret_variable(role_variable(role), passwords[role], "password")
    if postgres.enable_superuser_access:
        superuser = f"{cluster_name(app, postgres)}-superuser"  # CloudNativePG creates this Secret
        for variable, key in zip(SUPERUSER_VARIABLES, ("username", "password"), strict=True):
            yield secret_variable(variable, superuser, key)


def _database(name: str, owner: str, extensions: Sequence[str]) -> dict[str, Json]:
    listed = [{"name": extension} for extension in extensions]
    return {"name": name, "owner": owner, **({"extensions": listed} if listed else {})}


def _role(name: str, settings: PostgresRoleSettings, secret: pulumi.Input[str]) -> Json:
    return {
        "name": name,
        "login": True,
        "passwordSecret": {"name": secret},
        **({"inRoles": list(settings.in_roles)} if settings.in_roles else {}),
        **({"createdb": True} if settings.createdb else {}),
    }


def _postgresql(postgres: PostgresSettings) -> dict[str, Json]:
    spec: dict[str, Json] = {"parameters": dict(postgres.parameters)}
    if postgres.shared_preload_libraries:
        spec["shared_preload_libraries"] = list(postgres.shared_preload_libraries)
    if postgres.instances > 1:
        # with `preferred`, a commit waits until one standby has the data, unless no standby is ready
        spec["synchronous"] = {"method": "any", "number": 1, "dataDurability": "preferred"}
    return spec


def _bootstrap(postgres: PostgresSettings) -> dict[str, Json]:
    names = {"database": postgres.database, "owner": postgres.database}
    if postgres.restore is None:
        return {"initdb": names}
    target = {"recoveryTarget": {"targetTime": postgres.restore.time}} if postgres.restore.time else {}
    return {"recovery": {"source": _RESTORE_SOURCE, **names, **target}}


def _plugin(app: AppSettings, postgres: PostgresSettings, server: str) -> dict[str, Json]:
    return {"name": PLUGIN, "parameters": {"barmanObjectName": cluster_name(app, postgres), "serverName": server}}


def _store_setting(store: pulumi.Output[Any], key: str) -> pulumi.Output[str]:
    return store.apply(lambda settings: str(settings[key]) if settings else "")


def _destination(store: pulumi.Output[Any]) -> pulumi.Output[str]:
    url = pulumi.Output.format("s3://{}/{}", _store_setting(store, "bucket"), _store_setting(store, "path"))
    return url.apply(lambda destination: destination.rstrip("/"))


def _object(
    app: AppSettings, version: str, kind: str, name: str, spec: dict[str, Json], *, wait_for: str | None = None
) -> Manifest:
    annotations = {"annotations": {"pulumi.com/waitFor": wait_for}} if wait_for else {}
    return {"apiVersion": version, "kind": kind, "metadata": metadata(app, name, **annotations), "spec": spec}
