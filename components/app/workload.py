"""The workload of an app (Deployment, StatefulSet or Rollout), and the number of its replicas."""

from collections.abc import Iterator

from components.app import devices, pods, rollout, volumes
from components.app.config_objects import ConfigSources
from components.app.objects import disruption_budget, labels, metadata
from components.app.platform_outputs import AppPlatformOutputs
from components.app.settings import AppSettings
from components.kubernetes.manifest import Json, Manifest

PATCH_FORCE = {"pulumi.com/patchForce": "true"}
"""Annotation that overrides fields last set by an autoscaler or manually."""
REVISIONS = 3
"""Number of old versions that Kubernetes keeps for a rollback."""


def workload(app: AppSettings, platform: AppPlatformOutputs, sources: ConfigSources) -> Manifest:
    """Return the app's workload: a Deployment, a StatefulSet for single-pod volumes, or a Rollout for `strategy`."""
    template = {"metadata": {"labels": labels(app)}, "spec": pods.app_pod_spec(app, platform, sources)}
    spec: dict[str, Json] = {
        "selector": {"matchLabels": labels(app)},
        "revisionHistoryLimit": REVISIONS,
        "template": template,
        "replicas": min_replicas(app),
    }
    if type_meta(app)["kind"] == "StatefulSet":
        spec |= {"serviceName": app.name, "podManagementPolicy": "Parallel"}
    if templates := list(volumes.templates(app, platform)):
        spec[volumes.CLAIM_TEMPLATES] = templates
    if type_meta(app)["kind"] == "Deployment" and (app.host_network or app.gpu):
        # a new pod can start only after an old pod has released its host ports or its GPU
        spec["strategy"] = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    annotations = dict(PATCH_FORCE)
    if app.autoscaling:
        annotations["homelab/scaled"] = "true"  # when the annotation is removed, Pulumi applies replicas again
    if app.strategy:
        spec["strategy"] = rollout.strategy(app, app.strategy)
        annotations |= rollout.WAIT_FOR_HEALTHY
    return {**type_meta(app), "metadata": metadata(app, app.name, annotations=annotations), "spec": spec}


def min_replicas(app: AppSettings) -> int:
    """Return the app's number of replicas or, with autoscaling, the minimum number of replicas."""
    single = volumes.single_pod_names(app) or devices.exclusive_settings(app) or app.gpu or app.host_network
    return app.autoscaling.min if app.autoscaling else app.replicas or (1 if single else 3)


def ignored_fields(app: AppSettings) -> list[str]:
    """Return the paths of the fields that Pulumi must not change in an existing workload (ignoreChanges)."""
    # the manifest contains `replicas`, because the API server would otherwise scale the workload to one pod; with
    # ignoreChanges, Pulumi sends the number of replicas that the workload has in the cluster, until the autoscaler owns
    # the field, after which Pulumi omits the field from its patches
    scaled = ["spec.replicas"] if app.autoscaling else []
    return [*scaled, f"spec.{volumes.CLAIM_TEMPLATES}"] if type_meta(app)["kind"] == "StatefulSet" else scaled


def type_meta(app: AppSettings) -> dict[str, Json]:
    """Return the apiVersion and kind of the app's workload."""
    if app.strategy:
        return {"apiVersion": rollout.API_VERSION, "kind": rollout.KIND}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet" if needs_stateful_set(app) else "Deployment"}


def needs_stateful_set(app: AppSettings) -> bool:
    """Whether the app runs as a StatefulSet.

    A StatefulSet stops an old pod before it starts the replacement, so two pods never use a single-pod volume or a
    device at once.
    """
    stateful = any(volume.is_single_pod or volume.per_pod for volume in app.volumes.values())
    return stateful or bool(devices.exclusive_settings(app))


def scaling_objects(app: AppSettings) -> Iterator[Manifest]:
    """Yield the PodDisruptionBudget of an app with several replicas, and the HorizontalPodAutoscaler of an app with
    `autoscaling`."""
    if min_replicas(app) > 1:
        yield disruption_budget(app, app.name, labels(app))
    if app.autoscaling is not None:
        target = {"type": "Utilization", "averageUtilization": app.autoscaling.cpu}
        spec: dict[str, Json] = {
            "scaleTargetRef": {**type_meta(app), "name": app.name},
            "minReplicas": app.autoscaling.min,
            "maxReplicas": app.autoscaling.max,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        }
        meta = metadata(app, app.name)
        yield {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta, "spec": spec}
