"""Labels, metadata and other parts that all Kubernetes objects of an app share."""

from collections.abc import Mapping
from typing import Any

import pulumi

from components.app import security
from components.app.settings import AppSettings
from components.kubernetes.manifest import Json, Manifest

NAMESPACE_LABEL = "kubernetes.io/metadata.name"
SKIP_AWAIT = {"pulumi.com/skipAwait": "true"}
"""Annotation for objects that Pulumi does not wait for, because the objects become ready with another object."""


def labels(app: AppSettings) -> dict[str, str]:
    """Return the labels of the app's pods, except pods of Jobs and workers."""
    return {"app.kubernetes.io/name": app.name}


def job_labels(app: AppSettings) -> dict[str, str]:
    """Return the labels of Job pods, which do not match the selector of the app's Service."""
    return {"app.kubernetes.io/name": f"{app.name}-job"}


def worker_labels(app: AppSettings, name: str = "") -> dict[str, str]:
    """Return the labels that select the pods of the worker `name`, or the pods of all workers if `name` is empty.

    The labels of a worker's pods do not match the selector of the app's Service.
    """
    return {"app.kubernetes.io/name": f"{app.name}-worker", **({"app.kubernetes.io/component": name} if name else {})}


def metadata(app: AppSettings, name: str, **more: Any) -> dict[str, Any]:
    """Return the metadata of an object in the app's namespace."""
    return {"name": name, "namespace": app.name, "labels": labels(app), **more}


def has_protected_data(app: AppSettings) -> bool:
    """Whether the app has a database or volumes that Pulumi must not delete, because `discard` is false."""
    return has_data(app) and not app.discard


def has_data(app: AppSettings) -> bool:
    """Whether the deletion of the app's namespace would delete a database or a volume."""
    has_volume = any(volume.deleted_with_namespace for volume in app.volumes.values())
    has_server = app.postgres is not None or app.mariadb is not None or bool(app.valkey and app.valkey.size)
    return has_server or has_volume


def namespace(app: AppSettings) -> Manifest:
    """Return the Namespace of the app, with the strictest Pod Security level that allows the app's pods."""
    level = {f"pod-security.kubernetes.io/{mode}": security.level(app) for mode in ("enforce", "warn")}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": app.name, "labels": labels(app) | level}}


def disruption_budget(app: AppSettings, name: str, pods: Mapping[str, str]) -> Manifest:
    """Return a PodDisruptionBudget, which allows the eviction of one pod with the labels `pods` at a time."""
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": dict(pods)}}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata(app, name), "spec": spec}


def immutable_object(app: AppSettings, kind: str, **content: Mapping[str, Any] | str) -> Manifest:
    """Return an immutable ConfigMap or Secret.

    When the content changes, the object gets a new name, and the new name in the pod template starts a rollout.
    """
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"namespace": app.name, "labels": labels(app)},
        "immutable": True,
        **content,
    }


def secret_variable(name: str, secret: pulumi.Input[str] | None, key: str) -> dict[str, Json]:
    """Return the environment variable `name` of a container, with the value of `key` in the Secret `secret`."""
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def several_pods_setting(app: AppSettings) -> str | None:
    """Return the name of the setting that requests several replicas (`autoscaling` or `replicas`), or None."""
    if app.autoscaling:
        return "autoscaling"
    return "replicas" if (app.replicas or 1) > 1 else None


def has_other_pods(app: AppSettings) -> bool:
    """Whether the app has pods of Jobs, CronJobs or workers."""
    return app.before is not None or bool(app.cron or app.workers)
