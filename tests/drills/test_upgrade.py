"""K3s is upgraded by a minor version under steady requests; a blocked drain names the disruption budget and pods."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.labs import stack_document
from tests.drills.measurements import Recorder, timed
from tests.drills.traffic import ApiClient, Traffic
from tests.rehearsal.rehearsed_lab import RehearsedLab, longest_outage, rehearse, wait_until

pytestmark = pytest.mark.drill

OLD, NEW = "v1.35.1+k3s1", "v1.36.3+k3s1"
ALL = {"s1", "s2", "s3", "a1"}
PAUSE = "rancher/mirrored-pause:3.6"
BUDGET = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "all-of-it"},
    "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "lonely"}}},
}
LONELY = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "lonely", "labels": {"app": "lonely"}},
    "spec": {"nodeName": "a1", "containers": [{"name": "pause", "image": PAUSE}]},
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    with rehearse("upgrade", stack_document(3, 1, k3s={"version": OLD}), tmp_path_factory.mktemp("upgrade")) as found:
        found.up()
        yield found


def change_version(lab: RehearsedLab, version: str, **rotation: int) -> None:
    lab.cluster["k3s"] = {"version": version, "rotation": rotation}
    lab.reopen()


def versions(lab: RehearsedLab) -> set[str]:
    return set(lab.kubectl("get", "nodes", "-o", "jsonpath={.items[*].status.nodeInfo.kubeletVersion}").split())


def test_a_budget_that_blocks_the_drain_is_reported(lab: RehearsedLab, record: Recorder) -> None:
    for each in (BUDGET, LONELY):
        file = lab.file.with_name("object.json")
        file.write_text(json.dumps(each))
        lab.kubectl("apply", "-f", str(file))
    lab.kubectl("wait", "--for=condition=Ready", "pod/lonely", "--timeout=120s")
    lab.node_settings("a1")["options"] = {"kubelet-arg": ["max-pods=99"]}
    lab.reopen()
    with timed(record, "drain that times out"):
        said = lab.up_fails()
    assert "a1 could not be drained within 300 s; it was not changed and stays cordoned." in said
    assert "PodDisruptionBudget all-of-it in namespace default does not allow the eviction of: lonely" in said
    lab.kubectl("delete", "pod/lonely", "poddisruptionbudget/all-of-it")
    lab.up()
    assert lab.ready_nodes() == ALL


def test_tokens_are_not_rotated_during_an_upgrade(lab: RehearsedLab) -> None:
    change_version(lab, NEW, token=2)
    said = lab.up_fails()
    assert "Tokens cannot be rotated together with an upgrade; no changes were made." in said
    assert versions(lab) == {OLD}
    change_version(lab, OLD, token=2)
    lab.up()


def test_servers_upgrade_one_by_one_while_the_api_answers(lab: RehearsedLab, tmp_path: Path, record: Recorder) -> None:
    change_version(lab, NEW, token=2)
    with timed(record, "upgrade of four machines"), Traffic(ApiClient(lab, tmp_path).can_read) as probe:
        gap = longest_outage(lab.api_answers, lab.up)
    record("upgrade, longest gap of the API", f"{gap:.1f} s")
    record("upgrade, reads", f"{probe} (goal 0)")
    assert probe.failing == 0
    assert versions(lab) == {NEW}
    assert (lab.ready_nodes(), lab.etcd_voters()) == (ALL, ALL - {"a1"})
    folders = [lab.run_as_root(name, "ls /var/lib/rancher/k3s/server/db/snapshots") for name in sorted(ALL - {"a1"})]
    assert len(re.findall(r"before-v1\.36\.3-k3s1-", "".join(folders))) == 1


def test_a_downgrade_is_refused(lab: RehearsedLab) -> None:
    change_version(lab, OLD, token=2)
    assert f"K3s cannot be downgraded, from {NEW} to {OLD}; no changes were made." in lab.up_fails()
    assert versions(lab) == {NEW}
    change_version(lab, NEW, token=2)
    lab.up()


def test_tokens_and_certificates_are_rotated(lab: RehearsedLab, record: Recorder) -> None:
    held = "cat /etc/rancher/k3s/token; sha256sum /var/lib/rancher/k3s/server/tls/client-admin.crt"
    before = {name: lab.run_as_root(name, held).splitlines() for name in ALL - {"a1"}}
    change_version(lab, NEW, token=3, certificates=2)
    gap = longest_outage(lab.api_answers, lab.up)
    record("rotation, longest gap of the API", f"{gap:.1f} s")
    after = {name: lab.run_as_root(name, held).splitlines() for name in before}
    assert all(set(after[name]).isdisjoint(before[name]) for name in before)
    assert len({lines[0] for lines in after.values()}) == 1
    assert lab.ready_nodes() == ALL
    for name in before:  # on every start, K3s compares its local passwords with those in etcd
        lab.run_as_root(name, "systemctl restart k3s && systemctl restart k3s")
        wait_until(lambda: (lab.ready_nodes(), lab.etcd_voters()) == (ALL, ALL - {"a1"}), f"{name} is back")
    lab.lab.wipe("a1")
    lab.reopen()
    lab.up()
    wait_until(lambda: lab.ready_nodes() == ALL, "the wiped agent has joined with the new token")
