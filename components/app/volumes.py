"""The volumes of an app: those that are made for all its pods or for each, and those that come from elsewhere."""

from collections.abc import Iterable, Iterator, Sequence

from components.app.objects import UNAWAITED, metadata
from components.app.settings import AppSettings
from components.app.surroundings import Surroundings
from components.app.volume_settings import AppVolumeSettings
from components.manifest import Manifest, Tree
from components.volumes import mebibytes

TEMPLATES = "volumeClaimTemplates"
"""Where a StatefulSet has the volumes of each pod. They cannot change: Pulumi would end all pods to make it anew, and
the volumes would stay what they are."""
_FIX = "the pods keep the volumes that they have; see docs/apps-storage.md"


def single(app: AppSettings) -> list[str]:
    """Return the names of the volumes that one pod writes, and that therefore no second pod may have."""
    return [name for name, volume in app.volumes.items() if volume.single]


def node(app: AppSettings) -> str | None:
    """Return the machine on which the app runs, because a folder of it is among its volumes."""
    return next((volume.host_path.node for volume in app.volumes.values() if volume.host_path), None)


def claims(app: AppSettings, platform: Surroundings) -> Iterator[Manifest]:
    """Yield the volumes that all pods share."""
    for name, volume in app.volumes.items():
        if volume.of_class and volume.shared:
            claim = metadata(app, f"{app.name}-{name}", annotations=UNAWAITED)  # a pod binds it
            spec = _claim(volume, platform, "ReadWriteMany")
            yield {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": claim, "spec": spec}


def templates(app: AppSettings, platform: Surroundings) -> Iterator[Tree]:
    """Yield the volumes that each pod has."""
    for name, volume in app.volumes.items():
        if volume.of_class and not volume.shared:
            yield {"metadata": {"name": name}, "spec": _claim(volume, platform, "ReadWriteOnce")}


def of_pods(app: AppSettings, mounted: Iterable[str]) -> Iterator[Tree]:
    """Yield these volumes of a pod, but for those that a StatefulSet has templates of."""
    for name in mounted:
        if found := _source(app, name, app.volumes[name]):
            yield {"name": name, **found}


def of_job(app: AppSettings, mounted: Iterable[str]) -> Iterator[Tree]:
    """Yield these volumes for a pod of another kind, which finds what was made for the app's only pod by its name."""
    for name in mounted:
        made = {"persistentVolumeClaim": {"claimName": f"{name}-{app.name}-0"}}
        yield {"name": name, **(_source(app, name, app.volumes[name]) or made)}


def mounts(app: AppSettings, mounted: Iterable[str]) -> Iterator[Tree]:
    """Yield where the app sees them."""
    for name in mounted:
        volume = app.volumes[name]
        yield {"name": name, "mountPath": volume.path} | ({"readOnly": True} if volume.read_only else {})


def _source(app: AppSettings, name: str, volume: AppVolumeSettings) -> Tree:
    if volume.nfs:
        return {"nfs": {"server": volume.nfs.server, "path": volume.nfs.path}}
    if volume.claim:
        return {"persistentVolumeClaim": {"claimName": volume.claim}}
    if volume.host_path:
        # a folder that was made where the disk is not mounted would be filled instead of it
        return {"hostPath": {"path": volume.host_path.path, "type": "Directory"}}
    if volume.memory:
        return {"emptyDir": {"medium": "Memory", "sizeLimit": volume.size}}
    return {"persistentVolumeClaim": {"claimName": f"{app.name}-{name}"}} if volume.shared else {}


def unlike(wanted: Sequence[Tree], there: Sequence[Tree]) -> Iterator[str]:
    """Yield what the templates in the cluster do not do of what is wanted, as warnings."""
    kept = {each["metadata"]["name"]: each["spec"] for each in there}
    for template in wanted:
        name = template["metadata"]["name"]
        has = kept.pop(name, None)
        if has and _asked(has) != _asked(template["spec"]):
            was = f"stays {_size(has)} of class {has['storageClassName']}, {has['accessModes'][0]}"
            yield f"homelab:app.volumes.{name}: {was}; {_FIX}"
    for name in kept:
        yield f"homelab:app.volumes.{name}: is gone here, and still in the cluster; {_FIX}"


def further(wanted: Sequence[Tree], there: Sequence[Tree]) -> list[str]:
    """Return what the StatefulSet has no template of, as errors: pods that mount it would end and not come again."""
    new = {each["metadata"]["name"] for each in wanted} - {each["metadata"]["name"] for each in there}
    fix = "make the StatefulSet anew and keep its pods, as docs/apps-storage.md says"
    return [f"homelab:app.volumes.{name}: a StatefulSet takes no further volume; {fix}" for name in sorted(new)]


def _asked(claim: Tree) -> tuple[int, str, list[str]]:
    return mebibytes(_size(claim)), claim["storageClassName"], claim["accessModes"]  # the API writes 1024Mi as 1Gi


def _size(claim: Tree) -> str:
    return str(claim["resources"]["requests"]["storage"])


def _claim(volume: AppVolumeSettings, platform: Surroundings, mode: str) -> Tree:
    return {
        "accessModes": [volume.access_mode or mode],
        "storageClassName": volume.storage_class or platform.storage_class,
        "resources": {"requests": {"storage": volume.size}},
    }
