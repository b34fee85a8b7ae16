"""Workers of an app: Deployments without Service and Ingress that run other commands of the app's image."""

from collections.abc import Iterator

from components.app import pods
from components.app.config_objects import ConfigSources
from components.app.objects import disruption_budget, metadata, worker_labels
from components.app.platform_outputs import AppPlatformOutputs
from components.app.settings import AppSettings
from components.app.workload import PATCH_FORCE, REVISIONS
from components.kubernetes.manifest import Json, Manifest


def deployment_name(app: AppSettings, worker: str) -> str:
    """Return the name of a worker's Deployment."""
    return f"{app.name}-{worker}"


def deployments(app: AppSettings, platform: AppPlatformOutputs, sources: ConfigSources) -> Iterator[Manifest]:
    """Yield the Deployments of the app's workers."""
    for name, settings in app.workers.items():
        pod = pods.worker_pod_spec(name, settings, app, platform, sources)
        spec: dict[str, Json] = {
            "selector": {"matchLabels": worker_labels(app, name)},
            "revisionHistoryLimit": REVISIONS,
            "template": {"metadata": {"labels": worker_labels(app, name)}, "spec": pod},
            "replicas": settings.replicas,
            **({"strategy": {"type": settings.strategy}} if settings.strategy != "RollingUpdate" else {}),
        }
        meta = metadata(app, deployment_name(app, name), annotations=dict(PATCH_FORCE))
        yield {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


def disruption_budgets(app: AppSettings) -> Iterator[Manifest]:
    """Yield the PodDisruptionBudgets of workers with several replicas."""
    for name, settings in app.workers.items():
        if settings.replicas > 1:
            yield disruption_budget(app, deployment_name(app, name), worker_labels(app, name))
