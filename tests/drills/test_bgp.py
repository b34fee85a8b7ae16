"""MetalLB's BGP mode with the real FRR, and BIRD as the router. The tests depend on their order."""

import json
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from bench.labs import stack_document
from rehearsal.artefacts import PODINFO
from tests.drills.measurements import Recorder
from tests.drills.router import ADDRESS, ASN, Router, router
from tests.rehearsal.rehearsed_lab import RehearsedLab, longest_outage, rehearse, wait_until

pytestmark = pytest.mark.drill

CLUSTER_ASN = 64512
PASSWORD = "rehearsal-bgp"
"""A rehearsal's value of the secret `bgp`."""
SECRET = {"secure": "v1:c2FtcGxl:c2FtcGxl"}
SERVICE = "10.9.8.1"
"""The first address of the pool, which is not in the LAN: a client needs a route to it."""
NODES = {"s1": "10.9.0.11", "a1": "10.9.0.21", "a2": "10.9.0.22"}
HOLD_TIME = 9  # seconds
SPREAD = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}
LABELS = {"app": "web"}


def platform(**peer: Any) -> dict[str, Any]:
    peers = [{"address": ADDRESS, "asn": ASN, "password": {"secret": "bgp"}, "holdTime": HOLD_TIME, **peer}]
    return {"metallb": {"addresses": ["10.9.8.0/28"], "bgp": {"asn": CLUSTER_ASN, "peers": peers}}}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    document = stack_document(1, 2)
    document["config"] |= {"homelab:platform": platform(), "homelab:bgp": SECRET}
    with rehearse("bgp", document, tmp_path_factory.mktemp("bgp")) as found:
        yield found


@pytest.fixture(scope="module")
def bird(lab: RehearsedLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    found = router(lab.lab, tmp_path_factory.mktemp("router"), NODES)
    with found.running(CLUSTER_ASN, PASSWORD):
        yield found


def create_app(lab: RehearsedLab) -> None:
    """Run one pod of podinfo on each agent, behind a Service that only nodes with a pod announce."""
    pod = {
        "nodeSelector": {"web": "true"},
        "topologySpreadConstraints": [SPREAD | {"labelSelector": {"matchLabels": LABELS}}],
        "containers": [
            {"name": "web", "image": PODINFO, "readinessProbe": {"httpGet": {"path": "/readyz", "port": 9898}}}
        ],
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS}, "spec": pod},
        },
    }
    ports = [{"port": 80, "targetPort": 9898}]
    spec = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "selector": LABELS, "ports": ports}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}
    lab.kubectl("label", "nodes", "a1", "a2", "web=true")
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": [deployment, service]})
    lab.run_as_root("s1", f"k3s kubectl apply -f - <<'END'\n{listed}\nEND")
    lab.kubectl("rollout", "status", "deployment/web", "--timeout=120s")


def sessions(lab: RehearsedLab, code: int) -> dict[str, dict[str, str]]:
    """Return what `./homelab doctor` reports about BGP sessions, by the name of the check."""
    output = lab.homelab("doctor", "--json", code=code)
    reports = json.loads(output[output.index("{\n") :])["reports"]
    findings = next(report["findings"] for report in reports if report["name"] == "metallb")
    return {found["check"]: found for found in findings if found["check"].startswith("BGP session")}


def wait_for_sessions(bird: Router, nodes: set[str]) -> None:
    wait_until(lambda: bird.established() == nodes, f"the router has BGP sessions with {nodes or 'no node'}")


def answers(bird: Router) -> bool:
    return '"hostname"' in bird.get(SERVICE, "/api/info")


def test_all_nodes_have_sessions(lab: RehearsedLab, bird: Router) -> None:
    lab.up()
    wait_for_sessions(bird, set(NODES))
    lab.up_changes_nothing()


def test_a_client_behind_the_router_reaches_a_pod(lab: RehearsedLab, bird: Router) -> None:
    assert bird.next_hop(SERVICE) is None
    create_app(lab)
    wait_until(lambda: bird.next_hop(SERVICE) in ("a1", "a2"), "the router has a route")
    wait_until(lambda: answers(bird), "a pod answers the router")


