"""A lab that is interrupted, changed, broken manually and repaired. The tests depend on their order."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.labs import stack_document
from rehearsal.network_namespace import BRIDGE
from rehearsal.shell import run
from tests.rehearsal.probes import apply
from tests.rehearsal.rehearsed_lab import RehearsedLab, longest_outage, rehearse, wait_until

pytestmark = pytest.mark.rehearsal

# output lines at which the first runs are killed; only at the last one is the cluster complete
MOMENTS = [
    r"s1-prepare .*setting the host name",
    r"cluster-found .*fetching k3s",
    r"cluster-found .*waiting for k3s to be ready",
    r"(s2|s3)-join .*waiting for k3s to be ready",
    r"a1-roll .*waiting for a1",
]
SECRETS = ("sshKey", "registry", "s3Access", "s3Secret")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    document = stack_document(
        3,
        1,
        ssh={"user": "pi", "privateKey": {"secret": "sshKey"}},
        registries={
            "mirrors": {"registry.lab.test": {"endpoints": ["https://10.9.0.100:5000"]}},
            "auth": {"registry.lab.test": {"username": "lab", "password": {"secret": "registry"}}},
        },
        k3s={
            "snapshots": {
                "s3": {"endpoint": "10.9.0.100:9000", "bucket": "lab", "accessKey": {"secret": "s3Access"},
                       "secretKey": {"secret": "s3Secret"}}
            }
        },
    )  # fmt: skip
    document["config"] |= {f"homelab:{name}": {"secure": "v1:c2FtcGxl:c2FtcGxl"} for name in SECRETS}
    with rehearse("changes", document, tmp_path_factory.mktemp("changes")) as found:
        yield found


def test_another_machine_with_the_vip_is_reported(lab: RehearsedLab) -> None:
    address = ["ip", "-n", lab.lab.netns.name, "addr", "{}", "10.9.0.100/24", "dev", BRIDGE]
    run([word.format("add") for word in address])
    try:
        said = lab.up_fails()
    finally:
        run([word.format("del") for word in address])
    assert "The virtual IP 10.9.0.100 is in use by a machine with the MAC address" in said
    assert lab.run_as_root("s1", "systemctl is-active keepalived || true").strip() != "active"


def test_the_next_run_completes_interrupted_runs(lab: RehearsedLab) -> None:
    for moment in MOMENTS:
        lab.kill_up_at(moment)
        lab.reopen()
    lab.up()
    assert lab.ready_nodes() == {"s1", "s2", "s3", "a1"}
    assert lab.etcd_voters() == {"s1", "s2", "s3"}
    members = lab.run_as_root("s1", "ls /var/lib/rancher/k3s/server/db/etcd/member/wal | wc -l")
    assert int(members) >= 1
    assert re.search(r"Resources:\n +\d+ unchanged\n", lab.up())


def test_no_secret_is_in_plain_text(lab: RehearsedLab) -> None:
    key = lab.lab.private_key.read_text().splitlines()[2]
    outputs = json.loads(lab.session.engine.capture("stack", "export", "--show-secrets"))
    resources = outputs["deployment"]["resources"]
    made = [resource for resource in resources if resource["type"] == "homelab:index:Secret"]
    tokens = [each["outputs"]["value"]["plaintext"].strip('"') for each in made]
    assert len(tokens) == 5, "two tokens, the cluster's identity, two keys of kubeconfigs"
    kubeconfigs = [yaml.safe_load(str(lab.session.engine.outputs()[name])) for name in ("kubeconfig", "appKubeconfig")]
    private = [each["users"][0]["user"]["client-key-data"] for each in kubeconfigs]
    canaries = [key, *tokens, *private, *(f"rehearsal-{name}" for name in SECRETS[1:])]

    def leaks(text: str) -> list[str]:
        return [canary for canary in canaries if canary in text]

    assert leaks(lab.session.engine.capture("stack", "export")) == []
    assert leaks(lab.pulumi("preview", "--json")[1]) == []
    assert leaks(lab.pulumi("preview", "--diff", "--show-config")[1]) == []
    assert leaks(lab.session.engine.event_log.read_text()) == []
    for machine in ("s1", "a1"):
        assert leaks(lab.run_as_root(machine, "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\\0' '\\n'")) == []
        assert leaks(lab.run_as_root(machine, "journalctl --no-pager")) == []
        pattern = "\n".join(canaries)
        readable = f"find / -xdev -type f -perm /044 -not -path '/proc/*' -print0 | xargs -0 grep -lF '{pattern}'; true"
        assert lab.run_as_root(machine, readable) == ""


def test_labels_and_taints_are_synchronized(lab: RehearsedLab) -> None:
    wait_until(lambda: lab.kubectl("label", "node", "a1", "mine=stays", "--overwrite"), "the API takes a label")
    lab.node_settings("a1").update(labels={"disk": "fast"}, taints=["only=me:NoSchedule"])
    lab.reopen()
    lab.up()
    a1 = json.loads(lab.kubectl("get", "node", "a1", "-o", "json"))
    assert (a1["metadata"]["labels"]["disk"], a1["metadata"]["labels"]["mine"]) == ("fast", "stays")
    assert {"key": "only", "value": "me", "effect": "NoSchedule"} in a1["spec"]["taints"]
    lab.node_settings("a1").update(labels={}, taints=[])
    lab.reopen()
    lab.up()
    a1 = json.loads(lab.kubectl("get", "node", "a1", "-o", "json"))
    assert "disk" not in a1["metadata"]["labels"]
    assert a1["metadata"]["labels"]["mine"] == "stays"
    assert "taints" not in a1["spec"]


def test_configuration_rolls_without_losing_the_api(lab: RehearsedLab) -> None:
    lab.cluster["k3s"]["serverOptions"] = {"kube-apiserver-arg": ["default-watch-cache-size=101"]}
    lab.reopen()
    started = {name: lab.run_as_root(name, STARTED) for name in ("s1", "s2", "s3", "a1")}
    gap = longest_outage(lab.api_answers, lab.up)
    print(f"a configuration change of three servers: no answer through the virtual address for {gap:.1f} s at most")
    restarted = {name for name, before in started.items() if lab.run_as_root(name, STARTED) != before}
    assert restarted == {"s1", "s2", "s3"}
    assert "default-watch-cache-size=101" in lab.run_as_root("s2", "cat /etc/rancher/k3s/config.yaml")
    assert lab.ready_nodes() == {"s1", "s2", "s3", "a1"}
    unschedulable = lab.kubectl("get", "nodes", "-o", "jsonpath={.items[*].spec.unschedulable}")
    assert unschedulable == ""


STARTED = "systemctl show -p ActiveEnterTimestampMonotonic k3s k3s-agent"


def test_a_broken_change_stops_at_the_first_server(lab: RehearsedLab) -> None:
    lab.cluster["k3s"]["serverOptions"] = {"kube-apiserver-arg": ["no-such-flag=1"]}
    lab.reopen()
    said = lab.up_fails()
    assert "no-such-flag" in said
    assert said.count("was not changed, because") == 2
    assert lab.api_answers()
    # if this server led the controllers, the next leader waits another 50 s before it marks the node NotReady
    wait_until(lambda: len(lab.ready_nodes() & {"s1", "s2", "s3"}) == 2, "the server that was changed is not Ready")
    lab.cluster["k3s"]["serverOptions"] = {"kube-apiserver-arg": ["default-watch-cache-size=101"]}
    lab.reopen()
    lab.up()
    assert lab.ready_nodes() == {"s1", "s2", "s3", "a1"}


BY_HAND = {
    "s2-roll": ("s2", "systemctl stop k3s", "k3s is inactive"),
    "s3-prepare": (
        "s3",
        "systemctl stop keepalived; hostname other",
        "the host name is other, not s3\n +keepalived is inactive",
    ),
    "a1-prepare": ("a1", "sysctl -qw net.ipv4.ip_forward=0", "net.ipv4.ip_forward is 0, not 1"),
    "a1-roll": ("a1", "echo '# mine' >>/etc/rancher/k3s/config.yaml", "/etc/rancher/k3s/config.yaml was changed"),
}


def test_drift_is_reported_and_corrected(lab: RehearsedLab) -> None:
    lab.node_settings("a1").update(labels={"disk": "fast"}, taints=["only=me:PreferNoSchedule"])
    lab.reopen()
    lab.up()
    lab.kubectl("label", "node", "a1", "disk=slow", "--overwrite")
    lab.kubectl("taint", "node", "a1", "only-")
    # after kubectl's changes, because the stopped server may have the virtual IP that kubectl uses
    for machine, change, _ in BY_HAND.values():
        lab.run_as_root(machine, change)
    said = lab.pulumi_succeeds("preview")
    for task, (machine, _, reason) in BY_HAND.items():
        assert re.search(rf"{task}\):\n +warning: {machine}: {reason}", said), said
        assert re.search(rf"{task} .*diff: \+drift", said), said
    assert "label disk=fast was changed or removed" in said
    assert "taint only=me:PreferNoSchedule was changed or removed" in said
    assert "~ 4 to update" in said
    lab.up()
    wait_until(lambda: lab.ready_nodes() == {"s1", "s2", "s3", "a1"}, "all nodes are Ready")
    assert "# mine" not in lab.run_as_root("a1", "cat /etc/rancher/k3s/config.yaml")
    assert lab.kubectl("get", "node", "a1", "-o", "jsonpath={.metadata.labels.disk}") == "fast"
    assert re.search(r"Resources:\n +\d+ unchanged\n", lab.up())


def test_a_preview_needs_no_machine(lab: RehearsedLab) -> None:
    for name in ("s3", "a1"):
        lab.lab.power_off(name)
    said = lab.pulumi_succeeds("preview")
    assert {name for name in ("s1", "s2", "s3", "a1") if f"not checked for drift: {name} (" in said} == {"s3", "a1"}
    assert re.search(r"Resources:\n +\d+ unchanged\n", said)
    for name in ("s3", "a1"):
        lab.lab.power_on(name)
    wait_until(lambda: lab.ready_nodes() == {"s1", "s2", "s3", "a1"}, "all nodes are Ready")


def test_settings_fixed_at_bootstrap_cannot_change_later(lab: RehearsedLab) -> None:
    lab.cluster["network"] = {"pods": ["10.50.0.0/16"], "flannelBackend": "host-gw"}
    lab.reopen()
    said = lab.up_fails()
    assert "was: network.pods: 10.42.0.0/16\n" in said
    assert "now: network.pods: 10.50.0.0/16\n" in said
    assert "now: network.flannelBackend: host-gw\n" in said
    del lab.cluster["network"]
    lab.reopen()
    lab.up()


def volume_on(node: str) -> dict[str, Any]:
    """Build a local PersistentVolume that is bound to one node."""
    where = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "films"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "1Mi"},
            "claimRef": {"namespace": "default", "name": "films"},
            "local": {"path": "/var/lib/films"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [where]}]}},
        },
    }


def test_a_node_with_the_only_replica_of_a_volume_is_not_removed(lab: RehearsedLab, tmp_path: Path) -> None:
    apply(lab, tmp_path, volume_on("a1"))
    nodes = lab.cluster["nodes"]
    lab.cluster["nodes"] = [node for node in nodes if node["name"] != "a1"]
    lab.reopen()
    for code, said in (lab.pulumi("preview"), lab.pulumi("up", "--yes", "--skip-preview")):
        assert code != 0, said
        assert "a1 has volumes that are on no other node (1); it was not removed:" in said
        assert "volume films of claim default/films" in said
    assert lab.kubectl("get", "node", "a1", "-o", "jsonpath={.spec.unschedulable}") == ""
    lab.cluster["discard"] = ["a1"]
    lab.reopen()
    lab.pulumi_succeeds("preview")
    del lab.cluster["discard"]
    lab.cluster["nodes"] = nodes
    lab.reopen()
    lab.up_changes_nothing()


def test_a_failed_agent_is_removed(lab: RehearsedLab) -> None:
    lab.lab.power_off("a1")
    # until its node is NotReady, its volumes are protected like those of a working node
    wait_until(lambda: "a1" not in lab.ready_nodes(), "a1 is not Ready")
    lab.cluster["nodes"] = [node for node in lab.cluster["nodes"] if node["name"] != "a1"]
    lab.reopen()
    said = lab.up()
    assert "a1 (10.9.0.21) does not answer" in said
    assert re.search(r"a1 was removed, and these volumes are lost.*\n.*volume films of claim default/films", said), said
    assert set(lab.node_conditions()) == {"s1", "s2", "s3"}
