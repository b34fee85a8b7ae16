"""Helm values of Ceph's pools for the chart rook-ceph-cluster. Each pool has a StorageClass."""

from components.kubernetes.manifest import Json, Manifest
from components.platform.layer import resources

NAMESPACE = "rook-ceph"
BLOCK_CLASS, FILES_CLASS, BUCKET_CLASS = "ceph-block", "ceph-filesystem", "ceph-bucket"
DRIVER_CLASSES = {"rbd": BLOCK_CLASS, "cephfs": FILES_CLASS}
"""CSI drivers of Ceph, with the StorageClass of each driver."""
_STAGES = ("provisioner", "controller-expand", "controller-publish")


def ceph_conf(replicas: int) -> str:
    """Render `ceph.conf`: Ceph's internal pools get `replicas` replicas, and a single replica causes no warning."""
    lines = ["[global]", f"osd_pool_default_size = {replicas}"]
    return "\n".join([*lines, *(["mon_warn_on_pool_no_redundancy = false"] if replicas == 1 else [])])


def _pool(replicas: int) -> dict[str, Json]:
    # Rook accepts a single replica only if requireSafeReplicaSize is false
    replicated = {"size": replicas, "requireSafeReplicaSize": replicas > 1}
    return {"failureDomain": "host", "replicated": replicated}


def _storage_class(name: str, **options: Json) -> dict[str, Json]:
    return {"enabled": True, "name": name, "reclaimPolicy": "Delete", **options}


def _volume_class(name: str, driver: str, **options: Json) -> dict[str, Json]:
    """Build the Helm values of a StorageClass for a Ceph pool.

    The cluster's default StorageClass comes from K3s or Longhorn, and not from Ceph.
    """
    parameters: dict[str, Json] = {"csi.storage.k8s.io/fstype": "ext4"}
    for stage in (*_STAGES, "node-stage"):
        client = "node" if stage == "node-stage" else "provisioner"
        parameters[f"csi.storage.k8s.io/{stage}-secret-name"] = f"rook-csi-{driver}-{client}"
        parameters[f"csi.storage.k8s.io/{stage}-secret-namespace"] = NAMESPACE
    defaults = {"isDefault": False, "allowVolumeExpansion": True, "volumeBindingMode": "Immediate"}
    return _storage_class(name, **defaults, **options, parameters=parameters)


def block_pool(replicas: int) -> dict[str, Json]:
    """Return the Helm values of the block pool, whose volumes only one pod at a time can mount."""
    storage_class = _volume_class(BLOCK_CLASS, "rbd")
    storage_class["parameters"] = {"imageFormat": "2", "imageFeatures": "layering", **storage_class["parameters"]}
    return {"name": "ceph-blockpool", "spec": _pool(replicas), "storageClass": storage_class}


def file_system(replicas: int, *, standby: bool) -> dict[str, Json]:
    """Return the Helm values of the CephFS file system, whose volumes many pods can mount at the same time."""
    server: dict[str, Json] = {
        "activeCount": 1,
        "activeStandby": standby,
        "priorityClassName": "system-cluster-critical",
        "resources": {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}},
    }
    data_pool = {"name": "data0", **_pool(replicas)}
    spec = {"metadataPool": _pool(replicas), "dataPools": [data_pool], "metadataServer": server}
    return {"name": FILES_CLASS, "spec": spec, "storageClass": _volume_class(FILES_CLASS, "cephfs", pool="data0")}


def object_store(replicas: int, gateways: int) -> dict[str, Json]:
    """Return the object store. Ceph retains the pools of the object store when the setting `object` becomes false."""
    gateway: dict[str, Json] = {
        "port": 80,
        "instances": gateways,
        "priorityClassName": "system-cluster-critical",
        "resources": resources("50m", "1Gi"),
    }
    spec = {
        "metadataPool": _pool(replicas),
        "dataPool": _pool(replicas),
        "preservePoolsOnDelete": True,
        "gateway": gateway,
    }
    bucket_class = _storage_class(BUCKET_CLASS, volumeBindingMode="Immediate", parameters={"region": "us-east-1"})
    return {"name": "ceph-objectstore", "spec": spec, "storageClass": bucket_class, "ingress": {"enabled": False}}


def snapshot_class(driver: str) -> Manifest:
    """Return the VolumeSnapshotClass for one of Ceph's CSI drivers.

    The chart of Rook cannot create a VolumeSnapshotClass with labels.
    """
    labels = {"velero.io/csi-volumesnapshot-class": "true"}
    prefix = "csi.storage.k8s.io/snapshotter"
    return {
        "apiVersion": "snapshot.storage.k8s.io/v1",
        "kind": "VolumeSnapshotClass",
        "metadata": {"name": DRIVER_CLASSES[driver], "labels": labels},
        "driver": f"{NAMESPACE}.{driver}.csi.ceph.com",
        "deletionPolicy": "Delete",
        "parameters": {
            "clusterID": NAMESPACE,
            f"{prefix}-secret-name": f"rook-csi-{driver}-provisioner",
            f"{prefix}-secret-namespace": NAMESPACE,
        },
    }
