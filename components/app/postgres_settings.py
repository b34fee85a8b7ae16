"""Settings of an app's PostgreSQL database."""

from typing import Literal

from pydantic import Field

from components.app.postgres_fields import (
    DatabaseLabel,
    DatabaseName,
    Extension,
    Library,
    ParameterName,
    Retention,
    RoleName,
    ScheduleWithSeconds,
    Timestamp,
)
from components.settings.fields import DnsLabel, PositiveInt, StrictBool, Text
from components.settings.kubernetes_fields import Cpu, Image, Size
from components.settings.model import Model


class PostgresBackupSettings(Model):
    """Backups of the database in the platform's S3 bucket: base backups, and an archive of the write-ahead log
    (WAL)."""

    schedule: ScheduleWithSeconds = "0 0 2 * * *"
    """Start times of base backups: a cron schedule with six fields, of which the first is the seconds."""
    retention: Retention = "30d"
    """Retention period of backups. You can restore only points in time within the retention period."""


class PostgresRestoreSettings(Model):
    """The backup from which CloudNativePG restores a new database. The setting `restore` does not change an existing
    database."""

    source: DnsLabel
    """Name of the CloudNativePG Cluster whose backup to restore, such as shop-db for the database `db` of the app
    `shop`. The Cluster can belong to another app on the same platform."""
    time: Timestamp | None = None
    """Point in time to restore. Default: the latest point in time that the backups contain."""


class PoolerSettings(Model):
    """A PgBouncer connection pool between the app and its database."""

    instances: PositiveInt = 2
    """Number of PgBouncer pods."""
    mode: Literal["session", "transaction"] = "session"
    """PgBouncer's pool mode: whether a connection returns to the pool after a session or after each transaction."""


class PostgresDatabaseSettings(Model):
    """An additional database in the app's PostgreSQL instances."""

    owner: DatabaseName | None = None
    """Role that owns the database: `postgres.database` or a role in `postgres.roles`. Default: the role of the app."""
    extensions: tuple[Extension, ...] = ()
    """PostgreSQL extensions to create in the database. The database's image must contain the extensions."""


class PostgresRoleSettings(Model):
    """An additional role (user) of the app's PostgreSQL instances. homelab generates the role's password, and sets
    `PGPASSWORD_ROLE` in the app's environment, such as PGPASSWORD_REPORTS for the role `reports`."""

    in_roles: tuple[RoleName, ...] = ()
    """Roles of which the role is a member (inRoles), such as pg_read_all_data."""
    createdb: StrictBool = False
    """Whether the role may create databases."""


class PostgresSettings(Model):
    """A PostgreSQL database of the app, run by CloudNativePG. homelab sets PGHOST, PGPORT, PGDATABASE, PGUSER,
    PGPASSWORD and DATABASE_URL in the app's environment, for the connection to the database."""

    name: DatabaseLabel = "db"
    """Suffix of the CloudNativePG Cluster's name: with `name: db`, the Cluster of the app `shop` is named `shop-db`. If
    you change `name`, Pulumi creates a new database, which is empty unless you set `restore`."""
    instances: PositiveInt = 3
    """Number of PostgreSQL instances: one primary, and standbys, of which one takes over if the primary fails."""
    size: Size
    """Size of the volume of each PostgreSQL instance. You can increase the volumes' size later, but not decrease it."""
    storage_class: DnsLabel | None = None
    """StorageClass of the database's volumes. Default: the platform's StorageClass for databases."""
    image: Image | None = None
    """Container image of PostgreSQL, which determines the major version of PostgreSQL. Default: the default PostgreSQL
    image of the CloudNativePG operator."""
    database: DatabaseName = "app"
    """Name of the PostgreSQL database, and of the role that owns the database."""
    extensions: tuple[Extension, ...] = ()
    """PostgreSQL extensions to create in the database. The database's image must contain the extensions."""
    databases: dict[DatabaseName, PostgresDatabaseSettings] = Field(default_factory=dict)
    """Additional databases, by name. If you remove an entry, CloudNativePG keeps the database and its data. Default:
    none."""
    roles: dict[DatabaseName, PostgresRoleSettings] = Field(default_factory=dict)
    """Additional roles, by name. If you remove an entry, CloudNativePG keeps the role. Default: none."""
    enable_superuser_access: StrictBool = False
    """Whether the app gets the superuser `postgres` (enableSuperuserAccess), in the environment variables
    PGSUPERUSER and PGSUPERPASSWORD. Most apps need only their own role and `extensions`."""
    parameters: dict[ParameterName, Text] = Field(default_factory=dict)
    """Parameters of postgresql.conf."""
    shared_preload_libraries: tuple[Library, ...] = ()
    """Libraries that PostgreSQL loads when it starts, such as vchord.so. The database's image must contain the
    libraries."""
    cpu: Cpu = "250m"
    """CPU request of each PostgreSQL instance."""
    memory: Size = "512Mi"
    """Memory request and limit of each PostgreSQL instance."""
    backup: PostgresBackupSettings | None = None
    """Backups of the database to the platform's S3 bucket. Default: none."""
    restore: PostgresRestoreSettings | None = None
    """Backup from which CloudNativePG creates a new database. Default: none, so a new database starts empty."""
    pooler: PoolerSettings | None = None
    """PgBouncer connection pool between the app and the database. Default: none."""
