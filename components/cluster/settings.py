"""Settings of the K3s cluster, from the section `homelab:cluster` of the stack file."""

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

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
from components.cluster.machine_settings import MachineFileSettings, MachineSettings, merge_machine
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
    "MachineFileSettings",
    "MachineSettings",
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
MAX_NODES = 5000
"""Largest number of nodes that Kubernetes supports (https://kubernetes.io/docs/setup/best-practices/cluster-large)."""


def _default_port(validated: dict[str, Any]) -> int:
    return BALANCER_PORT if validated["balancer"] else API_PORT


def _not_in_certificate(value: object) -> object:
    if value in ("127.0.0.1", "::1"):
        raise setting_error("is always in the certificate", "remove it")
    return value


class ApiSettings(Model):
    """Endpoint of the Kubernetes API. A cluster with only one server needs neither a virtual IP nor a load balancer."""

    vip: Address | None = None
    """Virtual IP of the API: an unused address of the LAN, which homelab assigns to one server at a time."""
    by: Literal["keepalived", "kube-vip"] = "keepalived"
    """Program that assigns the virtual IP to a healthy server."""
    balancer: Literal["haproxy"] | None = None
    """Load balancer for API requests to keepalived's virtual IP. HAProxy runs on every server, and forwards requests to
    all servers with a ready API."""
    external: Host | None = None
    """Host name or IP address of your own load balancer in front of all K3s servers. Set either `external` or `vip`,
    not both."""
    port: Port = Field(default_factory=_default_port)
    """Port of the load balancer. Default: 7443 with `balancer: haproxy`, otherwise 6443. A virtual IP without
    `balancer` always uses port 6443."""
    tls_sans: tuple[Annotated[Host, BeforeValidator(_not_in_certificate)], ...] = ()
    """Additional host names and IP addresses (SANs) in the certificate of the API server."""


class NetworkSettings(Model):
    """CNI plugin, pod CIDRs and Service CIDRs of the cluster.

    A dual-stack cluster needs two CIDRs under `pods` and two CIDRs under `services`.
    """

    cni: Literal["flannel", "none"] = "flannel"
    """CNI plugin: flannel from K3s, or `none` if you install another CNI plugin."""
    flannel_backend: Literal["vxlan", "host-gw", "wireguard-native"] = "vxlan"
    """Backend with which flannel carries pod traffic between nodes."""
    pods: tuple[Cidr, ...] = ("10.42.0.0/16",)
    """Pod CIDRs."""
    services: tuple[Cidr, ...] = ("10.43.0.0/16",)
    """Service CIDRs, with the IP families in the same order as the pod CIDRs."""

    @property
    def dual_stack(self) -> bool:
        """Whether pods have both an IPv4 address and an IPv6 address."""
        return len(self.pods) > 1


