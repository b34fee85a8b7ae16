"""What runs the pods of an app, and how many there are."""

from collections.abc import Iterator

from components.app import pods, rollout, volumes
from components.app.objects import labels, metadata
from components.app.read import Read
from components.app.settings import AppSettings
from components.app.surroundings import Surroundings
from components.manifest import Manifest, Tree

_OURS = {"pulumi.com/patchForce": "true"}
"""Annotation of what is as it is described here, although an autoscaler that is gone, or a hand, has set it."""


def workload(app: AppSettings, platform: Surroundings, read: Read) -> Manifest:
    """The pods: a Deployment, a StatefulSet where a volume is for one pod, or a Rollout."""
    template = {"metadata": {"labels": labels(app)}, "spec": pods.of_app(app, platform, read)}
    spec: dict[str, Tree] = {
        "selector": {"matchLabels": labels(app)},
        "revisionHistoryLimit": 3,
        "template": template,
        "replicas": least(app),
    }
    if kind(app)["kind"] == "StatefulSet":
        spec |= {"serviceName": app.name, "podManagementPolicy": "Parallel"}
    if own := list(volumes.templates(app, platform)):
        spec[volumes.TEMPLATES] = own
    notes = dict(_OURS)
    if app.autoscaling:
        notes["homelab/scaled"] = "true"  # that it goes tells the API that the number counts again
    if app.strategy:
        spec["strategy"] = rollout.strategy(app, app.strategy)
        notes |= rollout.AWAITED
    return {**kind(app), "metadata": metadata(app, app.name, annotations=notes), "spec": spec}


def least(app: AppSettings) -> int:
    """Return how many pods there are at least."""
    return app.autoscaling.min if app.autoscaling else app.replicas or (1 if volumes.single(app) else 3)


def left(app: AppSettings) -> list[str]:
    """Return what of the object that runs the pods stays as it is, whatever stands here, once it is there."""
    # Without a number in what is applied, a number applied before would go, and the API put 1 in its place. So it
    # stands there, as the first one: what Pulumi ignores it sends as it is in the cluster, and leaves it out once
    # the autoscaler has changed it and owns it. So no `up` takes away pods that the autoscaler wants.
    scaled = ["spec.replicas"] if app.autoscaling else []
    return [*scaled, f"spec.{volumes.TEMPLATES}"] if kind(app)["kind"] == "StatefulSet" else scaled


def kind(app: AppSettings) -> dict[str, Tree]:
    """Return version and kind of the object that runs the pods."""
    if app.strategy:
        return {"apiVersion": rollout.API, "kind": rollout.KIND}
    # it alone lets go of a pod before it makes the next one, and never has two of the same name
    own = any(volume.single or volume.per_pod for volume in app.volumes.values())
    return {"apiVersion": "apps/v1", "kind": "StatefulSet" if own else "Deployment"}


def scale(app: AppSettings) -> Iterator[Manifest]:
    """Yield what says how many pods there are, and how many of them may be away."""
    if least(app) > 1:  # with one pod it would block every drain
        spec: dict[str, Tree] = {"maxUnavailable": 1, "selector": {"matchLabels": labels(app)}}
        meta = metadata(app, app.name)
        yield {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": spec}
    if app.autoscaling is not None:
        target = {"type": "Utilization", "averageUtilization": app.autoscaling.cpu}
        spec = {
            "scaleTargetRef": {**kind(app), "name": app.name},
            "minReplicas": app.autoscaling.min,
            "maxReplicas": app.autoscaling.max,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        }
        meta = metadata(app, app.name)
        yield {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta, "spec": spec}
