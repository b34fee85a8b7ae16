"""The volumes of an app: those that all pods share, and those that each pod has of its own."""

from collections.abc import Iterator, Sequence

from components.app.objects import UNAWAITED, metadata
from components.app.settings import AppSettings, AppVolumeSettings
from components.app.surroundings import Surroundings
from components.manifest import Manifest, Tree
from components.volumes import mebibytes

TEMPLATES = "volumeClaimTemplates"
"""Where a StatefulSet has the volumes of each pod. They cannot change: Pulumi would end all pods to make it anew, and
the volumes would stay what they are."""
_FIX = "the pods keep the volumes that they have; see docs/apps.md, Data"


def claims(app: AppSettings, platform: Surroundings) -> Iterator[Manifest]:
    """Yield the volumes that all pods share."""
    for name, volume in app.volumes.items():
        if volume.shared:
            claim = metadata(app, f"{app.name}-{name}", annotations=UNAWAITED)  # a pod binds it
            spec = _claim(volume, platform, "ReadWriteMany")
            yield {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": claim, "spec": spec}


def templates(app: AppSettings, platform: Surroundings) -> Iterator[Tree]:
    """Yield the volumes that each pod has."""
    for name, volume in app.volumes.items():
        if not volume.shared:
            yield {"metadata": {"name": name}, "spec": _claim(volume, platform, "ReadWriteOnce")}


def unlike(wanted: Sequence[Tree], there: Sequence[Tree]) -> Iterator[str]:
    """Yield what the templates in the cluster do not do of what is wanted, as warnings."""
    kept = {each["metadata"]["name"]: each["spec"] for each in there}
    for template in wanted:
        name = template["metadata"]["name"]
        has = kept.pop(name, None)
        if has is None or _asked(has) != _asked(template["spec"]):
            was = f"stays {_size(has)} of class {has['storageClassName']}" if has else "is not there yet"
            yield f"homelab:app.volumes.{name}: {was}; {_FIX}"
    for name in kept:
        yield f"homelab:app.volumes.{name}: is gone here, and still in the cluster; {_FIX}"


def _asked(claim: Tree) -> tuple[int, str]:
    return mebibytes(_size(claim)), claim["storageClassName"]  # the API writes 1024Mi as 1Gi


def _size(claim: Tree) -> str:
    return str(claim["resources"]["requests"]["storage"])


def _claim(volume: AppVolumeSettings, platform: Surroundings, mode: str) -> Tree:
    return {
        "accessModes": [mode],
        "storageClassName": volume.storage_class or platform.storage_class,
        "resources": {"requests": {"storage": volume.size}},
    }
