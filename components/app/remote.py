"""Secrets of an app that are kept elsewhere, as external-secrets brings them."""

import hashlib
import json
from collections.abc import Iterator

from components.app.objects import metadata
from components.app.settings import AppRemoteSecretSettings, AppSettings
from components.manifest import Manifest, Tree

REFRESH = "1h"
"""How often they are looked at again; pods read them when they start."""


def name(app: AppSettings) -> str:
    """Name of the secret: with other keys it is another one, so that pods begin anew with what they name."""
    said = json.dumps({variable: each.model_dump() for variable, each in app.remote_secrets.items()}, sort_keys=True)
    return f"{app.name}-remote-{hashlib.sha256(said.encode()).hexdigest()[:8]}"


def external_secret(app: AppSettings) -> Manifest:
    """What is to be brought. It is there when all of it was found."""
    each = metadata(app, name(app), annotations={"pulumi.com/waitFor": "condition=Ready"})
    data = [_entry(variable, remote) for variable, remote in app.remote_secrets.items()]
    spec = {"refreshInterval": REFRESH, "target": {"name": name(app), "creationPolicy": "Owner"}, "data": data}
    return {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": each, "spec": spec}


def _entry(variable: str, remote: AppRemoteSecretSettings) -> Tree:
    store = {"kind": "ClusterSecretStore", "name": remote.store}
    reference = {"key": remote.key} | ({"property": remote.property} if remote.property else {})
    return {"secretKey": variable, "remoteRef": reference, "sourceRef": {"storeRef": store}}


def environment(app: AppSettings) -> Iterator[Tree]:
    """Yield the variables that hold them."""
    for variable in app.remote_secrets:
        yield {"name": variable, "valueFrom": {"secretKeyRef": {"name": name(app), "key": variable}}}
