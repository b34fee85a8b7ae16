"""Settings of the cluster: the section `homelab:cluster` of the stack file."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from pydantic import Field

from components.cluster.k3s.settings import (
    K3sSettings,
    MirrorSettings,
    Options,
    Pins,
    RegistriesSettings,
    RegistryAuthSettings,
    S3Settings,
    SnapshotSettings,
)
from components.cluster.ssh_settings import BastionSettings, NodeSSHSettings, SSHSettings, merge_ssh
from components.settings.addresses import default_lan
from components.settings.fields import (
    Address,
    Cidr,
    DnsLabel,
    Domain,
    Host,
    HostKey,
    Interface,
    LabelKey,
    LabelValue,
    Port,
    PositiveInt,
    StrictBool,
    Taint,
)
from components.settings.model import UNKNOWN, Model, UnknownValueError

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


def _default_port(validated: dict[str, Any]) -> int:
    return BALANCER_PORT if validated["balancer"] else API_PORT


class ApiSettings(Model):
    """Endpoint of the Kubernetes API. Optional with one server."""

    vip: Address | None = None
    """Virtual IP of the API, which one of the servers holds at any time: a free address of the LAN."""
    by: Literal["keepalived", "kube-vip"] = "keepalived"
    """Program that moves the virtual IP to a healthy server."""
    balancer: Literal["haproxy"] | None = None
    """Load balancer behind keepalived's virtual IP: HAProxy on every server forwards to all ready API servers."""
    external: Host | None = None
    """Name or address of your own load balancer in front of all servers, instead of `vip`."""
    port: Port = Field(default_factory=_default_port)
    """Port of the load balancer. Default: 7443 with `balancer`, else 6443. A virtual IP alone always uses 6443."""
    tls_sans: tuple[Host, ...] = ()
    """Additional host names and addresses (SANs) in the API's certificate."""


class NetworkSettings(Model):
    """The CNI, and the pod and Service CIDRs. One IPv4 and one IPv6 CIDR for each make the cluster dual-stack."""

    cni: Literal["flannel", "none"] = "flannel"
    """Pod network: K3s' flannel, or `none` to install another CNI plugin."""
    flannel_backend: Literal["vxlan", "host-gw", "wireguard-native"] = "vxlan"
    """Flannel's backend, which carries packets between nodes."""
    pods: tuple[Cidr, ...] = ("10.42.0.0/16",)
    """Pod CIDRs."""
    services: tuple[Cidr, ...] = ("10.43.0.0/16",)
    """Service CIDRs, with the IP families in the same order as in `pods`."""

    @property
    def dual_stack(self) -> bool:
        """Whether pods have both an IPv4 and an IPv6 address."""
        return len(self.pods) > 1


class NodeSettings(Model):
    """One machine of the cluster."""

    name: DnsLabel
    """Name of the node. It becomes the machine's host name."""
    role: Literal["server", "agent"]
    """Role of the node: a server runs the control plane, etcd and workloads, an agent runs workloads only."""
    address: Address
    """IP address of the machine, for SSH and for joining the cluster."""
    second_address: Address | None = None
    """The machine's address of the other IP family. A dual-stack cluster requires it."""
    host_key: HostKey
    """The machine's public SSH host key. A machine with another key is refused."""
    arch: Literal["amd64", "arm64", "arm"] | None = None
    """Expected architecture. A machine with another architecture is refused. Default: any architecture."""
    interface: Interface | None = None
    """Network interface in the LAN. Default: the interface that has `address`."""
    ssh: NodeSSHSettings = NodeSSHSettings()
    """SSH settings of this machine, which override the cluster's `ssh`."""
    labels: dict[LabelKey, LabelValue] = Field(default_factory=dict)
    """Kubernetes labels of the node."""
    taints: tuple[Taint, ...] = ()
    """Kubernetes taints of the node, each in the form `key=value:Effect` or `key:Effect`."""
    options: Options = Field(default_factory=dict)
    """Additional K3s options of this node, which override the options under `k3s`."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """The node's one or two addresses, in the order of the cluster's IP families."""
        return (self.address, self.second_address) if self.second_address else (self.address,)


class AppsSettings(Model):
    """Permissions of the cluster's apps beyond the defaults."""

    pod_security: Literal["restricted", "baseline", "privileged"] = "restricted"
    """Highest Pod Security level that an app may use. `baseline` allows root in containers and NFS shares;
    `privileged` lets apps be root on the nodes."""
    nfs: StrictBool = False
    """Install an NFS client on all nodes, so that apps can mount NFS shares. An app can then act as any user there."""


