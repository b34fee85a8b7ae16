"""Longhorn: its storage class, and volumes for claims. A volume is a folder of this computer that every node has."""

import shutil
from pathlib import Path
from typing import Any

import yaml

from rehearsal.operators.api import Json, Objects, ready

NAMESPACE = "longhorn-system"
DRIVER = "driver.longhorn.io"
FOLDER = "/srv/volumes"
"""Where a node has the lab's volumes."""
VOLUMES = f"/apis/longhorn.io/v1beta2/namespaces/{NAMESPACE}/volumes"
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
EVERYWHERE = [{"key": "kubernetes.io/os", "operator": "Exists"}]
SELECTED = "volume.kubernetes.io/selected-node"


def reconcile(api: Objects, folder: Path) -> None:
    """Make the class the chart describes, volumes for claims in `folder`, and remove volumes whose claim is gone."""
    if not ready(api, NAMESPACE, "longhorn-driver-deployer"):
        return
    described = api.read(f"/api/v1/namespaces/{NAMESPACE}/configmaps/longhorn-storageclass")
    if described:
        for text in described["data"].values():
            wanted = yaml.safe_load(text)
            if api.read(f"{CLASSES}/{wanted['metadata']['name']}") is None:
                api.create(CLASSES, wanted)
    classes = {each["metadata"]["name"]: each for each in api.items(CLASSES) if each["provisioner"] == DRIVER}
    volumes = {each["metadata"]["name"]: each for each in api.items("/api/v1/persistentvolumes")}
    for claim in api.items("/api/v1/persistentvolumeclaims"):
        wanted = classes.get(claim["spec"].get("storageClassName", ""))
        if wanted and waits(claim, wanted) and name(claim) not in volumes:
            (folder / name(claim)).mkdir(parents=True, exist_ok=True)
            api.create(VOLUMES, record(claim))
            api.create("/api/v1/persistentvolumes", volume(claim, wanted))
    for each in volumes.values():
        if released(each):
            api.delete(f"/api/v1/persistentvolumes/{each['metadata']['name']}")
            api.delete(f"{VOLUMES}/{each['metadata']['name']}")
            shutil.rmtree(folder / each["metadata"]["name"], ignore_errors=True)


def waits(claim: Json, kind: Json) -> bool:
    """Whether a claim is to get its volume now."""
    if claim["status"].get("phase") != "Pending" or claim["spec"].get("volumeName"):
        return False
    annotations = claim["metadata"].get("annotations") or {}
    return kind.get("volumeBindingMode") != "WaitForFirstConsumer" or SELECTED in annotations


def name(claim: Json) -> str:
    """Name of the volume for a claim."""
    return f"pvc-{claim['metadata']['uid']}"


def volume(claim: Json, kind: Json) -> Json:
    """The PersistentVolume for a claim: a `local` one, whose files get the group that a pod asks for by `fsGroup`."""
    metadata, spec = claim["metadata"], claim["spec"]
    bound: Json = {key: metadata[key] for key in ("name", "namespace", "uid")}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name(claim), "annotations": {"pv.kubernetes.io/provisioned-by": DRIVER}},
        "spec": {
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "accessModes": spec["accessModes"],
            "persistentVolumeReclaimPolicy": kind.get("reclaimPolicy", "Delete"),
            "storageClassName": kind["metadata"]["name"],
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **bound},
            "local": {"path": f"{FOLDER}/{name(claim)}"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": EVERYWHERE}]}},
        },
    }


def record(claim: Json) -> Json:
    """What Longhorn itself notes of a volume."""
    size: Any = claim["spec"]["resources"]["requests"]["storage"]
    metadata = {"name": name(claim), "namespace": NAMESPACE}
    return {"apiVersion": "longhorn.io/v1beta2", "kind": "Volume", "metadata": metadata, "spec": {"size": size}}


def released(volume: Json) -> bool:
    """Whether a volume of ours lost its claim and is to go."""
    ours = (volume["metadata"].get("annotations") or {}).get("pv.kubernetes.io/provisioned-by") == DRIVER
    gone = volume["status"].get("phase") == "Released"
    return ours and gone and volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
