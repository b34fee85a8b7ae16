"""Pulumi component `Cluster`: builds a K3s cluster from machines in a fixed order, and provides access to its API."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pulumi
import pulumi_kubernetes as kubernetes

from components.cluster.connection import connection_settings
from components.cluster.host_requirements import NO_REQUIREMENTS, HostRequirements
from components.cluster.kubeconfig import ADMIN, APPS, Rights, create_kubeconfigs
from components.cluster.node import DRIFT_CHECKS, ClusterInputs, Node
from components.cluster.settings import ClusterSettings
from components.provider_resources import HomelabProvider, RandomSecret, Task, step

TOKEN_BYTES = 32
IDENTITY_BYTES = 8


@dataclass(frozen=True)
class ClusterAccess:
    """Access to a cluster: Pulumi providers for the Kubernetes API and for the machines, and the SSH connections."""

    kubernetes_provider: kubernetes.Provider
    homelab_provider: HomelabProvider
    identity: pulumi.Output[str]
    """Random ID of the cluster. homelab stores the ID of the cluster on every machine."""
    first_server: Mapping[str, object]
    connections: Mapping[str, Mapping[str, object]]
    """SSH connection settings of each machine, by node name."""
    prior_tasks: tuple[pulumi.Resource, ...]
    """Pulumi resources on which the Helm charts depend, such as the tasks that configure the nodes."""


class Cluster(pulumi.ComponentResource):
    """A K3s cluster.

    `pulumi up` prepares all machines in parallel. The first server bootstraps the cluster with one etcd member. After
    the bootstrap, all other machines join the cluster, several at the same time. `pulumi up` applies later changes to
    one server after another, and then to the agents. No Pulumi resource name contains the cluster's name, so Pulumi
    replaces no resource when you rename the cluster.
    """

    def __init__(
        self,
        settings: ClusterSettings,
        kube_vip: str,
        app_rights: Rights,
        host: HostRequirements = NO_REQUIREMENTS,
        flags: Sequence[str] = (),
    ) -> None:
        super().__init__("homelab:components:Cluster", "cluster")
        reach = {node.name: connection_settings(node, settings.ssh_of(node)) for node in settings.nodes}
        machines = HomelabProvider(
            "cluster-machines",
            keys=_private_keys(settings),
            servers=[reach[server.name] for server in settings.servers],
            agents=[reach[agent.name] for agent in settings.agents],
            drift_checks=DRIFT_CHECKS,
            flags=flags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        opts = pulumi.ResourceOptions(parent=self, provider=machines)
        self.identity = RandomSecret("cluster-identity", IDENTITY_BYTES, _immutable(opts)).value
        generation = settings.k3s.rotation.token
        self.token = RandomSecret("cluster-token", TOKEN_BYTES, _immutable(opts), generation=generation).value
        shared = ClusterInputs(
            settings,
            kube_vip,
            host,
            identity=self.identity,
            token=self.token,
            agent_token=RandomSecret("cluster-agent-token", TOKEN_BYTES, _immutable(opts), generation=generation).value,
        )
        nodes = self._create_nodes(shared, pulumi.ResourceOptions(parent=self, providers=[machines]))
        first = reach[settings.servers[0].name]
        settled = self._assemble(nodes, partial(self._rotate_tokens, first, shared, opts))
        rendered = create_kubeconfigs(
            settings, first, shared.identity, opts, settled[: len(settings.servers)], app_rights=app_rights
        )
        self.kubeconfig, self.app_kubeconfig = rendered[ADMIN].text, rendered[APPS]
        provider = kubernetes.Provider(
            "cluster-kubernetes",
            kubeconfig=self.kubeconfig,
            cluster_identifier="cluster",
            upsert_existing_objects=True,  # adopts objects that an interrupted Pulumi run did not record in its state
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.access = ClusterAccess(provider, machines, self.identity, first, reach, tuple(settled))
        self.register_outputs({"kubeconfig": self.kubeconfig})

    @staticmethod
    def _create_nodes(shared: ClusterInputs, opts: pulumi.ResourceOptions) -> list[Node]:
        """Create the nodes. Agents upgrade their packages only after all servers have upgraded theirs."""
        servers = [Node(server, shared, opts) for server in shared.cluster.servers]
        upgraded = [task for server in servers for task in server.upgraded]
        return [*servers, *(Node(agent, shared, opts, upgraded) for agent in shared.cluster.agents)]

    @staticmethod
    def _assemble(nodes: list[Node], rotate: Callable[[list[Task]], Task]) -> list[Task]:
        """Create the Pulumi tasks that bootstrap the cluster, join machines, rotate the join tokens and roll nodes.

        Return the tasks that roll nodes (first of the servers, then of the agents), and the tasks that run commands.
        """
        servers = [node for node in nodes if node.settings.role == "server"]
        agents = [node for node in nodes if node.settings.role == "agent"]
        bootstrapped = servers[0].bootstrap()
        joined = {node.settings.name: node.join(bootstrapped) for node in nodes}
        all_servers = [joined[server.settings.name] for server in servers]
        settled = [*all_servers, rotate(all_servers)]
        rolled = [server.roll(settled) for server in servers]
        rolled += [agent.roll([*rolled, joined[agent.settings.name]]) for agent in agents]
        changed = zip([*servers, *agents], rolled, strict=True)
        return rolled + [task for node, roll in changed for task in node.run_commands("afterK3s", [roll])]

    @staticmethod
    def _rotate_tokens(
        first: Mapping[str, object], shared: ClusterInputs, parent: pulumi.ResourceOptions, joined: list[Task]
    ) -> Task:
        opts = pulumi.ResourceOptions.merge(parent, pulumi.ResourceOptions(depends_on=joined))
        secrets = {"TOKEN": shared.token, "AGENT_TOKEN": shared.agent_token}
        return Task(
            "cluster-tokens", first, [step("cluster/rotate-tokens.sh", on="server")], cluster=shared.identity,
            variables={"VERSION": shared.cluster.k3s.version}, secrets=secrets, opts=opts,
        )  # fmt: skip

    def mark_on_destroy(self, resources: Sequence[pulumi.Resource]) -> None:
        """Create the task that `pulumi destroy` deletes first.

        The undo step of the task marks the cluster for destruction, so nodes leave the cluster without a drain.
        """
        after = [*self.access.prior_tasks, *resources]
        opts = pulumi.ResourceOptions(parent=self, provider=self.access.homelab_provider, depends_on=after)
        clear_mark = step("cluster/clear-destroy-marker.sh", on="servers")
        set_mark = step("cluster/set-destroy-marker.sh", on="servers")
        Task(
            "cluster-retire", self.access.first_server, [clear_mark], cluster=self.identity, undo=[set_mark], opts=opts
        )


def _private_keys(settings: ClusterSettings) -> dict[str, pulumi.Input[str]]:
    logins = [settings.ssh_of(node) for node in settings.nodes]
    refs = [login.private_key for login in logins]
    refs += [login.bastion.private_key for login in logins if login.bastion]
    return {ref.secret: ref.resolve() for ref in refs if ref}


def _immutable(opts: pulumi.ResourceOptions) -> pulumi.ResourceOptions:
    # do not replace these secrets if `bytes` changes: joining nodes and restored etcd snapshots need the original token
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(ignore_changes=["bytes"]))
