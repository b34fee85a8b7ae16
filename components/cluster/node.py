"""Pulumi component `Node`: prepares a machine, joins the machine to the cluster, applies changes, and removes nodes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict, Unpack

import pulumi

from components.cluster import machine, machine_commands, package_upgrade
from components.cluster.api_endpoint import virtual_ip
from components.cluster.connection import connection_settings
from components.cluster.host_requirements import HostRequirements
from components.cluster.k3s import config, hardening
from components.cluster.machine_settings import MachineSettings
from components.cluster.reboot import REBOOT
from components.cluster.settings import ClusterSettings, NodeSettings
from components.provider_resources import Step, Task, step
from components.settings.addresses import is_ipv6

PACKAGES = ("ca-certificates", "curl", "dbus", "iproute2", "iptables", "kmod", "openssl", "procps")
DRAIN_SECONDS = 300
MAX_PARALLEL_JOINS = 8
"""Number of servers, and number of agents, that may join the cluster at the same time. If more machines join the
cluster at the same time, some joins time out."""
SYSCTL = {
    # nodes forward pod traffic; kubelet and containerd need more inotify instances and watches than the kernel default
    "net.ipv4.ip_forward": 1,
    "fs.inotify.max_user_instances": 8192,
    "fs.inotify.max_user_watches": 524288,
    # kubelet and the hardening guide of K3s require the following kernel parameters
    "vm.overcommit_memory": 1,
    "vm.panic_on_oom": 0,
    "kernel.panic": 10,
    "kernel.panic_on_oops": 1,
    "kernel.keys.root_maxkeys": 1000000,
    "kernel.keys.root_maxbytes": 25000000,
}
SYSCTL_IPV6 = {"net.ipv6.conf.all.forwarding": 1}
"""Kernel parameters that homelab sets only in clusters with IPv6, because kernels with IPv6 forwarding ignore router
advertisements, and some kernels lack IPv6."""

_FLANNEL_MODULES = {"vxlan": ("vxlan",), "wireguard-native": ("wireguard",)}

DRIFT_CHECKS = ("drift/host.sh", "drift/membership.sh", "drift/k3s.sh")

PREPARE = (
    step("node/prepare.sh"),
    *REBOOT,
    step("node/prepare.sh", when=["reboot"]),
    step("cluster/uncordon.sh", on="server", when=["reboot", "member"]),
)
LEAVE = (
    step("node/check-ownership.sh"),
    step("cluster/remove-node.sh", on="other", unless=["retired"], turn=True),
    step("node/uninstall-k3s.sh", unless=["foreign"]),
    step("node/restore-host.sh", unless=["foreign"]),
)
CA_EXPORTS = ["CA", "CA_HASH"]
BOOTSTRAP = (
    step("node/export-ca.sh", on="servers", exports=CA_EXPORTS),
    step("node/stage-k3s.sh"),
    step("node/install-k3s.sh"),
)
BOOTSTRAP_WITH_OWN_CA = (*BOOTSTRAP[:-1], step("node/create-ca.sh"), BOOTSTRAP[-1])
JOIN = (
    step("node/export-ca.sh", on="server", exports=CA_EXPORTS, turn=True),
    step("node/stage-k3s.sh"),
    step("cluster/remove-stale-nodes.sh", on="other", when=["empty"]),
    step("node/install-k3s.sh"),
)
ROLL = (
    step("node/export-ca.sh", on="server", exports=CA_EXPORTS),
    step("node/stage-k3s.sh"),
    step("cluster/wait-for-quorum.sh", on="server", when=["changed", "member"]),
    step("cluster/wait-for-quorum.sh", on="server", when=["changed", "member"], turn=True),
    step("etcd/snapshot-before-upgrade.sh", on="server", when=["upgrade", "member"], turn=True),
    step("cluster/drain.sh", on="server", when=["changed", "member"], turn=True),
    step("node/install-k3s.sh", when=["changed"], turn=True),
    step("cluster/uncordon.sh", on="server"),
    step("cluster/sync-labels.sh", on="server"),
)


class TaskInputs(TypedDict, total=False):
    """Optional inputs of a Pulumi task that configures a node."""

    variables: Mapping[str, str]
    secrets: Mapping[str, pulumi.Input[str]]
    undo: Sequence[Step]
    drift_check: str
    run_once: bool


@dataclass(frozen=True)
class ClusterInputs:
    """Task inputs that are the same for all nodes of a cluster."""

    cluster: ClusterSettings
    kube_vip: str
    host: HostRequirements
    identity: pulumi.Input[str]
    token: pulumi.Input[str]
    agent_token: pulumi.Input[str]


class Node(pulumi.ComponentResource):
    """A machine of the cluster.

    The constructor creates the tasks that apply the settings of `machine`, if the stack file has any, and the task that
    prepares the machine for K3s. The task of `bootstrap` or `join` adds the machine to the cluster once. The task
    of `roll` applies all later changes, to one server or to `max_unavailable` agents at a time. When Pulumi deletes the
    component, homelab removes the node from the cluster and undoes all changes to the machine.
    """

    def __init__(
        self,
        settings: NodeSettings,
        shared: ClusterInputs,
        opts: pulumi.ResourceOptions,
        upgraded_servers: Sequence[Task] = (),
    ) -> None:
        super().__init__("homelab:components:Node", settings.name, None, opts)
        self.settings = settings
        self.machine = connection_settings(settings, shared.cluster.ssh_of(settings))
        self._shared = shared
        self._variables = self._install_variables()
        self._secrets = self._install_secrets()
        configured = self._configure()
        self.upgraded = self._upgrade_packages([*configured, *upgraded_servers])
        commands = self.run_commands("beforeK3s", [*configured, *self.upgraded])
        before = [*configured, *self.upgraded, *commands]
        self.prepared = self._task(
            f"{settings.name}-prepare", PREPARE, before, drift_check="drift/host.sh",
            variables=self._prepare_variables(), secrets={}, undo=LEAVE,
        )  # fmt: skip
        self.register_outputs({})

    def _configure(self) -> list[Task]:
        """Create the task that applies the settings of `machine`; return an empty list if the stack file has no such
        settings.

        All other tasks of the node depend on this task, so Pulumi undoes it last.
        """
        settings = self._shared.cluster.machine_of(self.settings)
        if settings.model_copy(update={"commands": {}, "package_upgrade": None}) == MachineSettings():
            return []
        variables = {**self._identity(), "DRAIN_SECONDS": str(DRAIN_SECONDS), **machine.variables(settings)}
        return [
            self._task(
                f"{self.settings.name}-machine", machine.CONFIGURE, [], drift_check="drift/machine.sh",
                variables=variables, secrets=machine.secrets(settings), undo=machine.CONFIGURE,
            )
        ]  # fmt: skip

    def _upgrade_packages(self, after: Sequence[pulumi.Resource]) -> list[Task]:
        """Create the task that upgrades the packages; the list is empty if the stack file requests no upgrade."""
        upgrade = self._shared.cluster.machine_of(self.settings).package_upgrade
        if upgrade is None:
            return []
        return [
            self._task(
                f"{self.settings.name}-package-upgrade", package_upgrade.RUN, after,
                drift_check=package_upgrade.DRIFT_CHECK, secrets={},
                variables={**self._identity(), "DRAIN_SECONDS": str(DRAIN_SECONDS), "UPGRADE": upgrade},
            )
        ]  # fmt: skip

    def run_commands(self, stage: machine_commands.Stage, after: Sequence[pulumi.Resource]) -> list[Task]:
        """Create the task that runs the commands of a stage; the list is empty if the stack file has none."""
        commands = machine_commands.of_stage(self._shared.cluster.machine_of(self.settings).commands, stage)
        if not commands:
            return []
        before = stage == "beforeK3s"
        return [
            self._task(
                f"{self.settings.name}-{'before' if before else 'after'}-k3s", machine_commands.RUN, after,
                drift_check=f"drift/commands-{'before' if before else 'after'}-k3s.sh", secrets={},
                undo=machine_commands.RUN, variables={
                    **self._identity(), "DRAIN_SECONDS": str(DRAIN_SECONDS),
                    **machine_commands.variables(commands, stage),
                },
            )
        ]  # fmt: skip

    def bootstrap(self) -> Task:
        """Create the task that bootstraps the cluster on the first server.

        Once the task has succeeded, it never runs again.
        """
        ca = self._shared.cluster.k3s.ca
        run = BOOTSTRAP_WITH_OWN_CA if ca else BOOTSTRAP
        own_ca: dict[str, pulumi.Input[str]] = (
            {"OWN_CA": ca.certificate, "OWN_CA_KEY": ca.private_key.resolve()} if ca else {}
        )
        return self._task(
            "cluster-found", run, [self.prepared], run_once=True, variables={**self._variables, "FOUND": "yes"},
            secrets={**self._secrets, **own_ca},
        )  # fmt: skip

    def join(self, bootstrapped: Task) -> Task:
        """Create the task that joins the machine to the cluster.

        The task runs again only if the machine has a new disk, or if K3s' data on its disk were deleted.
        """
        return self._task(
            f"{self.settings.name}-join", JOIN, [self.prepared, bootstrapped],
            drift_check="drift/membership.sh", run_once=True, variables=self._variables,
        )  # fmt: skip

    def roll(self, after: Sequence[pulumi.Resource]) -> Task:
        """Create the task that applies later changes to the node.

        Steps that disrupt a node run on one server at a time, or on up to `max_unavailable` agents at a time.
        """
        labels = "\n".join(f"{key}={value}" for key, value in sorted(self.settings.labels.items()))
        variables = {**self._variables, "LABELS": labels, "DRAIN_SECONDS": str(DRAIN_SECONDS)}
        return self._task(f"{self.settings.name}-roll", ROLL, after, drift_check="drift/k3s.sh", variables=variables)

    def _task(
        self, name: str, run: Sequence[Step], after: Sequence[pulumi.Resource], **inputs: Unpack[TaskInputs]
    ) -> Task:
        opts = pulumi.ResourceOptions(parent=self, depends_on=list(after))
        inputs.setdefault("secrets", self._secrets)
        turn = _disruption_limit(self.settings, self._shared.cluster, run)
        identity = self._shared.identity
        return Task(name, self.machine, run, cluster=identity, turn=turn, opts=opts, **inputs)

    def _identity(self) -> dict[str, str]:
        return {"NODE": self.settings.name, "ROLE": self.settings.role, "CNI": self._shared.cluster.network.cni}

    def _prepare_variables(self) -> dict[str, str]:
        host = self._shared.host
        return {
            **self._identity(),
            "DRAIN_SECONDS": str(DRAIN_SECONDS),
            "ADDRESS": self.settings.address,
            "INTERFACE": self.settings.interface or "",
            "ARCH": self.settings.arch or "",
            "PACKAGES": " ".join(packages(self._shared.cluster, self.settings, host)),
            "MODULES": "\n".join(kernel_modules(self._shared.cluster, host)),
            "FIXED": config.immutable_settings(self._shared.cluster, self.settings),
            "SYSCTL": "\n".join(f"{key}={value}" for key, value in sysctl(self._shared.cluster, self.settings).items()),
            **virtual_ip.variables(self._shared.cluster, self.settings),
        }

    def _install_variables(self) -> dict[str, str]:
        cluster, node = self._shared.cluster, self.settings
        hardening_files = hardening.files(cluster, node)
        manifests = (
            virtual_ip.kube_vip_manifests(cluster, node, self._shared.kube_vip),
            hardening.manifests(cluster, node),
        )
        return {
            **self._identity(),
            **config.release_variables(cluster),
            "ADDRESS": node.address,
            "INTERFACE": node.interface or "",
            "CONFIG": config.config_yaml(cluster, node),
            "MANIFESTS": "---\n".join(filter(None, manifests)),
            "OWN_MANIFESTS": config.own_manifests(cluster, node),
            "ADMISSION": hardening_files[hardening.ADMISSION_FILE],
            "AUDIT": hardening_files[hardening.AUDIT_FILE],
            "ENDPOINT": config.api_endpoint(cluster),
            "PEERS": config.peer_addresses(cluster, node),
            "TAINTS": "\n".join(node.taints),
            "FIXED": config.immutable_settings(cluster, node),
            "FOUND": "no",
            "CERTIFICATES": config.certificate_rotation(cluster),
        }

    def _install_secrets(self) -> dict[str, pulumi.Input[str]]:
        server = self.settings.role == "server"
        return {
            "TOKEN": self._shared.token if server else self._shared.agent_token,
            "AGENT_TOKEN": self._shared.agent_token if server else "",
            "SECRET_CONFIG": config.secret_config_yaml(self._shared.cluster, self.settings),
            "REGISTRIES": config.registries_yaml(self._shared.cluster),
        }


def _disruption_limit(node: NodeSettings, cluster: ClusterSettings, run: Sequence[Step]) -> dict[str, object]:
    """Return the group of the node's task, and how many tasks of this group may run at once: eight for joining nodes,
    one for servers, and `max_unavailable` for agents."""
    if run is JOIN:
        return {"group": f"{node.role}s that join", "width": MAX_PARALLEL_JOINS}
    if node.role == "server":
        return {"group": "servers", "width": 1}
    return {"group": "agents", "width": cluster.max_unavailable}


def packages(cluster: ClusterSettings, node: NodeSettings, host: HostRequirements) -> list[str]:
    """Return the names of the apt packages that homelab installs on the machine."""
    return sorted({*PACKAGES, *host.packages, *virtual_ip.packages(cluster, node)})


def kernel_modules(cluster: ClusterSettings, host: HostRequirements) -> list[str]:
    """Return the names of the kernel modules that K3s and the layers need on every machine."""
    backend = _FLANNEL_MODULES.get(cluster.network.flannel_backend, ()) if cluster.network.cni == "flannel" else ()
    return ["br_netfilter", "overlay", *host.modules, *backend]


def sysctl(cluster: ClusterSettings, node: NodeSettings) -> dict[str, int]:
    """Return the kernel parameters (sysctl) that homelab sets on the machine."""
    addresses = (*cluster.network.pods, *cluster.network.services, *node.addresses)
    return SYSCTL | (SYSCTL_IPV6 if any(is_ipv6(address) for address in addresses) else {})
