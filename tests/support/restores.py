"""Restores without machines: tasks and cluster access of a valid stack file, and snapshots that servers report."""

import time

from operations.cluster_access import ClusterAccess
from operations.machines import from_node
from operations.pulumi_stack import Stack
from operations.snapshot_catalog import S3, Server, Snapshot, SnapshotInventory
from provider.model import Task
from stacks.settings import LabStack
from tests.support.recorder import config_of, record
from tests.support.settings_fixtures import ROOT

FILE = ROOT / "tests/settings/valid/three-servers.yaml"
SERVERS, AGENTS = ("a", "b", "c"), ("d", "e")
TASKS = {task.name: Task.model_validate(task.plain) for task in record(config_of(FILE)).tasks}
SNAPSHOT = Snapshot("old-b-1700000000", 1_700_000_000, 5, ("b",))
NOW = int(time.time())
DAY = 86400
ON_DEMAND = Snapshot(f"on-demand-a-{NOW - DAY * 5 // 2}", NOW - DAY * 5 // 2, 3 << 20, ("a", S3))
SCHEDULED = Snapshot(f"etcd-snapshot-b-{NOW - DAY * 7 // 2}", NOW - DAY * 7 // 2, 5 << 19, ("b",))


def site() -> ClusterAccess:
    cluster = LabStack.read(FILE).cluster
    return ClusterAccess(
        Stack("lab", FILE), cluster, {node.name: from_node(node, cluster) for node in cluster.nodes}, {}
    )


def report(*lost: str, serving: str = "", stored: tuple[Snapshot, ...] = (SNAPSHOT,)) -> SnapshotInventory:
    states = {name: None if name in lost else "serving" if name in serving else "inactive" for name in SERVERS}
    return SnapshotInventory(tuple(Server(name, state) for name, state in states.items()), stored, ())
