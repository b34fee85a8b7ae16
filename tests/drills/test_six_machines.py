"""Six machines under steady traffic: each loses power in turn, all are rolled, and some are changed manually."""

import re
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from bench.labs import stack_document
from tests.drills.measurements import Recorder, timed
from tests.drills.traffic import ApiClient, Traffic
from tests.rehearsal.rehearsed_lab import RehearsedLab, longest_outage, rehearse, wait_until

pytestmark = pytest.mark.drill

SERVERS, AGENTS = {"s1", "s2", "s3"}, {"a1", "a2", "a3"}
GOAL = 5.0  # maximum seconds without an answer through the virtual IP
MISSED = 8  # seconds in which the failure of a machine must be detected


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("six")


@pytest.fixture(scope="module")
def lab(folder: Path) -> Iterator[RehearsedLab]:
    with rehearse("six", stack_document(3, 3), folder) as found:
        found.up()
        yield found


@pytest.fixture(scope="module")
def client(lab: RehearsedLab, folder: Path) -> ApiClient:
    return ApiClient(lab, folder)


def all_machines_ready(lab: RehearsedLab) -> bool:
    return lab.ready_nodes() == SERVERS | AGENTS and lab.etcd_voters() == SERVERS


def cut_power(lab: RehearsedLab, name: str) -> None:
    lab.lab.power_off(name)
    time.sleep(MISSED)
    wait_until(lab.api_answers, "the API answers through the virtual address")


def test_no_write_is_lost_when_machines_lose_power(lab: RehearsedLab, client: ApiClient, record: Recorder) -> None:
    gaps: dict[str, float] = {}
    with Traffic(client.can_write) as canary:
        for name in sorted(SERVERS | AGENTS):
            held = lab.vip_holder()
            gaps[name] = longest_outage(lab.api_answers, partial(cut_power, lab, name))
            print(f"{name} off while {held} held the virtual address: {gaps[name]:.1f} s", flush=True)
            lab.power_on(name)
            wait_until(partial(all_machines_ready, lab), f"{name} is back")
    lost = client.missing_objects(canary.answered)
    worst = max(gaps, key=lambda name: gaps[name])
    record("six machines powered off in turn, longest gap of the API", f"{gaps[worst]:.1f} s ({worst}; goal 5 s)")
    record("six machines powered off in turn, writes", f"{canary}; {len(lost)} lost")
    assert lost == set()
    assert gaps[worst] <= GOAL


def test_a_configuration_rolls_out_under_steady_reads(lab: RehearsedLab, client: ApiClient, record: Recorder) -> None:
    lab.cluster["k3s"] = {"options": {"kubelet-arg": ["max-pods=120"]}}
    lab.reopen()
    with timed(record, "K3s configuration rolled out to six machines"), Traffic(client.can_read) as probe:
        lab.up()
    record("K3s configuration rolled out to six machines, reads", f"{probe} (goal 0)")
    capacity = lab.kubectl("get", "nodes", "-o", "jsonpath={.items[*].status.capacity.pods}")
    assert capacity.split() == ["120"] * 6
    assert all_machines_ready(lab)
    assert probe.failing == 0


BY_HAND = {
    "a1-roll": ("systemctl stop k3s-agent", "k3s-agent is inactive"),
    "a2-roll": ("echo '# mine' >>/etc/rancher/k3s/config.yaml", "/etc/rancher/k3s/config.yaml was changed"),
    "s3-prepare": ("sysctl -qw net.ipv4.ip_forward=0", "net.ipv4.ip_forward is 0, not 1"),
}


def test_drift_is_detected_and_corrected(lab: RehearsedLab, record: Recorder) -> None:
    for task, (change, _) in BY_HAND.items():
        lab.run_as_root(task.partition("-")[0], change)
    start = time.monotonic()
    said = lab.pulumi_succeeds("preview")
    detection = time.monotonic() - start
    for task, (_, reason) in BY_HAND.items():
        assert re.search(rf"{task}\):\n +warning: \w+: {reason}", said), said
    assert "~ 3 to update" in said
    start = time.monotonic()
    lab.up()
    correction = time.monotonic() - start
    wait_until(lambda: all_machines_ready(lab), "all nodes are Ready")
    lab.up_changes_nothing()
    record("three kinds of drift on six machines", f"detected in {detection:.0f} s, corrected in {correction:.0f} s")
