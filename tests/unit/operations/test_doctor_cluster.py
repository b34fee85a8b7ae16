"""What `./homelab doctor` concludes from what the cluster's API says of it and of its layers."""

from typing import Any

import pytest

from operations.checks import certificates, cluster, layer, webhooks
from operations.findings import Report, State, any_wrong
from stacks.settings import LabStack
from tests.support.settings_fixtures import ROOT

LAB = LabStack.read(ROOT / "tests/settings/valid/three-servers.yaml").cluster
NODE = LAB.nodes[0]


def condition(kind: str, status: str, message: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, "message": message}


def node(name: str, *conditions: dict[str, str], **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": spec, "status": {"conditions": list(conditions)}}


def whole() -> dict[str, dict[str, Any]]:
    both = (condition("Ready", "True"), condition("EtcdIsVoter", "True"), condition("DiskPressure", "False"))
    return {each.name: node(each.name, *both) for each in LAB.nodes}


@pytest.mark.parametrize(
    ("changed", "check", "says"),
    [
        (None, NODE.name, "the cluster does not have this node"),
        (node(NODE.name, condition("Ready", "Unknown", "stopped posting")), NODE.name, "is not Ready: stopped posting"),
        (node(NODE.name, condition("Ready", "True"), unschedulable=True), NODE.name, "cordoned"),
        (node(NODE.name, condition("Ready", "True"), condition("DiskPressure", "True")), NODE.name, "DiskPressure"),
        (node(NODE.name, condition("Ready", "True")), "etcd", f"not voting members: {NODE.name}"),
        (node("stranger", condition("Ready", "True")), "stranger", "but the stack file does not"),
    ],
)
def test_what_is_wrong_with_the_cluster(changed: dict[str, Any] | None, check: str, says: str) -> None:
    nodes = whole()
    assert not any_wrong([Report("cluster", "lab", tuple(cluster.check(LAB, nodes.values())))])
    if changed is None:
        del nodes[NODE.name]
    else:
        nodes[changed["metadata"]["name"]] = changed
    found = {each.check: each for each in cluster.check(LAB, nodes.values()) if each.state is State.WRONG}
    assert says in found[check].says
    assert found[check].fix


def record(name: str, status: str, version: int) -> dict[str, Any]:
    return {"metadata": {"labels": {"name": name, "status": status, "version": str(version)}}}


def test_the_latest_record_of_a_release_counts() -> None:
    records = [record("a", "superseded", 9), record("a", "deployed", 10), record("b", "deployed", 1)]
    records += [record("b", "pending-upgrade", 2), record("d", "failed", 1)]
    found = {each.check: each for each in layer.check_releases("abcd", records)}
    assert {name: each.state for name, each in found.items()} == {
        "release a": State.FINE, "release b": State.WRONG, "release c": State.WRONG, "release d": State.WRONG,
    }  # fmt: skip
    assert "pending-upgrade at revision 2" in found["release b"].says
    assert found["release c"].says == "is not installed"


def pod(phase: str, *conditions: dict[str, str], **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p"}, "status": {"phase": phase, "conditions": list(conditions), **status}}


@pytest.mark.parametrize(
    ("given", "state", "says"),
    [
        (pod("Running", condition("Ready", "True")), State.FINE, "1 healthy"),
        (pod("Succeeded"), State.FINE, "1 healthy"),
        (pod("Failed", reason="Evicted"), State.NOTE, "failed: Evicted"),
        (pod("Pending", condition("PodScheduled", "False", "0/3 nodes")), State.WRONG, "0/3 nodes"),
        (
            pod("Running", containerStatuses=[{"name": "c", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]),
            State.WRONG,
            "c: CrashLoopBackOff",
        ),
    ],
)
def test_pods(given: dict[str, Any], state: State, says: str) -> None:
    (found,) = layer.check_pods("ns", [given])
    assert found.state is state
    assert says in found.says


def test_an_object_that_says_it_is_not_in_order() -> None:
    ready = {"status": {"conditions": [condition("Ready", "False", "no account")]}}
    assert layer.check_object("ClusterIssuer", "ca", None).says == "does not exist"
    assert layer.check_object("ClusterIssuer", "ca", ready).says == "is not Ready: no account"
    assert layer.check_object("ClusterIssuer", "ca", {"spec": {}}).state is State.FINE
    assert layer.check_object("ClusterIssuer", "ca", ready).fix == "run `kubectl describe clusterissuer ca`"
    within = {"metadata": {"namespace": "web"}} | ready
    assert layer.check_object("Certificate", "a", within).fix == "run `kubectl -n web describe certificate a`"


def certificate(name: str, *conditions: dict[str, str]) -> dict[str, Any]:
    spec = {"dnsNames": ["lab.test", f"*.{name}.lab.test"]}
    return {"metadata": {"namespace": "web", "name": name}, "spec": spec, "status": {"conditions": list(conditions)}}


def challenge(reason: str, host: str = "shop.lab.test", namespace: str = "web", state: str = "pending") -> Any:
    metadata, spec = {"namespace": namespace, "name": "shop-1-2-3"}, {"type": "DNS-01", "dnsName": host}
    return {"metadata": metadata, "spec": spec, "status": {"reason": reason, "state": state}}


MISSING = condition("Ready", "False", "Issuing certificate as Secret does not exist")
FAILED = {**condition("Issuing", "False", "order is invalid"), "reason": "Failed"}
OTHERS = [challenge("x", "lab.other"), challenge("x", namespace="b"), challenge("x", state="valid"), challenge("")]
TSIG = (
    "compare tsigKeyName, tsigAlgorithm and tsigSecret under certManager.acme.rfc2136 with the DNS server's key; "
    "the DNS server must be authoritative for the zone"
)


@pytest.mark.parametrize(
    ("conditions", "challenges", "says", "fix"),
    [
        (
            [MISSING],
            [*OTHERS, challenge("DNS update failed: dns: bad authentication")],
            "is not ready: the DNS-01 challenge for shop.lab.test: DNS update failed: dns: bad authentication",
            TSIG,
        ),
        (
            [MISSING],
            [challenge("DNS update failed: read udp 10.0.0.1:5->10.9.0.54:53: i/o timeout")],
            "is not ready: the DNS-01 challenge for shop.lab.test: "
            "DNS update failed: read udp 10.0.0.1:5->10.9.0.54:53: i/o timeout",
            "check that the cluster reaches the DNS server in certManager.acme.rfc2136.nameserver",
        ),
        (
            [MISSING],
            [challenge("not known here")],
            "is not ready: the DNS-01 challenge for shop.lab.test: not known here",
            "run `kubectl -n web describe challenge shop-1-2-3`",
        ),
        (
            [MISSING, FAILED],
            OTHERS,
            "is not ready: order is invalid",
            "run `kubectl -n web describe certificate,certificaterequest,order`",
        ),
        (
            [MISSING],
            [],
            "is not ready: Issuing certificate as Secret does not exist",
            "run `kubectl -n web describe certificate,certificaterequest,order`",
        ),
        (
            [],
            [],
            "is not ready: cert-manager has not processed the certificate yet",
            "run `kubectl -n web describe certificate,certificaterequest,order`",
        ),
    ],
)
def test_a_certificate_that_is_not_ready_names_the_reason(
    conditions: list[dict[str, str]], challenges: list[Any], says: str, fix: str
) -> None:
    healthy = certificate("other", condition("Ready", "True"))
    (found,) = certificates.check_certificates([healthy, certificate("shop", *conditions)], challenges)
    assert (found.check, found.state, found.says, found.fix) == ("Certificate web/shop", State.WRONG, says, fix)


def test_certificates_that_are_ready_are_counted() -> None:
    (found,) = certificates.check_certificates([certificate("shop", condition("Ready", "True"))], OTHERS)
    assert (found.state, found.says) == (State.FINE, "1 ready")


def webhook(name: str, service: str | None, **more: Any) -> dict[str, Any]:
    client = {"service": {"namespace": "web", "name": service}} if service else {"url": "https://10.9.0.254"}
    rules = [{"apiGroups": ["", "apps"]}, {"apiGroups": ["apps"]}]
    return {"webhooks": [{"name": name, "clientConfig": client, "rules": rules, **more}]}


def endpoint_slice(service: str, *ready: bool | None) -> dict[str, Any]:
    metadata = {"namespace": "web", "labels": {"kubernetes.io/service-name": service}}
    return {"metadata": metadata, "endpoints": [{"conditions": {"ready": each}} for each in ready] or None}


SLICES = [endpoint_slice("up", False, None), endpoint_slice("down", False), endpoint_slice("empty")]


@pytest.mark.parametrize("service", ["down", "empty", "missing"])
def test_a_webhook_without_ready_pods_is_named(service: str) -> None:
    (found,) = webhooks.check_webhooks([webhook("a", "up"), webhook("b.web", service)], SLICES)
    assert (found.check, found.state) == ("webhook b.web", State.WRONG)
    assert found.says == (
        f"no pod of the Service web/{service} is ready, so the API server rejects changes of objects in core, apps"
    )
    assert found.fix == "run `kubectl -n web get deployments,pods`, and repair or scale up the webhook's pods"


def test_webhooks_that_reject_nothing_are_not_counted() -> None:
    given = [webhook("a", "up"), webhook("b", None), webhook("c", "down", failurePolicy="Ignore"), {}]
    (found,) = webhooks.check_webhooks(given, SLICES)
    assert (found.state, found.says) == (State.FINE, "1 with ready pods")


def test_a_webhook_for_all_api_groups() -> None:
    given = [webhook("b", "down", rules=[{"apiGroups": ["*"]}])]
    (found,) = webhooks.check_webhooks(given, SLICES)
    assert found.says.endswith("rejects changes of objects in all API groups")
