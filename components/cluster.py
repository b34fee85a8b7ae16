"""Cluster: the order in which machines become one, and the way to its API."""

from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as kubernetes

from components import k3s
from components.lab import ClusterSettings
from components.machine import Machines, Secret, Task, step
from components.node import Node, Shared, machine

TOKEN_BYTES = 32


class Cluster(pulumi.ComponentResource):
    """A K3s cluster.

    All machines are prepared at once. The first server founds the cluster; then all others join at once.
    Later changes go through the servers one by one, and after them through the agents. No resource has
    the cluster's name or a node's but the nodes' own: to rename the cluster must not make another one.
    """

    def __init__(self, settings: ClusterSettings, kube_vip: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("homelab:components:Cluster", "cluster", None, opts)
        reach = {node.name: machine(node, settings.ssh_of(node)) for node in settings.nodes}
        machines = Machines(
            "cluster-machines",
            keys=_private_keys(settings),
            servers=[reach[server.name] for server in settings.servers],
            opts=pulumi.ResourceOptions(parent=self),
        )
        own = pulumi.ResourceOptions(parent=self, provider=machines)
        shared = Shared(
            settings,
            kube_vip,
            token=Secret("cluster-token", TOKEN_BYTES, _keep(own)).value,
            agent_token=Secret("cluster-agent-token", TOKEN_BYTES, _keep(own)).value,
        )
        nodes = [
            Node(node, shared, pulumi.ResourceOptions(parent=self, providers=[machines])) for node in settings.nodes
        ]
        settled = self._assemble(nodes)
        first = reach[settings.servers[0].name]
        self._leave_last(first, settled, own)
        self.kubeconfig = self._read_kubeconfig(settings, first, settled[: len(settings.servers)], own)
        self.provider = kubernetes.Provider(
            "cluster-kubernetes",
            kubeconfig=self.kubeconfig,
            cluster_identifier="cluster",
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({"kubeconfig": self.kubeconfig})

    @staticmethod
    def _assemble(nodes: list[Node]) -> list[Task]:
        """Found, join and roll. Returns the rolls, the servers' first."""
        servers = [node for node in nodes if node.settings.role == "server"]
        agents = [node for node in nodes if node.settings.role == "agent"]
        founded = servers[0].found()
        joined = {node.settings.name: node.join(founded) for node in nodes}
        all_servers = [joined[server.settings.name] for server in servers]
        rolled = [server.roll(all_servers) for server in servers]
        return rolled + [agent.roll([*rolled, joined[agent.settings.name]]) for agent in agents]

    @staticmethod
    def _leave_last(first: Mapping[str, object], settled: list[Task], own: pulumi.ResourceOptions) -> None:
        """Deleted before everything else when the whole cluster goes: then nodes need not be drained."""
        opts = pulumi.ResourceOptions.merge(own, pulumi.ResourceOptions(depends_on=settled))
        Task(
            "cluster-retire", first, [step("keep.sh", on="servers")], undo=[step("retire.sh", on="servers")], opts=opts
        )

    @staticmethod
    def _read_kubeconfig(
        settings: ClusterSettings,
        first: Mapping[str, object],
        servers: list[Task],
        own: pulumi.ResourceOptions,
    ) -> pulumi.Output[str]:
        variables = {"ENDPOINT": k3s.endpoint(settings), "NAME": settings.name}
        opts = pulumi.ResourceOptions(depends_on=servers, additional_secret_outputs=["output"])
        return Task(
            "cluster-kubeconfig", first, [step("kubeconfig.sh", on="server")],
            variables=variables, opts=pulumi.ResourceOptions.merge(own, opts),
        ).output  # fmt: skip


def _private_keys(settings: ClusterSettings) -> dict[str, pulumi.Input[str]]:
    logins = [settings.ssh_of(node) for node in settings.nodes]
    refs = [login.private_key for login in logins]
    refs += [login.bastion.private_key for login in logins if login.bastion]
    return {ref.secret: ref.resolve() for ref in refs if ref}


def _keep(opts: pulumi.ResourceOptions) -> pulumi.ResourceOptions:
    # a cluster whose token is lost cannot be joined, and its snapshots cannot be restored
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(ignore_changes=["bytes"]))
