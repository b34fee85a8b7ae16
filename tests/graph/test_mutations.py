"""The rules of the graph can fail: a program that breaks one is noticed."""

from collections.abc import Callable, Sequence
from typing import Any

import pulumi
import pytest

from components import provider_resources
from components.cluster import cluster, kubeconfig, node
from components.cluster.k3s import config
from components.cluster.node import Node
from components.provider_resources import Task
from tests.support import graph_rules
from tests.support.recorder import Recording, canary, config_of, record
from tests.support.settings_fixtures import ROOT

Patch = pytest.MonkeyPatch
CONFIG = config_of(ROOT / "tests/settings/valid/three-servers.yaml") | {"other": canary("other")}
CONFIG["cluster"] = CONFIG["cluster"] | {
    "registries": {"auth": {"registry.lan": {"username": "lab", "password": {"secret": "other"}}}}
}


def after(role: str, change: Callable[[Node, Sequence[pulumi.Resource]], Sequence[pulumi.Resource]]) -> Any:
    """Node's way to make tasks, with other dependencies for those of one role."""
    real = Node._task

    def make(self: Node, name: str, run: Any, after: Sequence[pulumi.Resource], **inputs: Any) -> Task:
        return real(self, name, run, change(self, after) if name.endswith(f"-{role}") else after, **inputs)

    return make


def join_before_the_cluster_is_founded(patch: Patch) -> None:
    patch.setattr(Node, "_task", after("join", lambda self, _: [self.prepared]))


def join_before_the_machine_is_prepared(patch: Patch) -> None:
    patch.setattr(Node, "_task", after("join", lambda _, tasks: tasks[1:]))


def join_one_after_the_other(patch: Patch) -> None:
    joined: list[pulumi.Resource] = []
    real = Node.join

    def join(self: Node, bootstrapped: Task) -> Task:
        joined.append(real(self, joined[-1] if joined else bootstrapped))  # type: ignore[arg-type]
        return joined[-1]  # type: ignore[return-value]

    patch.setattr(Node, "join", join)


def roll_while_others_join(patch: Patch) -> None:
    patch.setattr(Node, "_task", after("roll", lambda _, tasks: tasks[:1]))


def every_join_founds(patch: Patch) -> None:
    def join(self: Node, bootstrapped: Task) -> Task:
        variables = {**self._variables, "FOUND": "yes"}
        return self._task(f"{self.settings.name}-join", node.JOIN, [bootstrapped], run_once=True, variables=variables)

    patch.setattr(Node, "join", join)


def join_again_after_every_change(patch: Patch) -> None:
    real = Task.__init__

    def make(self: Task, *args: Any, **inputs: Any) -> None:
        real(self, *args, **(inputs | {"run_once": False}))

    patch.setattr(Task, "__init__", make)


def tasks_of_nodes_with_a_default_provider(patch: Patch) -> None:
    real = Node.__init__

    def make(self: Node, settings: Any, shared: Any, opts: pulumi.ResourceOptions, *servers: Any) -> None:
        real(self, settings, shared, pulumi.ResourceOptions(parent=opts.parent), *servers)

    patch.setattr(Node, "__init__", make)


def tasks_of_the_cluster_with_a_default_provider(patch: Patch) -> None:
    real = Task.__init__

    def make(self: Task, name: str, *args: Any, **inputs: Any) -> None:
        if name == "cluster-retire":
            inputs["opts"].provider = None
        real(self, name, *args, **inputs)

    patch.setattr(Task, "__init__", make)


def secrets_in_clear(patch: Patch) -> None:
    patch.setattr(pulumi.Output, "secret", staticmethod(pulumi.Output.from_input))


class Bare(pulumi.CustomResource):
    """A secret whose value is not marked as one."""

    value: pulumi.Output[str]

    def __init__(self, name: str, size: int, opts: pulumi.ResourceOptions, **_: Any) -> None:
        super().__init__("homelab:index:Secret", name, {"bytes": size, "value": None}, opts)


def kubeconfig_in_clear(patch: Patch) -> None:
    patch.setattr(kubeconfig, "RandomSecret", Bare)


def tokens_in_clear(patch: Patch) -> None:
    patch.setattr(cluster, "RandomSecret", Bare)


def registry_password_among_the_variables(patch: Patch) -> None:
    real = Node._install_variables

    def variables(self: Node) -> dict[str, Any]:
        return real(self) | {"CONFIG": pulumi.Output.unsecret(config.registries_yaml(self._shared.cluster))}

    patch.setattr(Node, "_install_variables", variables)


def private_key_in_clear(patch: Patch) -> None:
    def keys(self: Any, name: str, keys: Any, servers: Any, **more: Any) -> None:
        settings = pulumi.Output.unsecret(pulumi.Output.json_dumps({"keys": keys, "servers": servers}))
        pulumi.ProviderResource.__init__(self, "homelab", name, {"settings": settings}, more["opts"])

    patch.setattr(provider_resources.HomelabProvider, "__init__", keys)


def nowhere_in_clear(run: Recording) -> None:
    graph_rules.no_secret_is_in_plain_text(run, {canary("sshKey"), canary("other")})


MUTATIONS = (
    (join_before_the_cluster_is_founded, graph_rules.joining_follows_bootstrapping),
    (join_before_the_machine_is_prepared, graph_rules.joining_follows_bootstrapping),
    (join_one_after_the_other, graph_rules.all_join_at_once),
    (roll_while_others_join, graph_rules.servers_roll_when_all_have_joined),
    (roll_while_others_join, graph_rules.agents_roll_after_servers),
    (every_join_founds, graph_rules.the_first_server_bootstraps),
    (join_again_after_every_change, graph_rules.remembered_tasks_run_once),
    (tasks_of_nodes_with_a_default_provider, graph_rules.every_provider_is_explicit),
    (tasks_of_the_cluster_with_a_default_provider, graph_rules.every_provider_is_explicit),
    (secrets_in_clear, graph_rules.secrets_are_sealed),
    (kubeconfig_in_clear, graph_rules.secrets_are_sealed),
    (kubeconfig_in_clear, nowhere_in_clear),
    (tokens_in_clear, graph_rules.secrets_are_sealed),
    (registry_password_among_the_variables, nowhere_in_clear),
    (private_key_in_clear, nowhere_in_clear),
)


@pytest.mark.parametrize(
    ("mutation", "rule"), MUTATIONS, ids=[f"{change.__name__}-{rule.__name__}" for change, rule in MUTATIONS]
)
def test_is_noticed(mutation: Callable[[Patch], None], rule: Callable[[Recording], None], monkeypatch: Patch) -> None:
    rule(record(CONFIG))
    mutation(monkeypatch)
    run = record(CONFIG)
    with pytest.raises(AssertionError):
        rule(run)
