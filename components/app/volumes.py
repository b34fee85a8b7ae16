"""Volumes of an app: PersistentVolumeClaims, NFS shares, hostPath folders and memory file systems."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import pulumi

from components.app.objects import SKIP_AWAIT, metadata
from components.app.platform_outputs import AppPlatformOutputs
from components.app.settings import AppSettings
from components.app.volume_settings import AppVolumeSettings
from components.kubernetes.manifest import Json, Manifest
from components.settings.quantities import mebibytes

CLAIM_TEMPLATES = "volumeClaimTemplates"
"""Field of a StatefulSet with the volumes of each pod. The field is immutable: on a change, Pulumi would replace the
StatefulSet and end all pods, and the existing volumes would stay unchanged."""
_FIX = "the pods keep their existing volumes; see docs/apps-storage.md"


def single_pod_names(app: AppSettings) -> list[str]:
    """Return the names of the volumes that at most one pod may mount."""
    return [name for name, volume in app.volumes.items() if volume.is_single_pod]


def host_path_node(app: AppSettings) -> str | None:
    """Return the node that has the app's hostPath volumes, on which the app's pods must run."""
    return next((volume.host_path.node for volume in app.volumes.values() if volume.host_path), None)


def claims(app: AppSettings, platform: AppPlatformOutputs) -> Iterator[Manifest]:
    """Yield the PersistentVolumeClaims of the volumes that all pods of the app share."""
    for name, volume in app.volumes.items():
        if volume.is_provisioned and volume.shared:
            yield claim(app, f"{app.name}-{name}", _claim_spec(volume, platform, "ReadWriteMany"))


def claim(app: AppSettings, name: str, spec: Json) -> Manifest:
    """Return a PersistentVolumeClaim. Pulumi does not wait for the claim, because a claim may stay unbound until a pod
    uses it."""
    meta = metadata(app, name, annotations=SKIP_AWAIT)
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}


def claim_spec(access_mode: str, storage_class: pulumi.Input[str | None], size: str | None) -> Json:
    """Return the spec of a PersistentVolumeClaim."""
    return {
        "accessModes": [access_mode],
        "storageClassName": storage_class,
        "resources": {"requests": {"storage": size}},
    }


def templates(app: AppSettings, platform: AppPlatformOutputs) -> Iterator[Json]:
    """Yield the volumeClaimTemplates, which give each pod its own volume."""
    for name, volume in app.volumes.items():
        if volume.is_provisioned and not volume.shared:
            yield {"metadata": {"name": name}, "spec": _claim_spec(volume, platform, "ReadWriteOnce")}


def for_pods(app: AppSettings, mounted: Iterable[str]) -> Iterator[Json]:
    """Yield the pod volumes for the app's volumes in `mounted`, except volumes from volumeClaimTemplates."""
    for name in mounted:
        if source := _source(app, name, app.volumes[name]):
            yield {"name": name, **source}


def for_job(app: AppSettings, mounted: Iterable[str]) -> Iterator[Json]:
    """Yield the pod volumes for a Job that mounts the volumes in `mounted`, which are PersistentVolumeClaims of the
    app's only pod."""
    for name in mounted:
        first_claim = {"persistentVolumeClaim": {"claimName": f"{name}-{app.name}-0"}}
        yield {"name": name, **(_source(app, name, app.volumes[name]) or first_claim)}


def mounts(app: AppSettings, mounted: Iterable[str]) -> Iterator[Json]:
    """Yield the volumeMounts of the app's volumes whose names are in `mounted`."""
    for name in mounted:
        volume = app.volumes[name]
        yield _mount(name, volume.path, volume.sub_path, read_only=volume.read_only)
        for mount in volume.mounts:
            yield _mount(name, mount.path, mount.sub_path, read_only=volume.read_only or mount.read_only)


def _mount(name: str, path: str, sub_path: str | None, *, read_only: bool) -> Json:
    optional = ({"subPath": sub_path} if sub_path else {}) | ({"readOnly": True} if read_only else {})
    return {"name": name, "mountPath": path} | optional


def _source(app: AppSettings, name: str, volume: AppVolumeSettings) -> Json:
    if volume.nfs:
        return {"nfs": {"server": volume.nfs.server, "path": volume.nfs.path}}
    if volume.claim:
        return {"persistentVolumeClaim": {"claimName": volume.claim}}
    if volume.host_path:
        # if the folder's disk is not mounted, DirectoryOrCreate would create the folder on the node's root disk
        return {"hostPath": {"path": volume.host_path.path, "type": "Directory"}}
    if volume.memory:
        return {"emptyDir": {"medium": "Memory", "sizeLimit": volume.size}}
    return {"persistentVolumeClaim": {"claimName": f"{app.name}-{name}"}} if volume.shared else {}


def report_differences(
    wanted: Sequence[Json], spec: Mapping[str, Json] | None, app: str, pods: pulumi.Resource
) -> None:
    """Compare the volumes in the app's settings with the volumes of the existing StatefulSet, and log warnings.

    `app` is the path of the app's settings in the stack file, such as `homelab:app`. In a preview, the `spec` of the
    existing StatefulSet may be None. Raises `pulumi.RunError` if the StatefulSet lacks a volume.
    """
    current = wanted if spec is None else spec.get(CLAIM_TEMPLATES, ())
    if errors := missing_template_errors(wanted, current, app):
        raise pulumi.RunError("\n".join(errors))
    for warning in template_drift_warnings(wanted, current, app):
        pulumi.log.warn(warning, pods)


def template_drift_warnings(wanted: Sequence[Json], current: Sequence[Json], app: str) -> Iterator[str]:
    """Yield a warning for each difference between the volumes in the settings and the volumes of the existing
    StatefulSet.

    `app` is the path of the app's settings in the stack file, such as `homelab:app`.
    """
    remaining = {template["metadata"]["name"]: template["spec"] for template in current}
    for template in wanted:
        name = template["metadata"]["name"]
        claim = remaining.pop(name, None)
        if claim and _properties(claim) != _properties(template["spec"]):
            properties = f"{_size(claim)}, StorageClass {claim['storageClassName']}, {claim['accessModes'][0]}"
            yield f"{app}.volumes.{name}: still has {properties} in the existing StatefulSet; {_FIX}"
    for name in remaining:
        yield f"{app}.volumes.{name}: is not in the stack file, but in the existing StatefulSet; {_FIX}"


def missing_template_errors(wanted: Sequence[Json], current: Sequence[Json], app: str) -> list[str]:
    """Return an error for each volume in the settings that the existing StatefulSet lacks, because Kubernetes cannot
    add a volumeClaimTemplate.

    `app` is the path of the app's settings in the stack file, such as `homelab:app`.
    """
    existing = {template["metadata"]["name"] for template in current}
    added = {template["metadata"]["name"] for template in wanted} - existing
    reason = "cannot be added to an existing StatefulSet"
    fix = "recreate the StatefulSet and keep its pods, see docs/apps-storage.md"
    return [f"{app}.volumes.{name}: {reason}; {fix}" for name in sorted(added)]


def _properties(claim: Json) -> tuple[int, str, list[str]]:
    return mebibytes(_size(claim)), claim["storageClassName"], claim["accessModes"]  # the API normalizes 1024Mi to 1Gi


def _size(claim: Json) -> str:
    return str(claim["resources"]["requests"]["storage"])


def _claim_spec(volume: AppVolumeSettings, platform: AppPlatformOutputs, mode: str) -> Json:
    return claim_spec(volume.access_mode or mode, volume.storage_class or platform.storage_class, volume.size)
