"""What the objects of an app have in common."""

from collections.abc import Mapping
from typing import Any

from components.app import security
from components.app.settings import AppSettings
from components.manifest import Manifest

NAMESPACE_LABEL = "kubernetes.io/metadata.name"
UNAWAITED = {"pulumi.com/skipAwait": "true"}
"""Annotation of what is ready when something else is."""


def labels(app: AppSettings) -> dict[str, str]:
    """Labels of the app's own pods."""
    return {"app.kubernetes.io/name": app.name}


def job_labels(app: AppSettings) -> dict[str, str]:
    """Labels of pods that do one thing for the app and end: its Service does not lead to them."""
    return {"app.kubernetes.io/name": f"{app.name}-job"}


def has_jobs(app: AppSettings) -> bool:
    """Whether there are such pods."""
    return bool(app.before or app.cron)


def metadata(app: AppSettings, name: str, **more: Any) -> dict[str, Any]:
    """Metadata of an object in the app's namespace."""
    return {"name": name, "namespace": app.name, "labels": labels(app), **more}


def keeps(app: AppSettings) -> bool:
    """Whether the app has data that must not go without a word."""
    return has_data(app) and not app.discard


def has_data(app: AppSettings) -> bool:
    """Whether data would go with the app's namespace."""
    return app.postgres is not None or any(volume.kept for volume in app.volumes.values())


def namespace(app: AppSettings) -> Manifest:
    """The app's namespace, which takes no pods with more rights than the app needs."""
    level = {f"pod-security.kubernetes.io/{mode}": security.level(app) for mode in ("enforce", "warn")}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": app.name, "labels": labels(app) | level}}


def unnamed(app: AppSettings, kind: str, **content: Mapping[str, Any] | str) -> Manifest:
    """A ConfigMap or Secret that gets a new name with every new content, so that pods which read it change too."""
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"namespace": app.name, "labels": labels(app)},
        "immutable": True,
        **content,
    }
