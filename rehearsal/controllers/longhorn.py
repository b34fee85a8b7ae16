"""Stand-in operator for Longhorn: creates the StorageClass, and volumes as host folders that all machines mount."""

import shutil
from pathlib import Path
from typing import Any

import yaml

from rehearsal.controllers.api import Json, KubernetesApi, is_ready

NAMESPACE = "longhorn-system"
DRIVER = "driver.longhorn.io"
MOUNT_POINT = "/srv/volumes"
"""Mount point of the lab's volumes on the nodes."""
VOLUMES = f"/apis/longhorn.io/v1beta2/namespaces/{NAMESPACE}/volumes"
STORAGE_CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
ANY_NODE = [{"key": "kubernetes.io/os", "operator": "Exists"}]
SELECTED_NODE = "volume.kubernetes.io/selected-node"


def reconcile(api: KubernetesApi, folder: Path) -> None:
    """Create Longhorn's StorageClass, create volumes in `folder` for pending PVCs, and delete released volumes."""
    if not is_ready(api, NAMESPACE, "longhorn-driver-deployer"):
        return
    manifests = api.read(f"/api/v1/namespaces/{NAMESPACE}/configmaps/longhorn-storageclass")
    if manifests:
        for text in manifests["data"].values():
            manifest = yaml.safe_load(text)
            if api.read(f"{STORAGE_CLASSES}/{manifest['metadata']['name']}") is None:
                api.create(STORAGE_CLASSES, manifest)
    classes = {item["metadata"]["name"]: item for item in api.items(STORAGE_CLASSES) if item["provisioner"] == DRIVER}
    volumes = {item["metadata"]["name"]: item for item in api.items("/api/v1/persistentvolumes")}
    for claim in api.items("/api/v1/persistentvolumeclaims"):
        storage_class = classes.get(claim["spec"].get("storageClassName", ""))
        if storage_class and needs_volume(claim, storage_class) and volume_name(claim) not in volumes:
            (folder / volume_name(claim)).mkdir(parents=True, exist_ok=True)
            api.create(VOLUMES, longhorn_volume(claim))
            api.create("/api/v1/persistentvolumes", persistent_volume(claim, storage_class))
    for name, existing in volumes.items():
        if is_released(existing):
            api.delete(f"/api/v1/persistentvolumes/{name}")
            api.delete(f"{VOLUMES}/{name}")
            shutil.rmtree(folder / name, ignore_errors=True)


def needs_volume(claim: Json, storage_class: Json) -> bool:
    """Return whether a PVC waits for a volume; with WaitForFirstConsumer, the PVC's pod must have a node first."""
    if claim["status"].get("phase") != "Pending" or claim["spec"].get("volumeName"):
        return False
    annotations = claim["metadata"].get("annotations") or {}
    return storage_class.get("volumeBindingMode") != "WaitForFirstConsumer" or SELECTED_NODE in annotations


def volume_name(claim: Json) -> str:
    """Return the name of the volume for a PersistentVolumeClaim."""
    return f"pvc-{claim['metadata']['uid']}"


def persistent_volume(claim: Json, storage_class: Json) -> Json:
    """Build a PVC's PersistentVolume with the type `local`, because the type `hostPath` does not support `fsGroup`."""
    metadata, spec = claim["metadata"], claim["spec"]
    bound: Json = {key: metadata[key] for key in ("name", "namespace", "uid")}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": volume_name(claim), "annotations": {"pv.kubernetes.io/provisioned-by": DRIVER}},
        "spec": {
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "accessModes": spec["accessModes"],
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy", "Delete"),
            "storageClassName": storage_class["metadata"]["name"],
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **bound},
            "local": {"path": f"{MOUNT_POINT}/{volume_name(claim)}"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": ANY_NODE}]}},
        },
    }


def longhorn_volume(claim: Json) -> Json:
    """Build Longhorn's Volume object for a PersistentVolumeClaim."""
    size: Any = claim["spec"]["resources"]["requests"]["storage"]
    metadata = {"name": volume_name(claim), "namespace": NAMESPACE}
    return {"apiVersion": "longhorn.io/v1beta2", "kind": "Volume", "metadata": metadata, "spec": {"size": size}}


def is_released(volume: Json) -> bool:
    """Return whether a Longhorn volume is released and has the reclaim policy Delete."""
    own = (volume["metadata"].get("annotations") or {}).get("pv.kubernetes.io/provisioned-by") == DRIVER
    unclaimed = volume["status"].get("phase") == "Released"
    return own and unclaimed and volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
