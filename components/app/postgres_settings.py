"""Settings of an app's PostgreSQL database."""

from typing import Literal

from pydantic import Field

from components.app.postgres_fields import (
    DatabaseLabel,
    DatabaseName,
    Extension,
    ParameterName,
    Retention,
    ScheduleWithSeconds,
    Timestamp,
)
from components.settings.fields import DnsLabel, PositiveInt, Text
from components.settings.kubernetes_fields import Cpu, Image, Size
from components.settings.model import Model


class PostgresBackupSettings(Model):
    """Backups of the database in the platform's object store: base backups, and the WAL of every change."""

    schedule: ScheduleWithSeconds = "0 0 2 * * *"
    """When a base backup starts: a cron schedule with six fields, seconds first."""
    retention: Retention = "30d"
    """How long backups are retained, which is how far back a restore can go."""


class PostgresRestoreSettings(Model):
    """Source of the data of a new database. It does not change an existing database."""

    source: DnsLabel
    """Database whose backup is restored: APP-NAME, such as shop-db. It can belong to another app of the platform."""
    time: Timestamp | None = None
    """Point in time to restore. Default: the latest in the backups."""


class PoolerSettings(Model):
    """A PgBouncer connection pool between the app and its database."""

    instances: PositiveInt = 2
    """Number of PgBouncer pods."""
    mode: Literal["session", "transaction"] = "session"
    """Whether a connection returns to the pool after a session or after each transaction."""


class PostgresSettings(Model):
    """A PostgreSQL database of the app, run by CloudNativePG. The app connects with the environment variables
    PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD and DATABASE_URL."""

    name: DatabaseLabel = "db"
    """Second part of the Cluster's name, APP-NAME. Another name creates another database, empty or restored."""
    instances: PositiveInt = 3
    """Number of instances: one primary, and standbys that take over if it fails."""
    size: Size
    """Size of each instance's volume. It can grow later, but not shrink."""
    storage_class: DnsLabel | None = None
    """StorageClass of the volumes. Default: the platform's StorageClass for databases."""
    image: Image | None = None
    """Image of PostgreSQL, which determines its major version. Default: the operator's default image."""
    database: DatabaseName = "app"
    """Name of the database and of its owner role."""
    extensions: tuple[Extension, ...] = ()
    """Extensions to create in the database. The image must contain them."""
    parameters: dict[ParameterName, Text] = Field(default_factory=dict)
    """Parameters of postgresql.conf."""
    cpu: Cpu = "250m"
    """CPU request of each instance."""
    memory: Size = "512Mi"
    """Memory request and limit of each instance."""
    backup: PostgresBackupSettings | None = None
    """Backups to the platform's object store. Default: none."""
    restore: PostgresRestoreSettings | None = None
    """Backup from which a new database is restored. Default: none, so it is empty."""
    pooler: PoolerSettings | None = None
    """Connection pool in front of the database. Default: none."""