class NodeSettings(Model):
    """One machine of the cluster."""

    name: DnsLabel
    """Name of the Kubernetes Node. homelab also uses the node's name as the machine's host name."""
    role: Literal["server", "agent"]
    """Role of the node. A `server` runs the control plane, etcd and workloads; an `agent` runs only workloads."""
    address: Address
    """IP address of the machine, which homelab uses for joining the cluster and, without `ssh.address`, for SSH."""
    second_address: Address | None = None
    """IP address of the machine in the other IP family: IPv6 if `address` is IPv4, or IPv4 if `address` is IPv6. In a
    dual-stack cluster, every node needs a second address."""
    host_key: HostKey
    """Public SSH host key of the machine. homelab refuses to connect to a machine that has another host key."""
    arch: Literal["amd64", "arm64", "arm"] | None = None
    """Expected CPU architecture. homelab refuses a machine with another architecture. Default: any architecture."""
    interface: Interface | None = None
    """Name of the machine's network interface in the LAN. Default: the network interface that has the IP address in
    `address`."""
    ssh: NodeSSHSettings = NodeSSHSettings()
    """SSH settings for one machine, which override the cluster's `ssh`."""
    machine: MachineSettings = MachineSettings()
    """Settings of one machine's operating system, in addition to the cluster's `machine`."""
    labels: dict[LabelKey, LabelValue] = Field(default_factory=dict)
    """Kubernetes labels of the node."""
    taints: tuple[Taint, ...] = ()
    """Kubernetes taints of the node. Write each taint as `key=value:Effect` or `key:Effect`."""
    options: Options = Field(default_factory=dict)
    """Additional K3s options for one node, which override the K3s options under `k3s`."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """IP addresses of the node: `address`, and then `second_address` if set."""
        return (self.address, self.second_address) if self.second_address else (self.address,)


class AppsSettings(Model):
    """Permissions of apps in the cluster beyond the defaults."""

    pod_security: Literal["restricted", "baseline", "privileged"] = "restricted"
    """Least restrictive Pod Security level that apps may use. With `baseline`, containers may run as root, and apps may
    mount NFS shares. With `privileged`, an app can become root on the nodes."""
    nfs: StrictBool = False
    """Whether homelab installs an NFS client on all machines, so that apps can mount NFS shares. An app that mounts an
    NFS share can access the files of every user, because NFS trusts the user IDs that clients send."""
    cluster_read: tuple[DnsLabel, ...] = ()
    """Names of the apps that may read objects of all namespaces, except Secrets and ConfigMaps, with their
    `serviceAccount`. Default: none."""


def _limit_nodes(value: object) -> object:
    if isinstance(value, list) and len(value) > MAX_NODES:
        fix = f"use at most {MAX_NODES} nodes, as many as Kubernetes supports"
        raise setting_error(f"has {len(value)} entries", fix)
    return value


def _require_server(nodes: tuple[NodeSettings, ...]) -> tuple[NodeSettings, ...]:
    if not nodes:
        raise setting_error("is empty", "add at least one node with role server")
    if not any(node.role == "server" for node in nodes):
        raise setting_error("has no server", "set role: server on one node or on three nodes")
    return nodes


def _lan_of_first_server(validated: dict[str, Any]) -> str:
    return default_lan(next(node.address for node in validated["nodes"] if node.role == "server"))


class ClusterSettings(Model):
    """Settings of a K3s cluster and of its machines."""

    name: DnsLabel
    """Name of the cluster."""
    domain: Domain
    """Domain of the lab. The host names of layers and apps are subdomains of the lab's domain."""
    ssh: SSHSettings
    """SSH login with which homelab connects to the machines. A node's own `ssh` overrides the cluster's `ssh`."""
    machine: MachineSettings = MachineSettings()
    """Settings of the operating system of all machines. homelab merges a node's own `machine` into the cluster's
    `machine`."""
    nodes: Annotated[tuple[NodeSettings, ...], BeforeValidator(_limit_nodes), AfterValidator(_require_server)]
    """The machines of the cluster: an odd number of servers, such as one or three, and any number of agents."""
    lan: Cidr = Field(default_factory=_lan_of_first_server)
    """CIDR of the machines' LAN. Default: the /24 subnet (IPv6: the /64 subnet) of the first server's address."""
    api: ApiSettings = ApiSettings()
    """Endpoint of the Kubernetes API."""
    network: NetworkSettings = NetworkSettings()
    """CNI plugin, pod CIDRs and Service CIDRs of the cluster."""
    k3s: K3sSettings
    """Settings of K3s, such as version, options and snapshots."""
    registries: RegistriesSettings = RegistriesSettings()
    """Mirrors and credentials of image registries."""
    hardening: Literal["default", "cis"] = "default"
    """Hardening level. `default` applies only measures that do not restrict workloads. `cis` applies all measures of
    K3s' hardening guide, including the Pod Security level `restricted`."""
    apps: AppsSettings = AppsSettings()
    """Permissions of apps in addition to the default permissions."""
    discard: tuple[DnsLabel, ...] = ()
    """Names of nodes that homelab may remove even if the removal deletes the only replica of a volume and so loses the
    volume's data."""
    max_unavailable: PositiveInt = 1
    """Number of agents that may be unavailable at the same time while `pulumi up` applies changes."""

    @property
    def servers(self) -> tuple[NodeSettings, ...]:
        """The servers (nodes with control plane and etcd), in the order of the stack file."""
        return tuple(node for node in self.nodes if node.role == "server")

    @property
    def agents(self) -> tuple[NodeSettings, ...]:
        """The agents (nodes without control plane), in the order of the stack file."""
        return tuple(node for node in self.nodes if node.role == "agent")

    @property
    def endpoint_host(self) -> str:
        """Host name or IP address of the API endpoint: your own load balancer, the virtual IP, or the only server."""
        return self.api.external or self.api.vip or self.servers[0].address

    @property
    def endpoint_port(self) -> int:
        """Port of the API endpoint."""
        return self.api.port

    def options_of(self, node: NodeSettings) -> Options:
        """Return the K3s options of `node` in the stack file: options of the node override options of its role."""
        of_role = self.k3s.server_options if node.role == "server" else self.k3s.agent_options
        return {**self.k3s.options, **of_role, **node.options}

    @property
    def bastions(self) -> tuple[BastionSettings, ...]:
        """All bastions through which homelab connects to machines."""
        return tuple({login.bastion: None for login in map(self.ssh_of, self.nodes) if login.bastion})

    def with_disabled(self, packaged: Iterable[str]) -> "ClusterSettings":
        """Return a copy of the settings that also disables the packaged K3s components in `packaged`."""
        disable = tuple(dict.fromkeys((*self.k3s.disable, *packaged)))
        return self.model_copy(update={"k3s": self.k3s.model_copy(update={"disable": disable})})

    def with_node_labels(self, labels: Callable[[NodeSettings], Mapping[str, str]]) -> "ClusterSettings":
        """Return a copy of the settings with additional labels for each node.

        Labels in the stack file override the additional labels.
        """
        nodes = tuple(node.model_copy(update={"labels": {**labels(node), **node.labels}}) for node in self.nodes)
        return self.model_copy(update={"nodes": nodes})

    def ssh_of(self, node: NodeSettings) -> SSHSettings:
        """Return the SSH settings of `node`: settings in the node's `ssh` override settings in the cluster's `ssh`."""
        return merge_ssh(self.ssh, node.ssh)

    def machine_of(self, node: NodeSettings) -> MachineSettings:
        """Return the settings of `node`'s operating system: the cluster's `machine`, and then the node's `machine`."""
        return merge_machine(self.machine, node.machine)
