"""The configuration: what is accepted, and every message of what is not."""

from pathlib import Path
from typing import Any

import pytest

from components.cluster.k3s.options import AGENT_OPTIONS, RESERVED_OPTIONS, SAME_ON_SERVERS, SERVER_OPTIONS
from components.cluster.settings import ClusterSettings
from components.settings.model import SecretRef
from stacks import stackfile
from stacks.catalog import K3S_VERSION
from stacks.checks.warnings import lab_warnings
from stacks.settings import LabStack, SettingsError
from tests.support.nonsense import SECRET, check_reports_on_nonsense
from tests.support.settings_fixtures import (
    INVALID,
    ROOT,
    SAMPLE,
    SAMPLES,
    VALID,
    WARNED,
    expected_report,
    parse_fixture,
)


def named(path: Path) -> str:
    return path.stem


def cluster(name: str) -> ClusterSettings:
    return LabStack.read(ROOT / f"tests/settings/valid/{name}.yaml").cluster


def problems(config: dict[str, object], secrets: set[str] = frozenset()) -> list[str]:  # type: ignore[assignment]
    with pytest.raises(SettingsError) as caught:
        LabStack.parse(config, secrets, "lab")
    return str(caught.value).splitlines()


@pytest.mark.parametrize("file", [*VALID, SAMPLE], ids=named)
def test_valid_file_is_accepted(file: Path) -> None:
    assert LabStack.read(file).cluster.nodes


@pytest.mark.parametrize("file", INVALID, ids=named)
def test_invalid_file_gives_exactly_its_report(file: Path) -> None:
    assert expected_report(file), "the fixture states no message"
    with pytest.raises(SettingsError) as caught:
        parse_fixture(file)
    assert str(caught.value).splitlines() == expected_report(file)
    for problem in caught.value.problems:
        assert problem.path
        assert problem.reason
        assert problem.fix


@pytest.mark.parametrize("file", WARNED, ids=named)
def test_doubtful_file_gives_exactly_its_warnings(file: Path) -> None:
    assert expected_report(file), "the fixture states no warning"
    found = parse_fixture(file)
    assert list(map(str, lab_warnings(found.cluster, found.platform))) == expected_report(file)


@pytest.mark.parametrize("file", [*VALID, *SAMPLES], ids=named)
def test_valid_file_gives_no_warning(file: Path) -> None:
    found = LabStack.read(file)
    assert not list(lab_warnings(found.cluster, found.platform))


def test_there_are_enough_fixtures() -> None:
    assert len(INVALID) >= 100
    assert len(VALID) >= 6


def test_defaults_come_from_stack_catalog_and_first_server() -> None:
    found = cluster("three-servers")
    assert (found.name, found.k3s.version, found.lan) == ("three-servers", K3S_VERSION, "10.0.0.0/24")
    assert [node.name for node in found.servers] == ["a", "b", "c"]
    assert [node.name for node in found.agents] == ["d", "e"]


@pytest.mark.parametrize(
    ("name", "endpoint"),
    [
        ("one-server", ("10.0.0.11", 6443)),
        ("kube-vip", ("10.0.3.250", 6443)),
        ("external-balancer", ("balancer.example.com", 8443)),
        ("ipv6-only", ("fd00::240", 6443)),
        ("balancer", ("10.0.0.240", 7443)),
    ],
)
def test_endpoint(name: str, endpoint: tuple[str, int]) -> None:
    found = cluster(name)
    assert (found.endpoint_host, found.endpoint_port) == endpoint


def test_login_of_a_node_is_the_common_one_with_its_own_on_top() -> None:
    found = cluster("bastion")
    a, d, e = (found.ssh_of(node) for node in found.nodes)
    assert (a.user, a.port, a.sudo, a.agent, a.private_key) == ("pi", 22, True, False, SecretRef(secret="sshKey"))
    assert (d.user, d.port, d.sudo, d.agent, d.private_key) == ("root", 2200, False, True, None)
    assert a.bastion is not None
    assert a.bastion == d.bastion
    assert e.bastion is None


def test_addresses_are_canonical_and_in_the_order_of_families() -> None:
    assert cluster("ipv6-only").nodes[0].address == "fd00::11"
    assert cluster("dual-stack").nodes[0].addresses == ("10.0.0.11", "fd00::11")


def test_comment_of_a_host_key_is_dropped() -> None:
    raw = {"name": "a", "role": "agent", "address": "10.0.0.1"}
    key = cluster("one-server").nodes[0].host_key
    found = LabStack.parse(
        {
            "cluster": {
                "domain": "x.y",
                "ssh": {"user": "root", "agent": True},
                "nodes": [raw | {"role": "server", "hostKey": f"{key}  root@a "}],
            }
        },
        set(),
        "lab",
    )
    assert found.cluster.nodes[0].host_key == key


@pytest.mark.parametrize(
    "place",
    [
        {"ssh": {"user": "pi", "privateKey": SECRET}},
        {"ssh": {"user": "pi", "privateKey": {"secure": SECRET}}},
        {"ssh": {"user": "pi", "privateKey": {"secret": f"not a name: {SECRET}"}}},
        {"ssh": {"user": "pi", "privateKey": {"secret": SECRET}}},
        {"ssh": {"user": "pi", "privateKey": [SECRET]}},
        {"registries": {"auth": {"docker.io": {"username": "x", "password": SECRET}}}},
        {"k3s": {"mirror": f"https://user:{SECRET}@mirror.lan"}},
        {"k3s": {"options": {"token": SECRET, "vpn-auth": SECRET, "tokn": SECRET, "debug": SECRET}}},
        {"k3s": {"snapshots": {"s3": {"bucket": "abc", "accessKey": SECRET, "secretKey": SECRET}}}},
    ],
)
def test_no_message_holds_a_secret(place: dict[str, object]) -> None:
    assert not any(SECRET in line for line in problems({"cluster": place}))


def test_secret_inside_the_cluster_is_refused_without_a_word_of_it() -> None:
    lines = problems({"cluster": {"name": SECRET.upper(), "ssh": {"privateKey": SECRET}}}, {"cluster"})
    assert len(lines) == 1
    assert "homelab:cluster: contains an encrypted value" in lines[0]
    assert SECRET not in lines[0].lower()


def report(config: Any, secrets: set[str]) -> list[str]:
    """Return the report on a configuration, empty if it is accepted."""
    try:
        LabStack.parse(config, secrets, "lab")
    except SettingsError as error:
        return str(error).splitlines()
    return []


@pytest.mark.parametrize("file", VALID, ids=named)
def test_any_nonsense_anywhere_ends_in_a_report(file: Path) -> None:
    config, secrets = stackfile.read(file)
    check_reports_on_nonsense(config, lambda changed: report(changed, secrets))


def test_owned_options_are_options_and_shared_ones_are_free() -> None:
    assert set(RESERVED_OPTIONS) <= set(SERVER_OPTIONS) | set(AGENT_OPTIONS)
    assert set(SERVER_OPTIONS) - set(RESERVED_OPTIONS) >= SAME_ON_SERVERS
    assert not SAME_ON_SERVERS & set(AGENT_OPTIONS)
