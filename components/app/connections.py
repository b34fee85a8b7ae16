"""Network connections between the apps of one stack."""

from collections.abc import Mapping

from components.app.allow_settings import AppDestinationSettings
from components.app.settings import AppSettings


def open_egress(apps: Mapping[str, AppSettings]) -> dict[str, AppSettings]:
    """Return the settings of the stack's apps. If `allow.from` of an app names a client, `allow.to` of the client also
    names the app.

    A connection between two apps needs two NetworkPolicy rules: egress of the client, and ingress of the server.
    """
    return {path: _with_destinations(app, apps) for path, app in apps.items()}


def _with_destinations(client: AppSettings, apps: Mapping[str, AppSettings]) -> AppSettings:
    """Return the settings of `client`, with an additional entry in `allow.to` for each app that accepts connections
    from `client` and has no entry yet."""
    named = {destination.namespace for destination in client.allow.to}
    servers = [app.name for app in apps.values() if client.name in app.allow.from_ and app.name not in named]
    added = tuple(AppDestinationSettings(namespace=server) for server in servers)
    allow = client.allow.model_copy(update={"to": (*client.allow.to, *added)})
    return client.model_copy(update={"allow": allow})
