"""An app's secrets from external stores, which external-secrets copies into a Kubernetes Secret."""

import hashlib
import json
from collections.abc import Iterator

from components.app.config_objects import file_key
from components.app.objects import metadata, secret_variable
from components.app.secret_settings import AppRemoteSecretSettings
from components.app.settings import AppSettings
from components.kubernetes.manifest import Json, Manifest

REFRESH_INTERVAL = "1h"
"""How often external-secrets reads the store again. Pods read the Secret only when they start."""


def secret_name(app: AppSettings) -> str:
    """Return the Secret's name.

    When the setting `remoteSecrets` or `remoteSecretFiles` changes, the Kubernetes Secret gets a new name, and the new
    name in the pod template starts a rollout.
    """
    references = {key: remote.model_dump() for key, remote in _remote(app).items()}
    text = json.dumps(references, sort_keys=True)
    return f"{app.name}-remote-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def external_secret(app: AppSettings) -> Manifest:
    """Return the ExternalSecret. Pulumi waits until external-secrets has read all secrets from the external store."""
    meta = metadata(app, secret_name(app), annotations={"pulumi.com/waitFor": "condition=Ready"})
    data = [_entry(key, remote) for key, remote in _remote(app).items()]
    spec = {
        "refreshInterval": REFRESH_INTERVAL,
        "target": {"name": secret_name(app), "creationPolicy": "Owner"},
        "data": data,
    }
    return {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": meta, "spec": spec}


def _remote(app: AppSettings) -> dict[str, AppRemoteSecretSettings]:
    """Return the references to all secrets in external stores, by their key in the Kubernetes Secret."""
    return {**app.remote_secrets, **{file_key(path): remote for path, remote in app.remote_secret_files.items()}}


def _entry(key: str, remote: AppRemoteSecretSettings) -> Json:
    store = {"kind": "ClusterSecretStore", "name": remote.store}
    reference = {"key": remote.key} | ({"property": remote.property} if remote.property else {})
    return {"secretKey": key, "remoteRef": reference, "sourceRef": {"storeRef": store}}


def environment(app: AppSettings) -> Iterator[Json]:
    """Yield the environment variables whose values are the app's secrets from external stores."""
    for variable in app.remote_secrets:
        yield secret_variable(variable, secret_name(app), variable)
