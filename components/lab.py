"""The cluster as its owner describes it."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from pydantic import Field

from components.access import BastionSettings, NodeSSHSettings, SSHSettings, merge
from components.addresses import default_lan
from components.distribution import (
    K3sSettings,
    MirrorSettings,
    Options,
    Pins,
    RegistriesSettings,
    RegistryAuthSettings,
    S3Settings,
    SnapshotSettings,
)
from components.fields import (
    Address,
    Count,
    Domain,
    Host,
    HostKey,
    HostLabel,
    Interface,
    LabelKey,
    LabelValue,
    Network,
    Port,
    Switch,
    Taint,
)
from components.model import UNKNOWN, Model, NotKnownError

__all__ = [
    "ApiSettings",
    "AppsSettings",
    "BastionSettings",
    "ClusterSettings",
    "K3sSettings",
    "MirrorSettings",
    "NetworkSettings",
    "NodeSSHSettings",
    "NodeSettings",
    "Pins",
    "RegistriesSettings",
    "RegistryAuthSettings",
    "S3Settings",
    "SSHSettings",
    "SnapshotSettings",
]

API_PORT = 6443
BALANCER_PORT = 7443


def _beside_k3s(given: dict[str, Any]) -> int:
    return BALANCER_PORT if given["balancer"] else API_PORT


class ApiSettings(Model):
    """Through which address the Kubernetes API is reached. With one server it may be left out."""

    vip: Address | None = None
    """Virtual address that one of the servers holds at any time: a free address of the lan."""
    by: Literal["keepalived", "kube-vip"] = "keepalived"
    """What keeps the virtual address."""
    balancer: Literal["haproxy"] | None = None
    """What stands behind a virtual address of keepalived: HAProxy on every server leads to all that are ready."""
    external: Host | None = None
    """Name or address of a load balancer of your own in front of all servers, instead of `vip`."""
    port: Port = Field(default_factory=_beside_k3s)
    """Port of the balancer. Default: 7443 with `balancer`, else 6443, which a virtual address alone always has."""
    tls_sans: tuple[Host, ...] = ()
    """Further names and addresses that the API's certificate is valid for."""


class NetworkSettings(Model):
    """The networks inside the cluster. Two networks each, one IPv4 and one IPv6, make it dual stack."""

    cni: Literal["flannel", "none"] = "flannel"
    """Pod network: K3s' flannel, or none when you install another."""
    flannel_backend: Literal["vxlan", "host-gw", "wireguard-native"] = "vxlan"
    """How flannel carries packets between nodes."""
    pods: tuple[Network, ...] = ("10.42.0.0/16",)
    """Networks of the pods."""
    services: tuple[Network, ...] = ("10.43.0.0/16",)
    """Networks of the Services, in the same order of families as `pods`."""

    @property
    def dual_stack(self) -> bool:
        """Whether pods have an address of both families."""
        return len(self.pods) > 1


class NodeSettings(Model):
    """One machine of the cluster."""

    name: HostLabel
    """Name of the node, which becomes the machine's host name."""
    role: Literal["server", "agent"]
    """Servers run the control plane and etcd, and workloads too; agents run workloads."""
    address: Address
    """Address by which the machine is reached and by which it joins."""
    second_address: Address | None = None
    """Its address of the other family, needed with dual-stack networks."""
    host_key: HostKey
    """Its public SSH host key; a machine with another key is refused."""
    arch: Literal["amd64", "arm64", "arm"] | None = None
    """Architecture it is expected to have; a machine that differs is refused. Default: whatever is found."""
    interface: Interface | None = None
    """Interface in the lan. Default: the one that has the address."""
    ssh: NodeSSHSettings = NodeSSHSettings()
    """How logging in differs from the cluster's `ssh`."""
    labels: dict[LabelKey, LabelValue] = Field(default_factory=dict)
    """Labels of the node."""
    taints: tuple[Taint, ...] = ()
    """Taints of the node, each `key=value:Effect` or `key:Effect`."""
    options: Options = Field(default_factory=dict)
    """Further K3s options of this node, which win over those under `k3s`."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its one or two addresses, the first family of the cluster first."""
        return (self.address, self.second_address) if self.second_address else (self.address,)