def test_doctor_lists_the_sessions(lab: RehearsedLab) -> None:
    # frr-k8s updates the states of the sessions that doctor reads some seconds after the sessions themselves
    states = ("get", "bgpsessionstates.frrk8s.metallb.io", "-A", "-o", "jsonpath={.items[*].status.bgpStatus}")
    wait_until(lambda: set(lab.kubectl(*states).split()) == {"Established"}, "the states are up to date", 60)
    found = sessions(lab, code=0)
    assert found.keys() == {f"BGP session of {name} with {ADDRESS}" for name in NODES}
    assert {finding["says"] for finding in found.values()} == {"Established"}


def test_another_node_takes_over(lab: RehearsedLab, bird: Router, record: Recorder) -> None:
    lost = bird.next_hop(SERVICE)
    assert lost

    def cut() -> None:
        lab.lab.power_off(lost)
        wait_until(lambda: bird.next_hop(SERVICE) not in (lost, None), "the router uses another node")
        wait_until(lambda: answers(bird), "the pod of the other node answers")

    gap = longest_outage(lambda: answers(bird), cut)
    record(f"power of the node that receives traffic through BGP, holdTime {HOLD_TIME}", f"gap {gap:.1f} s")
    assert gap < HOLD_TIME + 5
    lab.power_on(lost)
    wait_for_sessions(bird, set(NODES))


def check_doctor_finds(lab: RehearsedLab, *states: str) -> None:
    """Check that doctor reports all sessions as not established, each in one of the states."""
    wanted = {f"is {state}, not Established: the router has no routes to {name}" for state in states for name in NODES}
    wait_until(lambda: reported(lab) <= wanted, "doctor reports that no session is established", 60)


def reported(lab: RehearsedLab) -> set[str]:
    return {finding["says"] for finding in sessions(lab, code=1).values()}


def test_another_password_ends_the_sessions(lab: RehearsedLab, bird: Router) -> None:
    bird.configure(CLUSTER_ASN, "another")
    wait_for_sessions(bird, set())
    assert bird.next_hop(SERVICE) is None
    assert not answers(bird)
    check_doctor_finds(lab, "Connect", "Active", "Idle")


def test_another_asn_ends_the_sessions(lab: RehearsedLab, bird: Router) -> None:
    bird.configure(CLUSTER_ASN, PASSWORD, own_asn=64999)
    wait_until(lambda: "Notification sent (OPEN Message Error/Bad Peer AS)" in failure(lab), "FRR has the reason")
    assert bird.established() == set()
    check_doctor_finds(lab, "Connect", "Active", "Idle", "OpenSent")


def failure(lab: RehearsedLab) -> str:
    """Run the command in the fix of `./homelab doctor` on the server; return its output."""
    fixes = (
        finding["fix"] for check, finding in sessions(lab, code=1).items() if check.startswith("BGP session of s1")
    )
    command = next(fixes).partition("`kubectl ")[2].partition("`")[0]
    return lab.kubectl(*shlex.split(command))


def test_sessions_return(lab: RehearsedLab, bird: Router) -> None:
    bird.configure(CLUSTER_ASN, PASSWORD)
    wait_for_sessions(bird, set(NODES))
    wait_until(lambda: answers(bird), "a pod answers the router")


def test_a_deleted_service_has_no_route(lab: RehearsedLab, bird: Router) -> None:
    lab.kubectl("delete", "service", "web")
    wait_until(lambda: bird.next_hop(SERVICE) is None, "the route is withdrawn")
    assert bird.established() == set(NODES)


def test_layer_2_replaces_bgp(lab: RehearsedLab, bird: Router) -> None:
    del lab.document["config"]["homelab:bgp"]
    lab.document["config"]["homelab:platform"] = {"metallb": {"addresses": ["10.9.0.200-10.9.0.209"]}}
    lab.reopen()
    lab.up()
    wait_for_sessions(bird, set())
    assert "frr" not in lab.kubectl("get", "pods", "-n", "metallb-system", "-o", "name")
    lab.up_changes_nothing()
