"""A lab grows from one server to three; then each machine is wiped in turn, and a failed first server is replaced."""

import re
from collections.abc import Iterator

import pytest

from bench.labs import stack_document
from tests.drills.measurements import Recorder, timed
from tests.rehearsal.rehearsed_lab import RehearsedLab, rehearse, wait_until

pytestmark = pytest.mark.drill

PRINT_CA = "cat /var/lib/rancher/k3s/server/tls/server-ca.crt"
SERVERS = {"s1", "s2", "s3"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    with rehearse("replace", stack_document(1, 1, api={}), tmp_path_factory.mktemp("replace")) as found:
        found.up()
        found.kubectl("create", "configmap", "canary", "--from-literal=kept=yes")
        yield found


def check_cluster(lab: RehearsedLab, servers: set[str]) -> None:
    # K3s reports a slow server as not voting until it answers again
    wait_until(
        lambda: (lab.ready_nodes(), lab.etcd_voters()) == (servers | {"a1"}, servers), "all nodes are Ready, and vote"
    )
    assert lab.kubectl("get", "configmap", "canary", "-o", "jsonpath={.data.kept}") == "yes"
    lab.up_changes_nothing()


def test_one_server_becomes_three_with_a_vip_in_one_run(lab: RehearsedLab, record: Recorder) -> None:
    grown = stack_document(3, 1)["config"]["homelab:cluster"]
    lab.cluster.update(api=grown["api"], nodes=grown["nodes"])
    lab.reopen()
    with timed(record, "one server becomes three"):
        lab.up()
    check_cluster(lab, SERVERS)


@pytest.mark.parametrize("name", ["s1", "s2", "s3", "a1"])
def test_a_wiped_machine_rejoins(name: str, lab: RehearsedLab, record: Recorder) -> None:
    authority = lab.run_as_root("s2" if name == "s1" else "s1", PRINT_CA)
    lab.lab.wipe(name, new_host_key=True)
    lab.reopen()
    said = lab.pulumi_succeeds("preview")
    for task in ("prepare", "join", "roll"):
        assert re.search(rf"{name}-{task} .*diff: .*\+drift", said), said
    with timed(record, f"{name} wiped and rebuilt"):
        lab.up()
    check_cluster(lab, SERVERS)
    assert name == "a1" or lab.run_as_root(name, PRINT_CA) == authority, "it bootstrapped a new cluster"


def test_a_failed_first_server_is_replaced_in_one_run(lab: RehearsedLab, record: Recorder) -> None:
    lab.lab.power_off("s1")
    wait_until(lambda: "s1" not in lab.ready_nodes(), "s1 is not Ready")
    another = stack_document(4, 0)["config"]["homelab:cluster"]["nodes"][-1]
    lab.cluster["nodes"] = [another, *(node for node in lab.cluster["nodes"] if node["name"] != "s1")]
    lab.reopen()
    with timed(record, "failed first server replaced"):
        said = lab.up()
    assert "s1 (10.9.0.11) does not answer" in said
    check_cluster(lab, {"s2", "s3", "s4"})


VOLUME = "/var/lib/kubelet/plugins/nas/photos"
USE_VOLUME = f"""
mkdir -p {VOLUME} && mount -t tmpfs nas {VOLUME} && echo photo >{VOLUME}/photo
systemd-run -q --unit=holds --property=WorkingDirectory={VOLUME} sleep 3600
"""


def test_a_volume_in_use_blocks_the_uninstallation_of_k3s(lab: RehearsedLab) -> None:
    lab.run_as_root("a1", USE_VOLUME)
    nodes = lab.cluster["nodes"]
    lab.cluster["nodes"] = [node for node in nodes if node["name"] != "a1"]
    lab.reopen()
    said = lab.up_fails()
    assert (
        "These mounts are still in use after 60 s; nothing was removed, because their data would be deleted, too:"
        in said
    )
    assert VOLUME in said
    assert lab.run_as_root("a1", f"cat {VOLUME}/photo; ls /usr/local/bin/k3s").split() == [
        "photo",
        "/usr/local/bin/k3s",
    ]
    lab.run_as_root("a1", "systemctl stop holds")
    lab.up()
    lab.cluster["nodes"] = nodes
    lab.reopen()
    lab.up()
    check_cluster(lab, {"s2", "s3", "s4"})


def test_a_removed_machine_is_restored(lab: RehearsedLab) -> None:
    lab.cluster["nodes"] = [node for node in lab.cluster["nodes"] if node["name"] != "a1"]
    lab.reopen()
    said = lab.up()
    assert "draining a1" in said
    assert set(lab.node_conditions()) == {"s2", "s3", "s4"}
    assert lab.run_as_root("a1", "pgrep -x k3s; ls -d /etc/rancher /var/lib/homelab /var/lib/rancher/k3s; true") == ""


def test_a_removal_that_would_lose_quorum_is_refused_before_any_change(lab: RehearsedLab) -> None:
    lab.lab.power_off("s4")
    wait_until(lambda: "s4" not in lab.ready_nodes(), "s4 is not Ready")
    another = stack_document(5, 0)["config"]["homelab:cluster"]["nodes"][-1]
    lab.cluster["nodes"] = [another if node["name"] == "s3" else node for node in lab.cluster["nodes"]]
    lab.reopen()
    code, said = lab.pulumi("preview")
    assert code != 0, said
    assert (
        "Without s3 etcd would lose its quorum; no changes were made: only 1 of the 2 other servers are Ready" in said
    )
