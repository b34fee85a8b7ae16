"""On which machines an app runs."""

from components.app import volumes
from components.app.settings import AppSettings
from components.manifest import Tree

HOSTNAME = "kubernetes.io/hostname"


def of(app: AppSettings) -> dict[str, Tree]:
    """Return what of a pod says where it runs."""
    selector = labels(app)
    return {"nodeSelector": selector} if selector else {}


def labels(app: AppSettings) -> dict[str, str]:
    """Return the labels of the machines on which it runs, which are all without any."""
    machine = volumes.node(app)
    return {HOSTNAME: machine} if machine else {}
