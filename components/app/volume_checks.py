"""What must hold of the volumes of an app, each by itself and all together."""

import re
from collections.abc import Iterator

from components.app import volumes
from components.app.settings import AppSettings
from components.app.volume_settings import AppVolumeSettings
from components.layer import Finding
from components.model import NotKnownError, camel
from components.volumes import mebibytes

Findings = Iterator[Finding]
_OF_CLASS = ("size", "storage_class", "access_mode", "per_pod")
"""What only a volume of a storage class has."""
_OF_MEMORY = ("size",)
_INTERNAL = re.compile("files|secret-files|shared-memory|scratch-[0-9]+")
"""Names that the pods' other volumes have."""


def volume_problems(app: AppSettings) -> Findings:
    """Yield every broken relation; one that needs a wrong field is passed over."""
    for check in (_all_names, _several_pods, _machines):
        try:
            yield from check(app)
        except NotKnownError:
            continue
    for check_one in (_kind, _needed, _no_effect, _sharing, _memory):
        try:
            given = list(app.volumes.items())
        except NotKnownError:
            return
        for name, volume in given:
            try:
                yield from ((("volumes", name, *loc), reason, fix) for loc, reason, fix in check_one(app, volume))
            except NotKnownError:
                continue


def _all_names(app: AppSettings) -> Findings:
    for name in app.volumes:
        if _INTERNAL.fullmatch(name):
            yield ("volumes", name), "is a name that the program gives to volumes of its own", "choose another name"


def _several_pods(app: AppSettings) -> Findings:
    """An app has no more pods than its volumes bear."""
    alone = volumes.single(app)
    number = "autoscaling" if app.autoscaling else "replicas"
    if not alone or (app.autoscaling is None and (app.replicas or 1) == 1):
        return
    which = " and ".join(f"volumes.{name}" for name in alone)
    made = any(app.volumes[name].of_class for name in alone)
    each = ", or perPod: true, so that each pod has its own" if made else ""
    fix = f"take it out, or give the volume shared: true, so that all pods mount the same{each}"
    yield (number,), f"asks for several pods, but one pod alone may mount {which}", fix


def _machines(app: AppSettings) -> Findings:
    """An app is on one machine."""
    first = volumes.node(app)
    for name, volume in app.volumes.items():
        if volume.host_path and volume.host_path.node != first:
            reason = f"is another node than {first}, which another volume names"
            yield ("volumes", name, "hostPath", "node"), reason, "use folders of one node, or a share (nfs)"


def _kind(_: AppSettings, volume: AppVolumeSettings) -> Findings:
    if len(volume.kinds) > 1:
        yield (), f"has {' and '.join(volume.kinds)}", "give one of them"


def _needed(_: AppSettings, volume: AppVolumeSettings) -> Findings:
    if volume.size is None and (volume.of_class or volume.memory):
        yield ("size",), "is missing", "add it: its size, such as 10Gi"


def _no_effect(_: AppSettings, volume: AppVolumeSettings) -> Findings:
    if len(volume.kinds) != 1:
        return
    for key in _OF_CLASS:
        if key in volume.model_fields_set and not (volume.memory and key in _OF_MEMORY):
            yield (camel(key),), f"has no effect on {volume.kinds[0]}", "take it out"
    if volume.memory and volume.shared:
        yield ("shared",), "has no effect on memory: each pod has its own", "take it out"


def _sharing(_: AppSettings, volume: AppVolumeSettings) -> Findings:
    if volume.shared and volume.per_pod:
        yield (), "has shared and perPod", "give one of them"
    if volume.shared and volume.access_mode in ("ReadWriteOnce", "ReadWriteOncePod"):
        yield ("accessMode",), "allows one node or one pod, and shared means all pods", "take one of them out"
    if volume.read_only and (volume.of_class or volume.memory):
        yield ("readOnly",), "leaves no pod that could write to it", "take it out"


def _memory(app: AppSettings, volume: AppVolumeSettings) -> Findings:
    if volume.memory and volume.size:
        yield from part_of_memory(app, ("size",), volume.size)


def part_of_memory(app: AppSettings, loc: tuple[str, ...], size: str) -> Findings:
    """Yield that a file system in the memory of the pod leaves nothing of it to the program."""
    if mebibytes(size) >= mebibytes(app.memory):
        reason = f"is not less than the memory of the pod, {app.memory}, of which it is a part"
        yield loc, reason, "make it smaller, or give the app more memory"
