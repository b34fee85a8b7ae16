"""Ceph's pools, as Rook's chart takes them, with a class for each use."""

from components.layer import resources
from components.manifest import Manifest, Tree

NAMESPACE = "rook-ceph"
BLOCK, FILES, BUCKETS = "ceph-block", "ceph-filesystem", "ceph-bucket"
DRIVERS = {"rbd": BLOCK, "cephfs": FILES}
"""Kinds of drivers, and the class that each is for."""
_STAGES = ("provisioner", "controller-expand", "controller-publish")


def configuration(copies: int) -> str:
    """Ceph's own configuration: its own pools are kept as often as all others, which a single copy must be told."""
    lines = ["[global]", f"osd_pool_default_size = {copies}"]
    return "\n".join([*lines, *(["mon_warn_on_pool_no_redundancy = false"] if copies == 1 else [])])


def _pool(copies: int) -> dict[str, Tree]:
    # without the second, Rook refuses a single copy
    replicated = {"size": copies, "requireSafeReplicaSize": copies > 1}
    return {"failureDomain": "host", "replicated": replicated}


def _class(name: str, **more: Tree) -> dict[str, Tree]:
    return {"enabled": True, "name": name, "reclaimPolicy": "Delete", **more}


def _volumes(name: str, driver: str, **more: Tree) -> dict[str, Tree]:
    """A class of volumes; nothing is default: K3s and Longhorn have one."""
    access: dict[str, Tree] = {"csi.storage.k8s.io/fstype": "ext4"}
    for stage in (*_STAGES, "node-stage"):
        who = "node" if stage == "node-stage" else "provisioner"
        access[f"csi.storage.k8s.io/{stage}-secret-name"] = f"rook-csi-{driver}-{who}"
        access[f"csi.storage.k8s.io/{stage}-secret-namespace"] = NAMESPACE
    bound = {"isDefault": False, "allowVolumeExpansion": True, "volumeBindingMode": "Immediate"}
    return _class(name, **bound, **more, parameters=access)


def blocks(copies: int) -> dict[str, Tree]:
    """The pool of volumes that one pod writes."""
    made = _volumes(BLOCK, "rbd")
    made["parameters"] = {"imageFormat": "2", "imageFeatures": "layering", **made["parameters"]}
    return {"name": "ceph-blockpool", "spec": _pool(copies), "storageClass": made}


def files(copies: int, *, standby: bool) -> dict[str, Tree]:
    """The file system of volumes that many pods write."""
    server: dict[str, Tree] = {
        "activeCount": 1,
        "activeStandby": standby,
        "priorityClassName": "system-cluster-critical",
        "resources": {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}},
    }
    spec = {"metadataPool": _pool(copies), "dataPools": [{"name": "data0", **_pool(copies)}], "metadataServer": server}
    return {"name": FILES, "spec": spec, "storageClass": _volumes(FILES, "cephfs", pool="data0")}


def store(copies: int, gateways: int) -> dict[str, Tree]:
    """The object store, whose pools stay in Ceph when it goes."""
    gateway: dict[str, Tree] = {
        "port": 80,
        "instances": gateways,
        "priorityClassName": "system-cluster-critical",
        "resources": resources("50m", "1Gi"),
    }
    spec = {
        "metadataPool": _pool(copies),
        "dataPool": _pool(copies),
        "preservePoolsOnDelete": True,
        "gateway": gateway,
    }
    made = _class(BUCKETS, volumeBindingMode="Immediate", parameters={"region": "us-east-1"})
    return {"name": "ceph-objectstore", "spec": spec, "storageClass": made, "ingress": {"enabled": False}}


def snapshots(driver: str) -> Manifest:
    """The class of snapshots of a driver's volumes; the chart's own template fails on labels."""
    labels = {"velero.io/csi-volumesnapshot-class": "true"}
    keys = "csi.storage.k8s.io/snapshotter"
    return {
        "apiVersion": "snapshot.storage.k8s.io/v1",
        "kind": "VolumeSnapshotClass",
        "metadata": {"name": DRIVERS[driver], "labels": labels},
        "driver": f"{NAMESPACE}.{driver}.csi.ceph.com",
        "deletionPolicy": "Delete",
        "parameters": {
            "clusterID": NAMESPACE,
            f"{keys}-secret-name": f"rook-csi-{driver}-provisioner",
            f"{keys}-secret-namespace": NAMESPACE,
        },
    }
