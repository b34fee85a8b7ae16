"""Variables of an app's containers that name others, as `$(NAME)`."""

import re
from collections.abc import Collection, Iterator, Mapping

from components.app import traces
from components.app.settings import AppSettings

DATABASE_VARIABLES = ("PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "DATABASE_URL")
"""What an app with a database finds in its environment."""


def given(app: AppSettings) -> dict[str, str]:
    """Return the variables that do not come from `environment`, and where each comes from."""
    own = dict.fromkeys(DATABASE_VARIABLES, "the app's database") if app.postgres else {}
    own |= dict.fromkeys(traces.VARIABLES, "the app's traces") if app.traces else {}
    return own | dict.fromkeys(app.remote_secrets, "remoteSecrets") | dict.fromkeys(app.secrets, "secrets")


def wrong(environment: Mapping[str, str], before: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Yield each variable that names one which is not there, or not before it; the reason; the fix."""
    known = set(before)
    for name, text in environment.items():
        for named in re.findall(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)", text.replace("$$", "")):
            if named in environment and named not in known:
                reason = f"names $({named}), which comes after it" if named != name else f"names itself, $({name})"
                yield name, reason, "write the variable that is named first"
            elif named not in known:
                fix = f"add it to secrets or environment, or write $$({named}) for these very characters"
                yield name, f"names $({named}), which is no variable of the app", fix
        known.add(name)
