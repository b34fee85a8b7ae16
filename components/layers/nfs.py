"""NFS: volumes that many pods share, on a server of your own or on a machine of the lab."""

from collections.abc import Iterator, Mapping, Sequence

from components import fields
from components.app.kinds import Path
from components.fields import HostLabel
from components.host import Host, Service
from components.layer import Finding, Layer
from components.manifest import Manifest, Tree
from components.model import Model
from components.persistent import of_class

CLASS = "nfs"
_DRIVER = "nfs.csi.k8s.io"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_LINUX = {"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}]}
_ALIKE = {"labelSelector": {"matchLabels": {"app": "csi-nfs-controller"}}, "topologyKey": "kubernetes.io/hostname"}
_APART = {
    "nodeAffinity": {_REQUIRED: {"nodeSelectorTerms": [_LINUX]}},  # without it the chart reads no affinity at all
    "podAntiAffinity": {_REQUIRED: [_ALIKE]},
}
"""Controllers listen on a port of their machine: two of them need two machines."""


class ExternalServerSettings(Model):
    """A server of your own, which lets all machines write, as root too (`no_root_squash`)."""

    address: fields.Host
    """Its name or address."""
    path: Path
    """Folder that it exports; each volume is a folder in it."""


class NodeServerSettings(Model):
    """A machine of the lab as the server. It is a single one: while it is away, pods with these volumes wait."""

    node: HostLabel
    """Name of the node. Its volumes do not move with this name."""
    path: Path = "/srv/nfs"
    """Folder that it exports; a disk of its own may be mounted there."""


class NfsSettings(Model):
    """NFS: the class `nfs`, for volumes that many pods share; by exactly one of `external` and `server`."""

    external: ExternalServerSettings | None = None
    """A server of your own."""
    server: NodeServerSettings | None = None
    """A server that is set up on a machine of the lab."""


class Nfs(Layer[NfsSettings]):
    """NFS for volumes that many pods share, with or without a server of your own."""

    key = "nfs"
    settings_type = NfsSettings
    namespace = "csi-driver-nfs"
    security = "privileged"  # the driver mounts on its machine
    host = Host(modules=("nfs",))
    keeps = "volumes"
    kept = (of_class(CLASS),)

    def values(self) -> Mapping[str, Tree]:
        """Return the driver, without snapshots: its own are copies on the same server."""
        copies = 2 if len(self.lab.untainted) > 1 else 1
        values: dict[str, Tree] = {
            "controller": {"replicas": copies, "affinity": _APART, "enableSnapshotter": False},
            "externalSnapshotter": {"enabled": False},
        }
        return {"csi-driver-nfs": values}

    def services(self) -> Sequence[Service]:
        """Return the server on a machine, open to the machines of the lab and to nobody else."""
        server = self.settings.server
        if server is None:
            return ()
        clients = (address for node in self.lab.cluster.nodes for address in node.addresses)
        variables = {"FOLDER": server.path, "CLIENTS": " ".join(clients)}
        return [Service("server", server.node, ("export.sh",), ("unexport.sh",), "exported.sh", variables)]

    def extend(self) -> Sequence[Manifest]:
        """Return the class."""
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
        """Where the server is, and what it exports."""
        if self.settings.external:
            return self.settings.external.address, self.settings.external.path
        server = self.settings.server
        assert server is not None, "problems() refuses it"
        node = next(node for node in self.lab.cluster.nodes if node.name == server.node)
        return node.address, server.path

    def outputs(self) -> Mapping[str, object]:
        """Return the class."""
        return {"storage_classes": [CLASS], "shared_storage_classes": [CLASS]}

    def problems(self) -> Iterator[Finding]:
        """Yield what is wrong with the server."""
        server = self.settings.server
        if (server is None) is (self.settings.external is None):
            yield (), "needs exactly one of external and server", "add one, or keep one of them"
        if server and server.node not in [node.name for node in self.lab.cluster.nodes]:
            yield ("server", "node"), "is no node of the cluster", "use a name that stands in cluster.nodes"
