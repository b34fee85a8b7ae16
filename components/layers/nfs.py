"""NFS volumes, which many pods can mount at the same time, from your own NFS servers or from a node of the cluster."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import Field

from components.cluster.host_requirements import HostRequirements, HostService
from components.kubernetes.manifest import Json, Manifest
from components.layers.longhorn import LonghornSettings
from components.layers.shared.persistent_volumes import driver_query
from components.platform.layer import Layer
from components.settings import fields
from components.settings.checks import exactly_one
from components.settings.errors import Finding
from components.settings.fields import DnsLabel
from components.settings.host_paths import DataFolder, is_within
from components.settings.kubernetes_fields import AbsolutePath
from components.settings.model import Model

STORAGE_CLASS = "nfs"
_DRIVER = "nfs.csi.k8s.io"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_LINUX = {"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}]}
_SAME_NODE = {"labelSelector": {"matchLabels": {"app": "csi-nfs-controller"}}, "topologyKey": "kubernetes.io/hostname"}
_CONTROLLER_AFFINITY = {
    "nodeAffinity": {_REQUIRED: {"nodeSelectorTerms": [_LINUX]}},  # without nodeAffinity, the chart ignores affinity
    "podAntiAffinity": {_REQUIRED: [_SAME_NODE]},
}
"""Affinity that places the controller pods on different nodes, because these pods listen on a host port."""


class ExternalServerSettings(Model):
    """Settings of an NFS server of your own, which must give root on all nodes write access (`no_root_squash`)."""

    address: fields.Host
    """Host name or IP address of the NFS server."""
    path: AbsolutePath
    """Directory that the NFS server exports, with one subdirectory for each volume."""


class NodeServerSettings(Model):
    """Settings of an NFS server that runs on a node.

    The node is a single point of failure: while the node is down, pods with NFS volumes wait.
    """

    node: DnsLabel
    """Name of the node. If you change `node` later, homelab does not move existing volumes."""
    path: DataFolder = "/srv/nfs"
    """Directory that the node exports over NFS. You can mount a separate disk at the directory."""


class NfsSettings(Model):
    """Settings of the StorageClass `nfs`, whose volumes many pods can mount at the same time.

    Set either `external` for your own NFS server or `server` for an NFS server on a node, and optionally `additional`.
    """

    external: ExternalServerSettings | None = None
    """Your own NFS server."""
    server: NodeServerSettings | None = None
    """NFS server that homelab sets up on a node."""
    additional: dict[DnsLabel, ExternalServerSettings] = Field(default_factory=dict)
    """Further NFS servers, or further directories of the same server: name → server. The StorageClass of the entry
    `media` is `nfs-media`."""

    @property
    def external_servers(self) -> list[ExternalServerSettings]:
        """All NFS servers that homelab does not set up."""
        return [*([self.external] if self.external else []), *self.additional.values()]


class Nfs(Layer[NfsSettings]):
    """Layer for NFS volumes, which many pods can mount at the same time.

    The NFS server is either your own server or a node of the cluster. You can add further servers of your own.
    """

    key = "nfs"
    settings_type = NfsSettings
    namespace = "csi-driver-nfs"
    pod_security = "privileged"  # the driver mounts file systems on the host
    host_requirements = HostRequirements(modules=("nfs",))
    user_data = "volumes"
    user_data_queries = (driver_query(_DRIVER),)

    def values(self) -> Mapping[str, Json]:
        """Return the Helm values of the CSI driver for NFS.

        homelab disables snapshots, because the driver would copy the whole volume on the same NFS server.
        """
        replicas = 2 if len(self.lab.schedulable_nodes) > 1 else 1
        values: dict[str, Json] = {
            "controller": {"replicas": replicas, "affinity": _CONTROLLER_AFFINITY, "enableSnapshotter": False},
            "externalSnapshotter": {"enabled": False},
        }
        return {"csi-driver-nfs": values}

    def host_services(self) -> Sequence[HostService]:
        """Return the host service that runs an NFS server, which accepts only nodes of the cluster as clients."""
        server = self.settings.server
        if server is None:
            return ()
        clients = (address for node in self.lab.cluster.nodes for address in node.addresses)
        variables = {"FOLDER": server.path, "CLIENTS": " ".join(clients)}
        return [HostService("server", server.node, ("nfs/export.sh",), ("nfs/unexport.sh",), "nfs/check.sh", variables)]

    def objects_after_charts(self) -> Sequence[Manifest]:
        """Return the StorageClasses."""
        return [
            {
                "apiVersion": "storage.k8s.io/v1",
                "kind": "StorageClass",
                "metadata": {"name": name},
                "provisioner": _DRIVER,
                "parameters": {"server": address, "share": path},
                "mountOptions": ["nfsvers=4.1", "hard", "noatime"],
                "allowVolumeExpansion": True,
                "reclaimPolicy": "Delete",
                "volumeBindingMode": "Immediate",
            }
            for name, (address, path) in self._shares().items()
        ]

    def _shares(self) -> dict[str, tuple[str, str]]:
        """Return the address of the NFS server and the exported directory of each StorageClass."""
        additional = {
            f"{STORAGE_CLASS}-{name}": (server.address, server.path)
            for name, server in self.settings.additional.items()
        }
        return {STORAGE_CLASS: self._share(), **additional}

    def _share(self) -> tuple[str, str]:
        """Return the address of the NFS server and the exported directory of the StorageClass `nfs`."""
        if self.settings.external:
            return self.settings.external.address, self.settings.external.path
        server = self.settings.server
        assert server is not None, "findings() rejects settings without a server"
        node = next(node for node in self.lab.cluster.nodes if node.name == server.node)
        return node.address, server.path

    def outputs(self) -> Mapping[str, object]:
        """Return the names of the StorageClasses."""
        names = [*self._shares()]
        return {"storage_classes": names, "shared_storage_classes": names}

    def findings(self) -> Iterator[Finding]:
        """Yield errors in the settings that select the NFS server."""
        server = self.settings.server
        yield from exactly_one((), self.settings, "external", "server")
        if server and server.node not in [node.name for node in self.lab.cluster.nodes]:
            yield ("server", "node"), "is not a node of the cluster", "use a name from cluster.nodes"
        longhorn = self.lab.settings_of(LonghornSettings)
        if server and longhorn and (is_within(server.path, longhorn.path) or is_within(longhorn.path, server.path)):
            yield ("server", "path"), f"overlaps longhorn.path {longhorn.path}", "give each layer a folder of its own"