def _lan_of_first_server(validated: dict[str, Any]) -> Any:
    nodes = () if validated["nodes"] is UNKNOWN else validated["nodes"]
    try:
        return default_lan(next(node.address for node in nodes if node.role == "server"))
    except (UnknownValueError, StopIteration):
        return UNKNOWN  # the checks of the nodes report the cause


class ClusterSettings(Model):
    """A K3s cluster and its machines."""

    name: DnsLabel
    """Name of the cluster."""
    domain: Domain
    """Domain of the lab. The host names of its services are subdomains of it."""
    ssh: SSHSettings
    """SSH login on the machines. A node can override it with its own `ssh`."""
    nodes: tuple[NodeSettings, ...]
    """The machines: an odd number of servers, such as one or three, and any number of agents."""
    lan: Cidr = Field(default_factory=_lan_of_first_server)
    """CIDR of the machines' LAN. Default: the /24 (IPv6: /64) of the first server's address."""
    api: ApiSettings = ApiSettings()
    """Endpoint of the Kubernetes API."""
    network: NetworkSettings = NetworkSettings()
    """The CNI, and the pod and Service CIDRs."""
    k3s: K3sSettings
    """K3s: its version, options and snapshots."""
    registries: RegistriesSettings = RegistriesSettings()
    """Mirrors of image registries, and their credentials."""
    hardening: Literal["default", "cis"] = "default"
    """Hardening level. `default` applies measures without side effects; `cis` applies K3s' whole hardening guide,
    including the Pod Security level `restricted`."""
    apps: AppsSettings = AppsSettings()
    """Permissions of apps beyond the defaults."""
    discard: tuple[DnsLabel, ...] = ()
    """Names of nodes that may be removed although they have the only replica of a volume, which is then lost."""
    max_unavailable: PositiveInt = 1
    """Number of agents that may be out of service at the same time during a change."""

    @property
    def servers(self) -> tuple[NodeSettings, ...]:
        """The servers, in the order of the stack file."""
        return tuple(node for node in self.nodes if node.role == "server")

    @property
    def agents(self) -> tuple[NodeSettings, ...]:
        """The agents, in the order of the stack file."""
        return tuple(node for node in self.nodes if node.role == "agent")

    @property
    def endpoint_host(self) -> str:
        """Host of the API endpoint: the load balancer, the virtual IP, or the address of the only server."""
        return self.api.external or self.api.vip or self.servers[0].address

    @property
    def endpoint_port(self) -> int:
        """Port of the API endpoint."""
        return self.api.port

    def with_disabled(self, packaged: Iterable[str]) -> "ClusterSettings":
        """Return a copy that also disables these components packaged with K3s."""
        disable = tuple(dict.fromkeys((*self.k3s.disable, *packaged)))
        return self.model_copy(update={"k3s": self.k3s.model_copy(update={"disable": disable})})

    def with_node_labels(self, labels: Callable[[NodeSettings], Mapping[str, str]]) -> "ClusterSettings":
        """Return a copy whose nodes also have these labels. A node's own labels win."""
        nodes = tuple(node.model_copy(update={"labels": {**labels(node), **node.labels}}) for node in self.nodes)
        return self.model_copy(update={"nodes": nodes})

    def ssh_of(self, node: NodeSettings) -> SSHSettings:
        """Return the SSH settings of `node`: the cluster's `ssh`, overridden by the node's own."""
        return merge_ssh(self.ssh, node.ssh)
