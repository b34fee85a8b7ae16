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
    ScheduleWithSeconds,
    Timestamp,
)
from components.settings.fields import DnsLabel, PositiveInt, Text
from components.settings.kubernetes_fields import Cpu, Image, Size
from components.settings.model import Model


class PostgresBackupSettings(Model):
    """Backups of the database in the platform's object store: base backups, and the write-ahead log (WAL)."""

    schedule: ScheduleWithSeconds = "0 0 2 * * *"
    """Start times of base backups: a cron schedule with six fields, of which the first is the seconds."""
    retention: Retention = "30d"
    """Retention period of backups. A restore cannot go back further than the retention period."""


class PostgresRestoreSettings(Model):
    """Source of the data of a new database. The setting does not change an existing database."""

    source: DnsLabel
    """Name of the backed-up database: APP-NAME, such as shop-db. The database can belong to another app of the
    platform."""
    time: Timestamp | None = None
    """Point in time to restore. Default: the latest point in time in the backups."""


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
    """Second part of the name of the database's Cluster, APP-NAME. A changed name creates another database, which is
    empty or restored."""
    instances: PositiveInt = 3
    """Number of instances: one primary, and standbys that take over if the primary fails."""
    size: Size
    """Size of each instance's volume. Later, you can only increase the size."""
    storage_class: DnsLabel | None = None
    """StorageClass of the volumes. Default: the platform's StorageClass for databases."""
    image: Image | None = None
    """Image of PostgreSQL, which determines PostgreSQL's major version. Default: the operator's default image."""
    database: DatabaseName = "app"
    """Name of the database and of its owner role."""
    extensions: tuple[Extension, ...] = ()
    """Extensions to create in the database. The image must contain them."""
    parameters: dict[ParameterName, Text] = Field(default_factory=dict)
    """Parameters of postgresql.conf."""
    shared_preload_libraries: tuple[Library, ...] = ()
    """Libraries that PostgreSQL loads at its start, such as vchord.so. The image must contain them."""
    cpu: Cpu = "250m"
    """CPU request of each instance."""
    memory: Size = "512Mi"
    """Memory request and limit of each instance."""
    backup: PostgresBackupSettings | None = None
    """Backups to the platform's object store. Default: none."""
    restore: PostgresRestoreSettings | None = None
    """Backup from which a new database is restored. Default: none, so a new database is empty."""
    pooler: PoolerSettings | None = None
    """Connection pool in front of the database. Default: none."""
