"""Cluster: the order in which machines become one, and the way to its API."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pulumi
import pulumi_kubernetes as kubernetes

from components.host import NOTHING, Host
from components.kubeconfig import ADMIN, APPS, kubeconfigs
from components.lab import ClusterSettings
from components.machine import Machines, Secret, Task, step
from components.node import PROBES, Node, Shared
from components.reach import machine

TOKEN_BYTES = 32
IDENTITY_BYTES = 8


@dataclass(frozen=True)
class Access:
    """How others reach the cluster: its API, and a machine in whose name tasks run on its servers."""

    kubernetes: kubernetes.Provider
    machines: Machines
    identity: pulumi.Output[str]
    """What tells this cluster from any other, on every machine of it."""
    machine: Mapping[str, object]
    reach: Mapping[str, Mapping[str, object]]
    """Every machine by its node's name."""
    ready: tuple[pulumi.Resource, ...]
    """What must be done before anything is put into the cluster: every machine is as described."""


class Cluster(pulumi.ComponentResource):
    """A K3s cluster.

    All machines are prepared at once. The first server founds the cluster; then all others join, several at once.
    Later changes go through the servers one by one, and after them through the agents. No resource has
    the cluster's name or a node's but the nodes' own: to rename the cluster must not make another one.
    """

    def __init__(
        self, settings: ClusterSettings, kube_vip: str, host: Host = NOTHING, flags: Sequence[str] = ()
    ) -> None:
        super().__init__("homelab:components:Cluster", "cluster")
        reach = {node.name: machine(node, settings.ssh_of(node)) for node in settings.nodes}
        machines = Machines(
            "cluster-machines",
            keys=_private_keys(settings),
            servers=[reach[server.name] for server in settings.servers],
            agents=[reach[agent.name] for agent in settings.agents],
            probes=PROBES,
            flags=flags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        own = pulumi.ResourceOptions(parent=self, provider=machines)
        self.identity = Secret("cluster-identity", IDENTITY_BYTES, _keep(own)).value
        generation = settings.k3s.rotation.token
        self.token = Secret("cluster-token", TOKEN_BYTES, _keep(own), generation=generation).value
        shared = Shared(
            settings,
            kube_vip,
            host,
            identity=self.identity,
            token=self.token,
            agent_token=Secret("cluster-agent-token", TOKEN_BYTES, _keep(own), generation=generation).value,
        )
        nodes = [
            Node(node, shared, pulumi.ResourceOptions(parent=self, providers=[machines])) for node in settings.nodes
        ]
        first = reach[settings.servers[0].name]
        settled = self._assemble(nodes, partial(self._rotate_tokens, first, shared, own))
        made = kubeconfigs(settings, first, shared.identity, own, settled[: len(settings.servers)])
        self.kubeconfig, self.app_kubeconfig = made[ADMIN].text, made[APPS]
        provider = kubernetes.Provider(
            "cluster-kubernetes",
            kubeconfig=self.kubeconfig,
            cluster_identifier="cluster",
            upsert_existing_objects=True,  # what a run that was interrupted made, and its state does not know
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.access = Access(provider, machines, self.identity, first, reach, tuple(settled))
        self.register_outputs({"kubeconfig": self.kubeconfig})

    @staticmethod
    def _assemble(nodes: list[Node], rotate: Callable[[list[Task]], Task]) -> list[Task]:
        """Found, join, rotate and roll. Returns the rolls, the servers' first."""
        servers = [node for node in nodes if node.settings.role == "server"]
        agents = [node for node in nodes if node.settings.role == "agent"]
        founded = servers[0].found()
        joined = {node.settings.name: node.join(founded) for node in nodes}
        all_servers = [joined[server.settings.name] for server in servers]
        settled = [*all_servers, rotate(all_servers)]
        rolled = [server.roll(settled) for server in servers]
        return rolled + [agent.roll([*rolled, joined[agent.settings.name]]) for agent in agents]

    @staticmethod
    def _rotate_tokens(
        first: Mapping[str, object], shared: Shared, own: pulumi.ResourceOptions, joined: list[Task]
    ) -> Task:
        opts = pulumi.ResourceOptions.merge(own, pulumi.ResourceOptions(depends_on=joined))
        secrets = {"TOKEN": shared.token, "AGENT_TOKEN": shared.agent_token}
        return Task(
            "cluster-tokens", first, [step("tokens.sh", on="server")], cluster=shared.identity,
            variables={"VERSION": shared.cluster.k3s.version}, secrets=secrets, opts=opts,
        )  # fmt: skip

    def leave_first(self, everything: Sequence[pulumi.Resource]) -> None:
        """Deleted before everything else when the whole lab goes: then nothing need be moved or kept."""
        after = [*self.access.ready, *everything]
        opts = pulumi.ResourceOptions(parent=self, provider=self.access.machines, depends_on=after)
        keep, retire = step("keep.sh", on="servers"), step("retire.sh", on="servers")
        Task("cluster-retire", self.access.machine, [keep], cluster=self.identity, undo=[retire], opts=opts)


def _private_keys(settings: ClusterSettings) -> dict[str, pulumi.Input[str]]:
    logins = [settings.ssh_of(node) for node in settings.nodes]
    refs = [login.private_key for login in logins]
    refs += [login.bastion.private_key for login in logins if login.bastion]
    return {ref.secret: ref.resolve() for ref in refs if ref}


def _keep(opts: pulumi.ResourceOptions) -> pulumi.ResourceOptions:
    # a cluster whose token is lost cannot be joined, and its snapshots cannot be restored
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(ignore_changes=["bytes"]))
