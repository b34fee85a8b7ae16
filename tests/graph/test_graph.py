"""The real program on every valid configuration: what it registers, in which order, and what is secret."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stacks.settings import LabStack
from tests.support import graph_rules
from tests.support.envelopes import unsealed
from tests.support.recorder import MACHINES, Recording, canary, config_of, record
from tests.support.settings_fixtures import ROOT, SAMPLE, VALID

FILES = [*VALID, SAMPLE]
THREE = ROOT / "tests/settings/valid/three-servers.yaml"
ORDER: tuple[Callable[[Recording], None], ...] = (
    graph_rules.machines_are_prepared_at_once,
    graph_rules.settings_of_machines_come_first,
    graph_rules.packages_of_agents_are_upgraded_after_those_of_servers,
    graph_rules.the_first_server_bootstraps,
    graph_rules.joining_follows_bootstrapping,
    graph_rules.all_join_at_once,
    graph_rules.servers_roll_when_all_have_joined,
    graph_rules.agents_roll_after_servers,
    graph_rules.remembered_tasks_run_once,
    graph_rules.retirement_and_kubeconfig_follow_rolls,
    graph_rules.every_provider_is_explicit,
    graph_rules.secrets_are_sealed,
)


@pytest.fixture(scope="module", params=[(file, preview) for file in FILES for preview in (False, True)],
                ids=lambda given: f"{given[0].stem}{'-preview' if given[1] else ''}")  # fmt: skip
def case(request: pytest.FixtureRequest) -> tuple[Path, Recording]:
    file, preview = request.param
    return file, record(config_of(file), preview=preview)


@pytest.mark.parametrize("rule", ORDER, ids=lambda rule: rule.__name__)
def test_graph_keeps(rule: Callable[[Recording], None], case: tuple[Path, Recording]) -> None:
    rule(case[1])


def test_turns(case: tuple[Path, Recording]) -> None:
    graph_rules.turns_limit_disruption(case[1], LabStack.read(case[0]).cluster.max_unavailable)


def test_secrets_are_nowhere_in_clear(case: tuple[Path, Recording]) -> None:
    canaries = {value for name, value in config_of(case[0]).items() if value == canary(name)}
    graph_rules.no_secret_is_in_plain_text(case[1], canaries)


def test_every_node_is_there_once_and_outputs_are_whole(case: tuple[Path, Recording]) -> None:
    file, run = case
    nodes = [node.name for node in LabStack.read(file).cluster.nodes]
    assert [each["name"] for each in run.stack_outputs["nodes"]] == nodes
    assert sorted(run.tasks_of_role("join")) == sorted(nodes)
    assert run.stack_outputs.keys() >= {"name", "domain", "endpoint", "kubeconfig", "nodes", "version"}


def test_every_component_registers_its_outputs(case: tuple[Path, Recording]) -> None:
    components = {each.urn for each in case[1].registered if not each.custom}
    assert components <= case[1].outputs.keys()


def test_every_script_is_there(case: tuple[Path, Recording]) -> None:
    steps = [step for task in case[1].tasks for step in (*task.plain["run"], *task.plain["undo"])]
    assert all((ROOT / "components/scripts" / step["script"]).is_file() for step in steps)


def changed(before: Recording, after: Recording) -> dict[str, set[str]]:
    """Resources of both runs -> which of their inputs differ, those of tasks one level deeper."""
    found: dict[str, set[str]] = {}
    for urn, old in before.resources_by_urn.items():
        new = after.resources_by_urn.get(urn)
        if new and old.inputs != new.inputs:
            found[old.name] = set(differing(old.plain, new.plain))
    return found


def differing(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    if keys == ["variables"]:
        return differing(old["variables"], new["variables"])
    return keys


def with_nodes(index: int, *nodes: dict[str, Any]) -> Recording:
    config = copy.deepcopy(config_of(THREE))
    config["cluster"]["nodes"][index:index] = nodes
    return record(config)


def node(name: str, role: str, last: int) -> dict[str, Any]:
    samples = LabStack.read(SAMPLE).cluster.nodes
    return {"name": name, "role": role, "address": f"10.0.0.{last}", "hostKey": samples[last % 10].host_key}


@pytest.mark.parametrize("index", [0, 3, 5])
def test_another_agent_changes_nothing_else(index: int) -> None:
    before, after = record(config_of(THREE)), with_nodes(index, node("new", "agent", 30))
    assert changed(before, after) == {"cluster-machines": {"settings"}}
    gone = before.resources_by_urn.keys() - after.resources_by_urn.keys()
    assert not gone
    new = {after.resources_by_urn[urn].name for urn in after.resources_by_urn.keys() - before.resources_by_urn.keys()}
    assert new == {"new", "new-prepare", "new-join", "new-roll"}


def test_other_servers_change_who_their_peers_are_and_nothing_else() -> None:
    before, after = record(config_of(THREE)), with_nodes(1, node("x", "server", 30), node("y", "server", 31))
    peers = {f"{name}-{role}": {"PEERS"} for name in "abcde" for role in ("join", "roll")}
    peers |= {"cluster-found": {"PEERS"}, "cluster-machines": {"settings"}}
    assert changed(before, after) == peers | {f"{name}-prepare": {"KEEPALIVED", "PEERS"} for name in "abc"}


def test_a_balancer_comes_to_the_servers_first_and_then_everyone_is_told_its_port() -> None:
    config = copy.deepcopy(config_of(THREE))
    before = record(config)
    config["cluster"]["api"]["balancer"] = "haproxy"
    found = changed(before, record(config))
    assert {found.pop(f"{name}-prepare") == {"PACKAGES", "HAPROXY", "CHECK"} for name in "abc"} == {True}
    told = {f"{name}-{role}": {"CONFIG", "ENDPOINT"} for name in "abcde" for role in ("join", "roll")}
    assert found == told | {"cluster-found": {"CONFIG", "ENDPOINT"}, "cluster-kubernetes": {"kubeconfig"}}


def test_settings_of_machines_add_tasks_and_change_no_other() -> None:
    config = copy.deepcopy(config_of(THREE))
    before = record(config)
    config["cluster"]["machine"] = {"timezone": "Europe/Berlin"}
    config["cluster"]["nodes"][1]["machine"] = {"packages": ["htop"]}
    after = record(config)
    assert changed(before, after) == {}
    new = {after.resources_by_urn[urn].name for urn in after.resources_by_urn.keys() - before.resources_by_urn.keys()}
    assert new == {f"{name}-machine" for name in "abcde"}
    assert "PACKAGES" not in after.tasks_of_role("machine")["a"].plain["variables"]


def test_a_package_upgrade_adds_tasks_and_another_text_changes_only_them() -> None:
    config = copy.deepcopy(config_of(THREE))
    before = record(config)
    config["cluster"]["machine"] = {"packageUpgrade": "2026-11"}
    first = record(config)
    assert changed(before, first) == {}
    new = {first.resources_by_urn[urn].name for urn in first.resources_by_urn.keys() - before.resources_by_urn.keys()}
    assert new == {f"{name}-package-upgrade" for name in "abcde"}
    config["cluster"]["machine"] = {"packageUpgrade": "2026-12"}
    assert changed(first, record(config)) == {name: {"UPGRADE"} for name in new}


def test_another_login_changes_no_task_but_its_way() -> None:
    config = copy.deepcopy(config_of(THREE))
    config["cluster"]["ssh"] |= {"port": 2222}
    found = changed(record(config_of(THREE)), record(config))
    assert found.pop("cluster-machines") == {"settings"}
    assert all(keys == {"machine"} for keys in found.values())


def test_another_name_of_the_cluster_is_written_into_the_kubeconfig_and_nothing_else() -> None:
    config = copy.deepcopy(config_of(THREE))
    before = record(config)
    config["cluster"]["name"] = "other"
    after = record(config)
    assert before.resources_by_urn.keys() == after.resources_by_urn.keys()
    assert changed(before, after) == {"cluster-kubernetes": {"kubeconfig"}}


def test_another_first_server_founds_no_second_cluster() -> None:
    config = copy.deepcopy(config_of(THREE))
    before = record(config)
    config["cluster"]["nodes"].reverse()
    after = record(config)
    assert before.resources_by_urn.keys() == after.resources_by_urn.keys()
    assert after.tasks_of_role("found")["c"].plain["once"], "it happened before, so it does not again"


def test_private_keys_are_with_the_provider_alone() -> None:
    run = record(config_of(ROOT / "tests/settings/valid/bastion.yaml"))
    for resource in run.registered:
        held = canary("sshKey") in str(unsealed(resource.inputs)), canary("jumpKey") in str(unsealed(resource.inputs))
        assert held == ((True, True) if resource.type == MACHINES else (False, False)), resource.name


def test_authority_vouches_for_machines_and_bastions_where_there_is_one() -> None:
    run, without = (record(config_of(ROOT / f"tests/settings/valid/{name}.yaml")) for name in ("bastion", "kube-vip"))
    for task in run.tasks:
        machine = task.plain["machine"]
        for hop in (machine, machine.get("bastion", machine)):
            assert hop["hostAuthority"].split()[0] == "ssh-ed25519"
            assert len(hop["hostAuthority"].split()) == 2
    assert not [task.name for task in without.tasks if "hostAuthority" in task.plain["machine"]]
