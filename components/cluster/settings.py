"""Settings of the cluster: the section `homelab:cluster` of the stack file."""

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

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
from components.settings.errors import setting_error
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
from components.settings.model import Model

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
    """Endpoint of the Kubernetes API. A cluster with one server does not need these settings."""

    vip: Address | None = None
    """Virtual IP of the API: a free address of the LAN, which one server holds at any time."""
    by: Literal["keepalived", "kube-vip"] = "keepalived"
    """Program that moves the virtual IP to a healthy server."""
    balancer: Literal["haproxy"] | None = None
    """Load balancer behind keepalived's virtual IP. HAProxy on every server forwards requests to all ready API
    servers."""
    external: Host | None = None
    """Host name or IP address of your own load balancer in front of all servers. Set either `external` or `vip`."""
    port: Port = Field(default_factory=_default_port)
    """Port of the load balancer. Default: 7443 with `balancer`, and 6443 without `balancer`. A virtual IP without a
    load balancer always uses 6443."""
    tls_sans: tuple[Host, ...] = ()
    """Additional host names and IP addresses (SANs) in the API server's certificate."""


class NetworkSettings(Model):
    """CNI plugin, pod CIDRs and Service CIDRs. In a dual-stack cluster, `pods` and `services` list two CIDRs each."""

    cni: Literal["flannel", "none"] = "flannel"
    """Pod network: K3s' flannel, or `none` if you install another CNI plugin."""
    flannel_backend: Literal["vxlan", "host-gw", "wireguard-native"] = "vxlan"
    """Flannel's backend, which carries pod traffic between nodes."""
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
    """Name of the node. homelab also sets the machine's host name to the node's name."""
    role: Literal["server", "agent"]
    """Role of the node: servers run the control plane, etcd and workloads; agents run workloads only."""
    address: Address
    """IP address of the machine, for SSH and for joining the cluster."""
    second_address: Address | None = None
    """The machine's address of the IP family that `address` does not have. Dual-stack clusters require a second address
    for every node."""
    host_key: HostKey
    """The machine's public SSH host key. homelab does not connect to a machine with another host key."""
    arch: Literal["amd64", "arm64", "arm"] | None = None
    """Expected architecture. homelab rejects a machine with another architecture. Default: any architecture."""
    interface: Interface | None = None
    """Name of the network interface in the LAN. Default: the interface that has the node's `address`."""
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
        """The node's addresses: first `address`, then `second_address` if the node has a second address."""
        return (self.address, self.second_address) if self.second_address else (self.address,)


class AppsSettings(Model):
    """Permissions of the cluster's apps beyond the defaults."""

    pod_security: Literal["restricted", "baseline", "privileged"] = "restricted"
    """Least restrictive Pod Security level that an app may use. `baseline` allows apps to run containers as root and to
    mount NFS shares. `privileged` allows apps to become root on the nodes."""
    nfs: StrictBool = False
    """Install an NFS client on all nodes, so that apps can mount NFS shares. An app that mounts an NFS share can act as
    any user of the share."""


def _require_server(nodes: tuple[NodeSettings, ...]) -> tuple[NodeSettings, ...]:
    if not nodes:
        raise setting_error("is empty", "add at least one node with role server")
    if not any(node.role == "server" for node in nodes):
        raise setting_error("has no server", "set role: server on one node or on three nodes")
    return nodes


def _lan_of_first_server(validated: dict[str, Any]) -> str:
    return default_lan(next(node.address for node in validated["nodes"] if node.role == "server"))


class ClusterSettings(Model):
    """A K3s cluster and its machines."""

    name: DnsLabel
    """Name of the cluster."""
    domain: Domain
    """Domain of the lab. Host names of the lab's services are subdomains of this domain."""
    ssh: SSHSettings
    """SSH login on the machines. A node's own `ssh` overrides the cluster's `ssh`."""
    nodes: Annotated[tuple[NodeSettings, ...], AfterValidator(_require_server)]
    """The machines: an odd number of servers, such as one or three, and any number of agents."""
    lan: Cidr = Field(default_factory=_lan_of_first_server)
    """CIDR of the machines' LAN. Default: the /24 subnet (IPv6: /64 subnet) of the first server."""
    api: ApiSettings = ApiSettings()
    """Endpoint of the Kubernetes API."""
    network: NetworkSettings = NetworkSettings()
    """CNI plugin, pod CIDRs and Service CIDRs."""
    k3s: K3sSettings
    """Settings of K3s, such as version, options and snapshots."""
    registries: RegistriesSettings = RegistriesSettings()
    """Mirrors of image registries, and credentials for image registries."""
    hardening: Literal["default", "cis"] = "default"
    """Hardening level. `default` applies measures without side effects. `cis` applies K3s' complete hardening guide,
    including the Pod Security level `restricted`."""
    apps: AppsSettings = AppsSettings()
    """Permissions of apps beyond the defaults."""
    discard: tuple[DnsLabel, ...] = ()
    """Names of nodes that homelab may remove even if a node has the only replica of a volume, whose data is
    then lost."""
    max_unavailable: PositiveInt = 1
    """Number of agents that may be unavailable at the same time during a change."""

    @property
    def servers(self) -> tuple[NodeSettings, ...]:
        """The servers of the cluster, in the order of the stack file."""
        return tuple(node for node in self.nodes if node.role == "server")

    @property
    def agents(self) -> tuple[NodeSettings, ...]:
        """The agents of the cluster, in the order of the stack file."""
        return tuple(node for node in self.nodes if node.role == "agent")

    @property
    def endpoint_host(self) -> str:
        """Host of the API endpoint: your own load balancer, the virtual IP, or the address of the only server."""
        return self.api.external or self.api.vip or self.servers[0].address

    @property
    def endpoint_port(self) -> int:
        """Port of the API endpoint."""
        return self.api.port

    def with_disabled(self, packaged: Iterable[str]) -> "ClusterSettings":
        """Return a copy of the settings that also disables the packaged K3s components in `packaged`."""
        disable = tuple(dict.fromkeys((*self.k3s.disable, *packaged)))
        return self.model_copy(update={"k3s": self.k3s.model_copy(update={"disable": disable})})

    def with_node_labels(self, labels: Callable[[NodeSettings], Mapping[str, str]]) -> "ClusterSettings":
        """Return a copy of the settings with additional node labels. Labels in the stack file take precedence."""
        nodes = tuple(node.model_copy(update={"labels": {**labels(node), **node.labels}}) for node in self.nodes)
        return self.model_copy(update={"nodes": nodes})

    def ssh_of(self, node: NodeSettings) -> SSHSettings:
        """Return the SSH settings of `node`: the cluster's `ssh`, overridden by the node's own `ssh`."""
        return merge_ssh(self.ssh, node.ssh)
