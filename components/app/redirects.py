"""HTTP redirects of an app, as options of the Traefik Middleware `redirectRegex`."""

import re

from components.app.ingress_settings import AppRedirectSettings
from components.kubernetes.manifest import Json

GROUP = re.compile(r"\$(?:([0-9]+)|\{([0-9]+)\})")
"""A reference to a group of `path` in `to`: `$1` or `${1}`."""
_ANY_HOST = "[^/?]+"


def redirect_regex(redirect: AppRedirectSettings, host: str | None) -> Json:
    """Return the options of Traefik's `redirectRegex`, whose regular expression matches whole URLs. The parameter
    `host` is the fully qualified host name of the requests."""
    origin = f"https?://{re.escape(host)}(?::[0-9]+)?" if host else f"https?://{_ANY_HOST}"
    if redirect.path is None:
        regex = f"^{origin}(/.*)?$"
        replacement = redirect.to if target_path(redirect.to) else f"{redirect.to.rstrip('/')}${{1}}"
    else:
        regex = f"^({origin})(?:{redirect.path})(?P<query>\\?.*)?$"
        # group 1 is the URL's scheme and host, so group N of `to` has the number N + 1 here; the braces separate this
        # number from the digits or letters that follow
        to = GROUP.sub(lambda match: f"${{{int(match[1] or match[2]) + 1}}}", redirect.to)
        replacement = f"{'${1}' if to.startswith('/') else ''}{to}{'' if '?' in to else '${query}'}"
    return {"regex": regex, "replacement": replacement, "permanent": redirect.permanent}


def target_path(to: str) -> str:
    """Return the path in the target URL of a redirect, without the query."""
    return re.sub(r"^https?://[^/?]*|[?#].*$", "", to).rstrip("/")
