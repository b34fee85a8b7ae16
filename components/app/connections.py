"""Connections between the apps of one stack."""

from collections.abc import Mapping

from components.app.allow_settings import AppDestinationSettings
from components.app.settings import AppSettings


def open_egress(apps: Mapping[str, AppSettings]) -> dict[str, AppSettings]:
    """Return the apps of one stack with an egress rule for each connection that `allow.from` of another app allows.

    NetworkPolicies must allow a connection twice: the egress of the client, and the ingress of the server.
    """
    return {path: _with_destinations(app, apps) for path, app in apps.items()}


def _with_destinations(client: AppSettings, apps: Mapping[str, AppSettings]) -> AppSettings:
    """Return the client with each server of the stack in `allow.to`, unless `allow.to` already names the server."""
    named = {destination.namespace for destination in client.allow.to}
    servers = [app.name for app in apps.values() if client.name in app.allow.from_ and app.name not in named]
    added = tuple(AppDestinationSettings(namespace=server) for server in servers)
    allow = client.allow.model_copy(update={"to": (*client.allow.to, *added)})
    return client.model_copy(update={"allow": allow})
