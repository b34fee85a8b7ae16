"""What `./homelab doctor` says of the snapshots of etcd, from K3s' own records."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from components.cluster.settings import ClusterSettings
from operations.checks import snapshots
from operations.findings import State
from tests.unit.operations.test_doctor_machine import LAB

NODES = [{"metadata": {"name": "a", "creationTimestamp": "2020-01-01T00:00:00Z"}}]


def ago(hours: float) -> str:
    return f"{datetime.now(UTC) - timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"


def snapshot(hours: float, error: str = "", **spec: Any) -> dict[str, Any]:
    """An ETCDSnapshotFile as K3s 1.35 writes it: also a failed snapshot has a time of creation."""
    status: dict[str, Any] = {"creationTime": ago(hours), "readyToUse": not error, "size": "0"}
    if error:
        status["error"] = {"message": error, "time": ago(hours)}
    return {"spec": {"snapshotName": f"etcd-snapshot-a-{hours}", "nodeName": "a", **spec}, "status": status}


@pytest.mark.parametrize(("items", "state", "says"), [
    ([snapshot(3)], State.FINE, "the newest is from"),
    ([snapshot(3), snapshot(15, "no space left on device")], State.FINE, "the newest is from"),
    ([snapshot(15), snapshot(3, "no space left on device")], State.WRONG, "failed on .* no space left on device"),
    ([snapshot(100)], State.WRONG, "older than the schedule allows"),
    ([], State.WRONG, "there is none"),
])  # fmt: skip
def test_failed_and_missing_snapshots_are_found(items: list[dict[str, Any]], state: State, says: str) -> None:
    (found,) = snapshots.check(LAB, items, NODES)
    assert found.state is state
    assert re.search(says, found.says)


def test_a_new_cluster_has_no_snapshot_yet() -> None:
    (found,) = snapshots.check(LAB, [], [{"metadata": {"creationTimestamp": ago(1)}}])
    assert (found.state, found.says) == (State.FINE, "none yet")


def test_copies_in_a_bucket_are_judged_apart() -> None:
    s3 = {
        "endpoint": "s3.lan",
        "bucket": "lab",
        "region": "r",
        "accessKey": {"secret": "a"},
        "secretKey": {"secret": "b"},
    }
    settings = LAB.k3s.snapshots.model_validate({"s3": s3})
    lab: ClusterSettings = LAB.model_copy(update={"k3s": LAB.k3s.model_copy(update={"snapshots": settings})})
    found = {each.check: each for each in snapshots.check(lab, [snapshot(1), snapshot(2, "denied", s3={})], NODES)}
    assert found["snapshots"].state is State.FINE
    assert found["copies of snapshots"].says.endswith(": denied")