class AppsSettings(Model):
    """What the apps of the cluster may do beyond the defaults."""

    pod_security: Literal["restricted", "baseline", "privileged"] = "restricted"
    """The highest Pod Security level that an app may have. `baseline` allows root in containers and shares of a NAS;
    `privileged` lets apps be root on the nodes."""
    nfs: Switch = False
    """Whether nodes get an NFS client, so that apps can mount shares of a NAS, as any user."""


def _around_first_server(given: dict[str, Any]) -> Any:
    nodes = () if given["nodes"] is UNKNOWN else given["nodes"]
    try:
        return default_lan(next(node.address for node in nodes if node.role == "server"))
    except (NotKnownError, StopIteration):
        return UNKNOWN  # why is reported where the servers are


class ClusterSettings(Model):
    """A K3s cluster on machines of one lab."""

    name: HostLabel
    """Name of the cluster."""
    domain: Domain
    """Domain of the lab, under which the cluster's services get their names."""
    ssh: SSHSettings
    """How to log in on the machines, unless a machine says otherwise under its own `ssh`."""
    nodes: tuple[NodeSettings, ...]
    """The machines: one server, or an odd number of them, and any number of agents."""
    lan: Network = Field(default_factory=_around_first_server)
    """Network of the machines. Default: the /24 (IPv6: /64) around the first server's address."""
    api: ApiSettings = ApiSettings()
    """Through which address the API is reached."""
    network: NetworkSettings = NetworkSettings()
    """The networks inside the cluster."""
    k3s: K3sSettings
    """K3s itself."""
    registries: RegistriesSettings = RegistriesSettings()
    """Image registries."""
    hardening: Literal["default", "cis"] = "default"
    """`default` is what costs nothing; `cis` is K3s' whole hardening guide, Pod Security `restricted` included."""
    apps: AppsSettings = AppsSettings()
    """What apps may do beyond the defaults."""
    discard: tuple[HostLabel, ...] = ()
    """Nodes that are removed although volumes go with them which no other machine has."""
    max_unavailable: Count = 1
    """How many agents may be out of service at once while the cluster is changed."""

    @property
    def servers(self) -> tuple[NodeSettings, ...]:
        """The servers, in the order of the file."""
        return tuple(node for node in self.nodes if node.role == "server")

    @property
    def agents(self) -> tuple[NodeSettings, ...]:
        """The agents, in the order of the file."""
        return tuple(node for node in self.nodes if node.role == "agent")

    @property
    def endpoint(self) -> str:
        """Host through which the API is reached: balancer, virtual address, or the only server."""
        return self.api.external or self.api.vip or self.servers[0].address

    @property
    def endpoint_port(self) -> int:
        """Port of the API at `endpoint`."""
        return self.api.port

    def without(self, packaged: Iterable[str]) -> "ClusterSettings":
        """The same, but for components packaged with K3s that are left out as well."""
        disable = tuple(dict.fromkeys((*self.k3s.disable, *packaged)))
        return self.model_copy(update={"k3s": self.k3s.model_copy(update={"disable": disable})})

    def labelled(self, labels: Callable[[NodeSettings], Mapping[str, str]]) -> "ClusterSettings":
        """The same, but for labels that nodes have besides their own."""
        nodes = tuple(node.model_copy(update={"labels": {**labels(node), **node.labels}}) for node in self.nodes)
        return self.model_copy(update={"nodes": nodes})

    def ssh_of(self, node: NodeSettings) -> SSHSettings:
        """How to log in on `node`: the cluster's `ssh` with the node's own on top."""
        return merge(self.ssh, node.ssh)
