"""Checks of an app's PostgreSQL database, MariaDB server and Valkey server."""

from collections import Counter

from components.app import mariadb
from components.app.database import cluster_name
from components.app.network import policy_suffixes
from components.app.settings import AppSettings
from components.app.valkey import server_name
from components.settings.errors import Findings
from components.settings.quantities import mebibytes

_RESERVED_ROLES = {
    "cnpg_pooler_pgbouncer": "CloudNativePG creates for its connection pooler",
    "none": "PostgreSQL reserves",
    "public": "PostgreSQL reserves",
}
_PREDEFINED_ROLES = (
    "pg_checkpoint", "pg_create_subscription", "pg_execute_server_program", "pg_maintain", "pg_monitor",
    "pg_read_all_data", "pg_read_all_settings", "pg_read_all_stats", "pg_read_server_files",
    "pg_signal_autovacuum_worker", "pg_signal_backend", "pg_stat_scan_tables", "pg_use_reserved_connections",
    "pg_write_all_data", "pg_write_server_files",
)  # fmt: skip
"""Roles that PostgreSQL has from the start, and that may have members."""
_LEAST_VALKEY_MEBIBYTES = 16
"""Least memory of Valkey, of which its data can use half."""
_LEAST_MARIADB_MEBIBYTES = 256
"""Least memory of MariaDB, which needs about 200 MiB with a small cache."""
_BUILT_IN_MARIADB = ("information_schema", "mariadb", "mysql", "performance_schema", "root", "sys")
"""Databases and users that MariaDB has from the start."""


def _restore(app: AppSettings) -> Findings:
    postgres = app.postgres
    if postgres is None or postgres.restore is None:
        return
    if postgres.backup is not None and postgres.restore.source == cluster_name(app, postgres):
        reason = "is the name under which this database stores its own backups"
        fix = "set postgres.name to another name, such as db-2"
        yield ("postgres", "restore", "source"), reason, fix


def _database_name(app: AppSettings) -> Findings:
    """Reject a `postgres.name` that would give two NetworkPolicies of the app the same name."""
    if app.postgres is not None and app.postgres.name in policy_suffixes(app):
        reason = f"results in the name {cluster_name(app, app.postgres)}, which another NetworkPolicy already has"
        yield ("postgres", "name"), reason, "choose another name, such as db-2"


def _repeated_names(app: AppSettings) -> Findings:
    if app.postgres is None:
        return
    lists: dict[tuple[str, ...], tuple[str, ...]] = {("postgres", "extensions"): app.postgres.extensions}
    lists |= {
        ("postgres", "databases", key, "extensions"): each.extensions for key, each in app.postgres.databases.items()
    }
    lists |= {("postgres", "roles", key, "inRoles"): each.in_roles for key, each in app.postgres.roles.items()}
    for loc, names in lists.items():
        for name, count in Counter(names).items():
            if count > 1:
                yield loc, f"lists {name} {count} times", "keep one of them"


def _databases(app: AppSettings) -> Findings:
    postgres = app.postgres
    if postgres is None:
        return
    for section, names in (("databases", postgres.databases), ("roles", postgres.roles)):
        for name in names:
            if name == postgres.database:
                yield ("postgres", section, name), "is already the name in postgres.database", "use another name"
            if name != name.strip("_"):
                reason = (
                    "begins or ends with an underscore, so homelab cannot derive a valid name of a Kubernetes object"
                )
                yield ("postgres", section, name), reason, "use another name"
    roles = dict.fromkeys((postgres.database, *postgres.roles))
    for name, database in postgres.databases.items():
        if database.owner and database.owner not in roles:
            fix = f"use one of: {', '.join(roles)}"
            yield ("postgres", "databases", name, "owner"), "is not a role of the database", fix


def _reserved_roles(app: AppSettings) -> Findings:
    """Yield an error for each role that PostgreSQL or CloudNativePG would refuse to create."""
    postgres = app.postgres
    if postgres is None:
        return
    names = [(("postgres", "roles", name), name) for name in postgres.roles]
    for loc, name in ((("postgres", "database"), postgres.database), *names):
        if name in _RESERVED_ROLES:
            yield loc, f"is a role that {_RESERVED_ROLES[name]}", "use another name"
    for name, role in postgres.roles.items():
        if name in role.in_roles:
            reason = f"contains {name}, but a role cannot be a member of itself"
            yield ("postgres", "roles", name, "inRoles"), reason, "remove it"
        known = (postgres.database, *(other for other in postgres.roles if other != name), *_PREDEFINED_ROLES)
        for other in dict.fromkeys(role.in_roles):
            if other not in (name, *known):
                reason = f"contains {other}, which is no role of the database and no predefined role of PostgreSQL"
                yield ("postgres", "roles", name, "inRoles"), reason, f"use one of: {', '.join(known)}"


def _valkey(app: AppSettings) -> Findings:
    if app.valkey is None:
        return
    if app.valkey.storage_class and not app.valkey.size:
        reason = "has no effect without size: Valkey has no volume"
        yield ("valkey", "storageClass"), reason, "add size, such as 1Gi, or remove storageClass"
    if mebibytes(app.valkey.memory) < _LEAST_VALKEY_MEBIBYTES:
        reason = "is less memory than Valkey itself needs"
        yield ("valkey", "memory"), reason, f"use at least {_LEAST_VALKEY_MEBIBYTES}Mi"
    volume = app.volumes.get("valkey")
    if app.valkey.size and volume and volume.is_provisioned and volume.shared:
        reason = f"results in the PersistentVolumeClaim {server_name(app)}, which Valkey already uses"
        yield ("volumes", "valkey"), reason, "choose another name"


def _mariadb(app: AppSettings) -> Findings:
    if app.mariadb is None:
        return
    if app.mariadb.database in _BUILT_IN_MARIADB:
        reason = "is a database or user that MariaDB itself creates"
        yield ("mariadb", "database"), reason, "use another name, such as app"
    if mebibytes(app.mariadb.memory) < _LEAST_MARIADB_MEBIBYTES:
        reason = "is less memory than MariaDB itself needs"
        yield ("mariadb", "memory"), reason, f"use at least {_LEAST_MARIADB_MEBIBYTES}Mi"
    volume = app.volumes.get("mariadb")
    if volume and volume.is_provisioned and volume.shared:
        reason = f"results in the claim {mariadb.server_name(app)}, which is the claim of MariaDB's volume"
        yield ("volumes", "mariadb"), reason, "choose another name"


DATABASE_CHECKS = (_restore, _database_name, _repeated_names, _databases, _reserved_roles, _mariadb, _valkey)
