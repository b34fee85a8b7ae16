"""NFS: volumes that many pods share, on your own NFS server or on a node of the lab."""

from collections.abc import Iterator, Mapping, Sequence

from components.cluster.host_requirements import Host, Service
from components.kubernetes.manifest import Manifest, Tree
from components.layers.shared.persistent_volumes import of_class
from components.platform.layer import Finding, Layer
from components.settings import fields
from components.settings.fields import HostLabel
from components.settings.kubernetes_fields import Path
from components.settings.model import Model

CLASS = "nfs"
_DRIVER = "nfs.csi.k8s.io"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_LINUX = {"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}]}
_SAME_NODE = {"labelSelector": {"matchLabels": {"app": "csi-nfs-controller"}}, "topologyKey": "kubernetes.io/hostname"}
_CONTROLLER_AFFINITY = {
    "nodeAffinity": {_REQUIRED: {"nodeSelectorTerms": [_LINUX]}},  # without it the chart ignores affinity
    "podAntiAffinity": {_REQUIRED: [_SAME_NODE]},
}
"""Places controllers on different nodes, because they listen on a host port."""


class ExternalServerSettings(Model):
    """Your own NFS server. All nodes must have write access as root (`no_root_squash`)."""

    address: fields.Host
    """Host name or IP address of the server."""
    path: Path
    """Directory that the server exports; each volume is a subdirectory."""


class NodeServerSettings(Model):
    """A node as the NFS server. It is a single point of failure: while it is down, pods with its volumes wait."""

    node: HostLabel
    """Name of the node. A change of this setting does not move existing volumes."""
    path: Path = "/srv/nfs"
    """Directory that the node exports; you can mount a separate disk there."""


class NfsSettings(Model):
    """NFS: the StorageClass `nfs` for volumes that many pods share, with exactly one of `external` and `server`."""

    external: ExternalServerSettings | None = None
    """Your own NFS server."""
    server: NodeServerSettings | None = None
    """An NFS server that homelab sets up on a node."""


class Nfs(Layer[NfsSettings]):
    """NFS for volumes that many pods share, with your own server or a node as the server."""

    key = "nfs"
    settings_type = NfsSettings
    namespace = "csi-driver-nfs"
    security = "privileged"  # the driver mounts file systems on its host
    host = Host(modules=("nfs",))
    keeps = "volumes"
    kept = (of_class(CLASS),)

    def values(self) -> Mapping[str, Tree]:
        """Return the Helm values of the NFS driver, without snapshots, which are only copies on the same server."""
        replicas = 2 if len(self.lab.untainted) > 1 else 1
        values: dict[str, Tree] = {
            "controller": {"replicas": replicas, "affinity": _CONTROLLER_AFFINITY, "enableSnapshotter": False},
            "externalSnapshotter": {"enabled": False},
        }
        return {"csi-driver-nfs": values}

    def services(self) -> Sequence[Service]:
        """Return the NFS server on a node, which accepts only nodes of the cluster as clients."""
        server = self.settings.server
        if server is None:
            return ()
        clients = (address for node in self.lab.cluster.nodes for address in node.addresses)
        variables = {"FOLDER": server.path, "CLIENTS": " ".join(clients)}
        return [Service("server", server.node, ("nfs/export.sh",), ("nfs/unexport.sh",), "nfs/check.sh", variables)]

    def extend(self) -> Sequence[Manifest]:
        """Return the StorageClass."""
        address, path = self._share()
        return [
            {
                "apiVersion": "storage.k8s.io/v1",
                "kind": "StorageClass",
                "metadata": {"name": CLASS},
                "provisioner": _DRIVER,
                "parameters": {"server": address, "share": path},
                "mountOptions": ["nfsvers=4.1", "hard", "noatime"],
                "allowVolumeExpansion": True,
                "reclaimPolicy": "Delete",
                "volumeBindingMode": "Immediate",
            }
        ]

    def _share(self) -> tuple[str, str]:
        """Return the address of the server and its exported directory."""
        if self.settings.external:
            return self.settings.external.address, self.settings.external.path
        server = self.settings.server
        assert server is not None, "problems() rejects settings without a server"
        node = next(node for node in self.lab.cluster.nodes if node.name == server.node)
        return node.address, server.path

    def outputs(self) -> Mapping[str, object]:
        """Return the StorageClass."""
        return {"storage_classes": [CLASS], "shared_storage_classes": [CLASS]}

    def problems(self) -> Iterator[Finding]:
        """Yield errors in the choice of the NFS server."""
        server = self.settings.server
        if (server is None) is (self.settings.external is None):
            yield (), "needs exactly one of external and server", "add one, or keep one of them"
        if server and server.node not in [node.name for node in self.lab.cluster.nodes]:
            yield ("server", "node"), "is not a node of the cluster", "use a name from cluster.nodes"
