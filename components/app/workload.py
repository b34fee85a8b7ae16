"""What runs of an app: its pods, what they read and keep, and how many there are."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pulumi

from components.app import database, place, remote, rollout, security, traces, volumes
from components.app.objects import labels, metadata, unnamed
from components.app.probe_settings import AppProbeSettings
from components.app.settings import AppPullSettings, AppSettings
from components.app.surroundings import Surroundings
from components.layer import resources, spread
from components.manifest import Manifest, Tree

_FILES, _SECRET_FILES = "files", "secret-files"
_MODE = 0o440
"""Who may read files that are secrets: the app's group."""
_OURS = {"pulumi.com/patchForce": "true"}
"""Annotation of what is as it is described here, although an autoscaler that is gone, or a hand, has set it."""
DRAIN_SECONDS = 5
"""How long a pod that ends still answers, until everybody knows that it does."""
_TIMEOUT, _GRACE_PERIOD = 1, 30
"""What Kubernetes takes where nothing is said."""
_SHARED_MEMORY = "shared-memory"


@dataclass(frozen=True)
class Read:
    """Names of the ConfigMap and the Secrets that the pods read, or that their images are pulled with."""

    files: pulumi.Input[str] | None = None
    secrets: pulumi.Input[str] | None = None
    pull: pulumi.Input[str] | None = None


def files(app: AppSettings) -> Manifest:
    """The configuration files."""
    return unnamed(app, "ConfigMap", data={_key(path): text for path, text in app.files.items()})


def secrets(app: AppSettings) -> Manifest:
    """The variables and the files that are secrets."""
    files = {_key(path): secret for path, secret in app.secret_files.items()}
    return unnamed(app, "Secret", stringData={**app.secrets, **files})


def pull(app: AppSettings, given: AppPullSettings) -> Manifest:
    """What the image is pulled with."""
    host, slash, _ = app.image.partition("/")
    registry = host if slash and re.search(r"[.:]|^localhost$", host) else "https://index.docker.io/v1/"
    who = {"username": given.username, "password": given.password.resolve()}
    text = pulumi.Output.json_dumps({"auths": {registry: who}})
    return unnamed(app, "Secret", type="kubernetes.io/dockerconfigjson", stringData={".dockerconfigjson": text})


def workload(app: AppSettings, platform: Surroundings, read: Read) -> Manifest:
    """The pods: a Deployment, a StatefulSet where a volume is for one pod, or a Rollout."""
    template = {"metadata": {"labels": labels(app)}, "spec": _pod(app, platform, read)}
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


def _pod(app: AppSettings, platform: Surroundings, read: Read) -> Tree:
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": security.of_pod(app),
        **({"imagePullSecrets": [{"name": read.pull}]} if app.image_pull_secret else {}),
        **place.of(app),
        **({"terminationGracePeriodSeconds": app.grace_period} if app.grace_period != _GRACE_PERIOD else {}),
        "topologySpreadConstraints": spread(labels(app)),
        "containers": [_container(app, platform, read)],
        "volumes": list(_volumes(app, read)),
    }


def _container(app: AppSettings, platform: Surroundings, read: Read) -> Tree:
    probes = {f"{name}Probe": _probe(probe, app) for name, probe in app.probes if probe is not None}
    return {
        "name": app.name,
        "image": app.image,
        **({"command": list(app.command)} if app.command else {}),
        **({"args": list(app.args)} if app.args else {}),
        "ports": list(_ports(app)),
        "env": list(_environment(app, platform, read)),
        "resources": resources(app.cpu, app.memory),
        "securityContext": security.of_container(app),
        "lifecycle": {"preStop": _stop(app)},
        **probes,
        "volumeMounts": list(_mounts(app)),
    }


def _ports(app: AppSettings) -> Iterator[Tree]:
    yield {"name": "http", "containerPort": app.port, "protocol": "TCP"}
    for name, each in app.ports.items():
        if (each.port, each.protocol) != (app.port, "TCP"):
            yield {"name": name, "containerPort": each.port, "protocol": each.protocol}


def _stop(app: AppSettings) -> Tree:
    return {"exec": {"command": list(app.stop)}} if app.stop else {"sleep": {"seconds": DRAIN_SECONDS}}


def _environment(app: AppSettings, platform: Surroundings, read: Read) -> Iterator[Tree]:
    """Yield the variables; those that others may name come before them."""
    yield from database.environment(app)
    yield from traces.environment(app, platform)
    for name in app.secrets:
        yield {"name": name, "valueFrom": {"secretKeyRef": {"name": read.secrets, "key": name}}}
    yield from remote.environment(app)
    for name, value in app.environment.items():
        yield {"name": name, "value": value}


def _probe(probe: AppProbeSettings, app: AppSettings) -> Tree:
    times = {
        "periodSeconds": probe.period,
        "failureThreshold": probe.failures,
        **({"initialDelaySeconds": probe.delay} if probe.delay else {}),
        **({"timeoutSeconds": probe.timeout} if probe.timeout != _TIMEOUT else {}),
    }
    return _question(probe, app) | times


def _question(probe: AppProbeSettings, app: AppSettings) -> Tree:
    if probe.command:
        return {"exec": {"command": list(probe.command)}}
    if probe.grpc:
        return {"grpc": {"port": probe.port or app.port}}  # which takes no name of a port
    port = probe.port or "http"
    return {"httpGet": {"path": probe.path, "port": port}} if probe.path else {"tcpSocket": {"port": port}}


def _volumes(app: AppSettings, read: Read) -> Iterator[Tree]:
    if app.files:
        yield {"name": _FILES, "configMap": {"name": read.files}}
    if app.secret_files:
        items = [{"key": _key(path), "path": _key(path)} for path in app.secret_files]
        yield {"name": _SECRET_FILES, "secret": {"secretName": read.secrets, "items": items, "defaultMode": _MODE}}
    for index, _ in enumerate(app.scratch):
        yield {"name": f"scratch-{index}", "emptyDir": {}}
    if app.shared_memory:
        yield {"name": _SHARED_MEMORY, "emptyDir": {"medium": "Memory", "sizeLimit": app.shared_memory}}
    yield from volumes.of_pods(app)


def _mounts(app: AppSettings) -> Sequence[Tree]:
    found: list[Tree] = list(volumes.mounts(app))
    found += [{"name": f"scratch-{index}", "mountPath": path} for index, path in enumerate(app.scratch)]
    found += [{"name": _SHARED_MEMORY, "mountPath": "/dev/shm"}] if app.shared_memory else []  # noqa: S108
    for name, paths in ((_FILES, app.files), (_SECRET_FILES, app.secret_files)):
        found += [{"name": name, "mountPath": path, "subPath": _key(path), "readOnly": True} for path in sorted(paths)]
    return found


def _key(path: str) -> str:
    """Return the key of a file: its name, and what sets it apart from others of that name."""
    return f"{path.rpartition('/')[2]}-{hashlib.sha256(path.encode()).hexdigest()[:8]}"
