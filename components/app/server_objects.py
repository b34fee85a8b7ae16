"""Kubernetes objects that the database servers of an app (Valkey and MariaDB) have in common."""

from components.app import security, volumes
from components.app.objects import SKIP_AWAIT, metadata
from components.app.platform_outputs import AppPlatformOutputs
from components.app.settings import AppSettings
from components.kubernetes.manifest import Json, Manifest


def labels(server: str) -> dict[str, str]:
    """Return the labels of the server's pod, which do not match the selector of the app's Service."""
    return {"app.kubernetes.io/name": server}


def claim(
    app: AppSettings, server: str, storage_class: str | None, size: str, platform: AppPlatformOutputs
) -> Manifest:
    """Return the PersistentVolumeClaim of the server's volume."""
    spec = volumes.claim_spec("ReadWriteOnce", storage_class or platform.storage_class, size)
    return volumes.claim(app, server, spec)


def service(app: AppSettings, server: str, port_name: str, port: int) -> Manifest:
    """Return the server's Service, to whose name the app connects."""
    ports = [{"name": port_name, "port": port, "targetPort": port, "protocol": "TCP"}]
    meta = metadata(app, server, annotations=SKIP_AWAIT)  # Pulumi waits for the server's pod instead
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta,
        "spec": {"selector": labels(server), "ports": ports},
    }


def stateful_set(app: AppSettings, server: str, user: int, pod: Json) -> Manifest:
    """Return the StatefulSet of one pod, which stops the old pod before it starts the new pod."""
    template = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": security.user_context(user, user),
        **pod,
    }
    spec = {
        "selector": {"matchLabels": labels(server)},
        "serviceName": server,
        "replicas": 1,
        "template": {"metadata": {"labels": labels(server)}, "spec": template},
    }
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata(app, server), "spec": spec}
