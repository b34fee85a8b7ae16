"""Checks of each volume of an app, and of all volumes together."""

import re

from components.app import devices, volumes
from components.app.objects import several_pods_setting
from components.app.settings import AppSettings
from components.app.volume_settings import AppVolumeSettings
from components.settings.errors import Findings
from components.settings.model import camel_case
from components.settings.quantities import mebibytes

_STORAGE_CLASS_FIELDS = ("size", "storage_class", "access_mode", "per_pod")
"""Fields that only volumes of a StorageClass have."""
_MEMORY_FIELDS = ("size",)
_RESERVED = re.compile("files|secret-files|shared-memory|scratch-[0-9]+")
"""Names of the pods' volumes that homelab creates itself."""


def volume_problems(app: AppSettings) -> Findings:
    """Yield the path, reason and fix of each conflict in the settings of the app's volumes."""
    for check in (_reserved_names, _several_pods, _single_node, _memory_in_total):
        yield from check(app)
    for check_one in (_kind, _needed, _no_effect, _sharing, _mounts, _memory):
        for name, volume in app.volumes.items():
            yield from ((("volumes", name, *loc), reason, fix) for loc, reason, fix in check_one(app, volume))


def _reserved_names(app: AppSettings) -> Findings:
    # reserve these names only in apps with devices or remoteSecretFiles: an existing volume of another app may have
    # such a name, and users cannot rename a volume
    for_remote_files = ["remote-secret-files"] if app.remote_secret_files else []
    for_devices = [volume["name"] for volume in devices.for_pods(app)]
    for name in app.volumes:
        if _RESERVED.fullmatch(name) or name in (*for_devices, *for_remote_files):
            yield ("volumes", name), "is reserved for a volume that homelab creates", "choose another name"


def _several_pods(app: AppSettings) -> Findings:
    """Check that an app with several replicas has no volume that only one pod can mount."""
    single, setting = volumes.single_pod_names(app), several_pods_setting(app)
    if not single or not setting:
        return
    paths = " and ".join(f"volumes.{name}" for name in single)
    per_pod = any(app.volumes[name].is_provisioned for name in single)
    alternative = ", or perPod: true for a separate volume in each pod" if per_pod else ""
    fix = f"remove {setting}, or set shared: true to mount the same volume in all pods{alternative}"
    yield (setting,), f"requests several pods, but only one pod may mount {paths}", fix


def _single_node(app: AppSettings) -> Findings:
    """Check that all hostPath volumes of the app are on the same node, because every pod mounts all of these
    volumes."""
    first = volumes.host_path_node(app)
    for name, volume in app.volumes.items():
        if volume.host_path and volume.host_path.node != first:
            reason = f"is not {first}, which is the node of another hostPath volume"
            yield ("volumes", name, "hostPath", "node"), reason, "use folders of one node, or an NFS share (nfs)"


def _kind(_: AppSettings, volume: AppVolumeSettings) -> Findings:
    if len(volume.source_keys) > 1:
        yield (), f"must not have {' and '.join(volume.source_keys)}", "keep one of them"


def _needed(_: AppSettings, volume: AppVolumeSettings) -> Findings:
    if volume.size is None and (volume.is_provisioned or volume.memory):
        yield ("size",), "is missing", "add it: its size, such as 10Gi"


def _no_effect(_: AppSettings, volume: AppVolumeSettings) -> Findings:
    if len(volume.source_keys) != 1:
        return
    for key in _STORAGE_CLASS_FIELDS:
        if key in volume.model_fields_set and not (volume.memory and key in _MEMORY_FIELDS):
            yield (camel_case(key),), f"has no effect with {volume.source_keys[0]}", "remove it"
    if volume.memory and volume.shared:
        yield ("shared",), "has no effect with memory, because each pod has its own memory file system", "remove it"


def _sharing(_: AppSettings, volume: AppVolumeSettings) -> Findings:
    if volume.shared and volume.per_pod:
        yield (), "must not have shared and perPod", "keep one of them"
    if volume.shared and volume.access_mode in ("ReadWriteOnce", "ReadWriteOncePod"):
        yield (
            ("accessMode",),
            "lets only one node or one pod mount the volume, but shared needs all pods to mount it",
            "remove one of the two",
        )
    if volume.read_only and (volume.is_provisioned or volume.memory):
        yield ("readOnly",), "leaves no pod that can write to the volume", "remove it"


def _mounts(_: AppSettings, volume: AppVolumeSettings) -> Findings:
    for index, mount in enumerate(volume.mounts):
        if volume.read_only and mount.read_only:
            reason = "has no effect: the whole volume is read-only"
            yield ("mounts", index, "readOnly"), reason, "remove it"


def _memory(app: AppSettings, volume: AppVolumeSettings) -> Findings:
    if volume.memory and volume.size:
        yield from tmpfs_size_problems(app, ("size",), volume.size)


def _memory_in_total(app: AppSettings) -> Findings:
    """Check that the total size of the app's memory file systems is below the pod's memory limit."""
    sizes = {f"volumes.{name}": volume.size for name, volume in app.volumes.items() if volume.memory and volume.size}
    sizes |= {"sharedMemory": app.shared_memory} if app.shared_memory else {}
    limit, parts = mebibytes(app.memory), [mebibytes(size) for size in sizes.values()]
    if sum(parts) >= limit > max(parts, default=0):
        reason = f"must be more than the {sum(parts)}Mi of all file systems in memory ({', '.join(sizes)})"
        yield ("memory",), reason, "use smaller sizes, or give the app more memory"


def tmpfs_size_problems(app: AppSettings, loc: tuple[str, ...], size: str) -> Findings:
    """Check that a memory file system is smaller than the pod's memory limit, because its content counts toward the
    limit."""
    if mebibytes(size) >= mebibytes(app.memory):
        reason = f"must be less than the pod's memory of {app.memory}, which includes the file system"
        yield loc, reason, "use a smaller size, or give the app more memory"
