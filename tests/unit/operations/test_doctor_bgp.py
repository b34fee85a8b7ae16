"""What `./homelab doctor` reports about BGP sessions."""

from typing import Any

import pytest

from components.layers.metallb.bgp import BgpSettings
from operations.checks.bgp import check_sessions
from operations.findings import Finding, State

SETTINGS = BgpSettings.model_validate(
    {"asn": 64512, "peers": [{"address": "10.0.0.1", "asn": 64513}, {"address": "fd00::1", "asn": 64513}]}
)
FIX = (
    "check that the router accepts BGP sessions from the node, with the node's ASN 64512, and that asn, port and "
    "password in metallb.bgp.peers are those of the router; `kubectl -n metallb-system exec frr-a -c frr -- vtysh -c "
    "'show bgp neighbors 10.0.0.1'` prints the reason of the last failure"
)


def pod(node: str, ready: str = "True", component: str = "frr-k8s") -> dict[str, Any]:
    return {
        "metadata": {"name": f"frr-{node}", "labels": {"app.kubernetes.io/component": component}},
        "spec": {"nodeName": node},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def session(node: str, peer: str, state: str) -> dict[str, Any]:
    return {"status": {"node": node, "peer": peer, "bgpStatus": state}}


IPV6 = session("a", "fd00-0000-0000-0000-0000-0000-0000-0001", "Established")


def found(pods: list[dict[str, Any]], *states: dict[str, Any]) -> list[Finding]:
    return list(check_sessions(SETTINGS, pods, states))


def test_established_sessions_of_all_peers_are_fine() -> None:
    findings = found([pod("a")], session("a", "10.0.0.1", "Established"), IPV6)
    assert [(each.check, each.state, each.says) for each in findings] == [
        ("BGP session of a with 10.0.0.1", State.FINE, "Established"),
        ("BGP session of a with fd00::1", State.FINE, "Established"),
    ]


@pytest.mark.parametrize(
    ("states", "says"),
    [
        ([session("a", "10.0.0.1", "Active")], "is Active, not Established: the router has no routes to a"),
        ([session("b", "10.0.0.1", "Established")], "has not started yet: the router has no routes to a"),
    ],
)
def test_a_session_that_is_not_established_is_wrong(states: list[dict[str, Any]], says: str) -> None:
    first, second = found([pod("a")], *states, IPV6)
    assert (first.state, first.says, first.fix) == (State.WRONG, says, FIX)
    assert second.state is State.FINE


def test_only_nodes_with_a_ready_pod_of_frr_have_sessions() -> None:
    assert found([pod("a", ready="False"), pod("b", component="speaker")], IPV6) == []
