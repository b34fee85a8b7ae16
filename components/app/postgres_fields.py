"""Types that validate the values of database settings, such as names, parameters and dates."""

import re
from datetime import datetime
from typing import Annotated

from components.settings import cron
from components.settings.errors import setting_error
from components.settings.fields import TextType
from components.settings.kubernetes_fields import matching

_MOMENT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})"
_DATABASE = "[a-z_][a-z0-9_]{0,62}"
_PARAMETER = r"[a-z][a-z0-9_.]*"
_BUILT_IN = ("postgres", "template0", "template1", "streaming_replica")
"""Built-in databases and roles, in addition to names that begin with pg_."""
_CONTROLLED = re.compile(
    "allow_alter_system|allow_system_table_mods|archive_(cleanup_)?command|archive_mode|bonjour(_name)?|cluster_name|"
    "config_file|data_directory|data_sync_retry|event_source|external_pid_file|(hba|ident)_file|hot_standby|"
    "jit_provider|listen_addresses|log_(destination|directory|file_mode|filename|rotation_age|rotation_size|"
    r"truncate_on_rotation)|logging_collector|pg_failover_slots\.(primary_dsn|standby_slot_names)|port|"
    "primary_(conninfo|slot_name)|promote_trigger_file|recovery_(end_command|min_apply_delay)|recovery_target(_action|"
    "_inclusive|_lsn|_name|_time|_timeline|_xid)?|restart_after_crash|restore_command|shared_preload_libraries|"
    "ssl(_(ca|cert|crl|dh_params|key)_file)?|ssl_ecdh_curve|ssl_passphrase_command(_supports_reload)?|"
    "ssl_prefer_server_ciphers|stats_temp_directory|synchronous_standby_names|synchronized_standby_slots|"
    "syslog_(facility|ident|sequence_numbers|split_messages)|temp_tablespaces|"
    "unix_socket_(directories|group|permissions)"
)
"""Parameters that CloudNativePG sets itself or does not allow."""


def _moment(value: str) -> str:
    if not re.fullmatch(_MOMENT, value, re.ASCII):
        raise setting_error(
            "is not a date and time", 'write it in quotes, with its zone, such as "2026-08-01T12:00:00Z"'
        )
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise setting_error("is a date or time that does not exist", "check its month, day and hour") from None
    return value


def _database(value: str) -> str:
    if not re.fullmatch(_DATABASE, value, re.ASCII):
        raise setting_error(
            "is not a database name", "use lower-case letters, digits and underscores, and do not start with a digit"
        )
    if value in _BUILT_IN or value.startswith("pg_"):
        raise setting_error("is a built-in database or role", "use another name, such as app")
    return value


def _parameter(value: str) -> str:
    if not re.fullmatch(_PARAMETER, value, re.ASCII):
        raise setting_error("is not a PostgreSQL parameter", "write the name as in postgresql.conf, such as work_mem")
    if _CONTROLLED.fullmatch(value):
        raise setting_error("cannot be set, because CloudNativePG controls this parameter", "remove it")
    return value


DatabaseLabel = Annotated[
    str, matching("host label of at most 9 characters", "[a-z0-9]([-a-z0-9]{0,7}[a-z0-9])?", "write it like db or db-2")
]
ScheduleWithSeconds = Annotated[str, TextType("cron schedule with seconds", cron.schedule_with_seconds)]
Retention = Annotated[str, matching("retention period", "[1-9][0-9]*[dwm]", "write it as 30d, 4w or 6m")]
Extension = Annotated[
    str,
    matching("PostgreSQL extension", "[a-z][a-z0-9_-]{0,62}", "write the name as in CREATE EXTENSION, such as pg_trgm"),
]
Library = Annotated[
    str, matching("library of PostgreSQL", "[A-Za-z0-9_][A-Za-z0-9_.-]*", "write its file name, such as vchord.so")
]
Timestamp = Annotated[str, TextType("date and time", _moment, _MOMENT)]
RoleName = Annotated[
    str,
    matching("PostgreSQL role", _DATABASE, "use lower-case letters, digits and underscores, such as pg_read_all_data"),
]
DatabaseName = Annotated[str, TextType("database name", _database, _DATABASE)]
ParameterName = Annotated[str, TextType("PostgreSQL parameter", _parameter, _PARAMETER)]
