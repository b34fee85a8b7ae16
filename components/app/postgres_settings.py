"""The database of an app as its owner describes it."""

from typing import Literal

from pydantic import Field

from components.app.kinds import Cpu, Image, Size
from components.app.postgres_kinds import (
    DatabaseLabel,
    DatabaseName,
    Extension,
    Moment,
    Parameter,
    Retention,
    Schedule,
)
from components.fields import Count, HostLabel, Text
from components.model import Model


class PostgresBackupSettings(Model):
    """Backups of the database, in the object store of the platform: base backups, and every change since."""

    schedule: Schedule = "0 0 2 * * *"
    """When a base backup begins: cron with six fields, seconds first."""
    retention: Retention = "30d"
    """How far back the database can be restored."""


class PostgresRestoreSettings(Model):
    """Where a new database gets its content from. A database that exists is not touched by it."""

    source: HostLabel
    """Database whose backups are read: APP-NAME, such as shop-db, also of another app of the platform."""
    time: Moment | None = None
    """Moment to restore. Default: the last that is in the backups."""


class PoolerSettings(Model):
    """PgBouncer between the app and its database."""

    instances: Count = 2
    """How many of it."""
    mode: Literal["session", "transaction"] = "session"
    """When a connection goes back to the pool."""


class PostgresSettings(Model):
    """A PostgreSQL database of the app's own, run by CloudNativePG.

    The app finds it in PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD and DATABASE_URL.
    """

    name: DatabaseLabel = "db"
    """Part of its name after the app's. Another name is another database, empty or restored."""
    instances: Count = 3
    """One primary, and the others standbys that take over."""
    size: Size
    """Size of the volume of each instance; it can grow later, not shrink."""
    storage_class: HostLabel | None = None
    """Storage class of the volumes. Default: the platform's for databases."""
    image: Image | None = None
    """Image of PostgreSQL, in its major version of choice. Default: that of the operator."""
    database: DatabaseName = "app"
    """Name of the database, and of its owner."""
    extensions: tuple[Extension, ...] = ()
    """Extensions to create in the database; its image must have them."""
    parameters: dict[Parameter, Text] = Field(default_factory=dict)
    """Settings of postgresql.conf."""
    cpu: Cpu = "250m"
    """Processor time that each instance is promised."""
    memory: Size = "512Mi"
    """Memory of each instance."""
    backup: PostgresBackupSettings | None = None
    """Backups. Default: none."""
    restore: PostgresRestoreSettings | None = None
    """What a new database begins with. Default: nothing."""
    pooler: PoolerSettings | None = None
    """A connection pool in front of it. Default: none."""
