"""Environment variables that reference other variables, written as `$(NAME)`."""

import re
from collections.abc import Collection, Iterator, Mapping

from components.app import tracing
from components.app.hosts import is_wildcard
from components.app.settings import AppSettings

DATABASE_VARIABLES = ("PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "DATABASE_URL")
"""Environment variables of an app with a database."""
SUPERUSER_VARIABLES = ("PGSUPERUSER", "PGSUPERPASSWORD")
"""Environment variables of an app with superuser access to its database."""
MARIADB_VARIABLES = (
    "MARIADB_HOST", "MARIADB_PORT", "MARIADB_DATABASE", "MARIADB_USER", "MARIADB_PASSWORD", "MARIADB_URL",
)  # fmt: skip
"""Environment variables of an app with a MariaDB server."""
VALKEY_VARIABLES = ("VALKEY_HOST", "VALKEY_PORT", "VALKEY_PASSWORD", "REDIS_URL")
"""Environment variables of an app with a Valkey server."""
HOST_VARIABLE = "HOMELAB_HOST"
"""Environment variable with the fully qualified name of the app's first host, if another variable references it."""


_HOST_REFERENCE = re.compile(r"(\$?)\$\(" + HOST_VARIABLE + r"\)")


def has_host(text: str) -> bool:
    """Whether `text` references the app's first host. `$$(HOMELAB_HOST)` is an escaped reference, which means the
    literal text `$(HOMELAB_HOST)`."""
    return any(not match[1] for match in _HOST_REFERENCE.finditer(text))


def insert_host(text: str, host: str) -> str:
    """Replace each reference to the app's first host in `text` with `host`."""
    return _HOST_REFERENCE.sub(lambda match: f"$({HOST_VARIABLE})" if match[1] else host, text)


def role_variable(role: str) -> str:
    """Return the environment variable with the password of an additional role of the database."""
    return f"PGPASSWORD_{role.upper()}"


def database_variables(app: AppSettings) -> tuple[str, ...]:
    """Return the environment variables that the app's database sets."""
    if app.postgres is None:
        return ()
    superuser = SUPERUSER_VARIABLES if app.postgres.enable_superuser_access else ()
    return (*DATABASE_VARIABLES, *map(role_variable, app.postgres.roles), *superuser)


def predefined_variables(app: AppSettings) -> dict[str, str]:
    """Return the environment variables that homelab adds to the app, each with the name of the setting that adds it."""
    origins = dict.fromkeys(database_variables(app), "postgres")
    origins |= dict.fromkeys(MARIADB_VARIABLES, "mariadb") if app.mariadb else {}
    origins |= dict.fromkeys(VALKEY_VARIABLES, "valkey") if app.valkey else {}
    origins |= {HOST_VARIABLE: "hosts"} if any(not is_wildcard(host) for host in app.hosts) else {}
    origins |= dict.fromkeys(tracing.VARIABLES, "traces") if app.traces else {}
    return origins | dict.fromkeys(app.remote_secrets, "remoteSecrets") | dict.fromkeys(app.secrets, "secrets")


def broken_references(environment: Mapping[str, str], before: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Yield each environment variable that references an undefined or later variable, with the reason and the fix of
    the error."""
    known = set(before)
    for name, text in environment.items():
        for other in re.findall(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)", text.replace("$$", "")):
            if other == name and name not in known:
                yield name, f"references itself, $({name})", "reference another variable, or write the value"
            elif other in environment and other not in known:
                yield name, f"references $({other}), which is defined later", f"define {other} first"
            elif other not in known:
                fix = f"add {other} to secrets or environment, or write $$({other}) for the literal text $({other})"
                yield name, f"references $({other}), which is not a variable of the app", fix
        known.add(name)
