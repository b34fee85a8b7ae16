"""Fixtures of the commands' tests."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from operations import snapshot_catalog, task_state
from operations.cluster_access import ClusterAccess
from operations.restore_runner import RestoreResult, RestoreRunner
from operations.snapshot_catalog import SnapshotInventory
from provider.errors import TaskError
from tests.support import mirror_host, restores
from tests.support.files_over_https import Upstream
from tests.support.restores import ON_DEMAND, SCHEDULED, TASKS


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    """A host with a release of K3s and the chart of MetalLB; homelab downloads from it."""
    with mirror_host.serve_mirror(tmp_path, monkeypatch) as upstream:
        yield upstream


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A stack file with MetalLB."""
    return mirror_host.write_stack_file(tmp_path, {"metallb": {"addresses": ["10.9.0.200/29"]}})


@pytest.fixture
def fake_servers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The servers' report (`found`, which tests replace), and the operations done: `plan` and `taken`."""
    servers: dict[str, Any] = {"found": restores.report("c", serving="a", stored=(ON_DEMAND, SCHEDULED))}

    async def look(_: ClusterAccess) -> SnapshotInventory:
        answer: SnapshotInventory = servers["found"]
        return answer

    async def take(_: ClusterAccess, server: str, label: str, say: Any) -> str:
        servers["taken"] = (server, label)
        say("a: taking a snapshot")
        return ON_DEMAND.name

    async def restore(self: RestoreRunner) -> RestoreResult:
        servers["plan"] = self._plan
        if "fails" in servers:
            raise TaskError(servers["fails"])
        return RestoreResult(self._plan, ("e",))

    async def get(_: Any, machine: Any, source: str, target: Path) -> None:
        servers["source"] = (machine.name, source)
        servers["mode"] = target.stat().st_mode & 0o777
        target.write_bytes(servers.get("arrives", b"etcd"))
        if "lost" in servers:
            raise TaskError(servers["lost"])

    async def checksum(_: Any, machine: Any, script: str, progress: Any) -> tuple[int, str, list[str]]:
        assert (machine.name, servers["source"][1] in script) == (servers["source"][0], True)
        return 0, f"{hashlib.sha256(b'etcd').hexdigest()}  -\n", []

    monkeypatch.setattr(ClusterAccess, "of", lambda _: restores.site())
    monkeypatch.setattr(task_state, "tasks", lambda _: TASKS)
    monkeypatch.setattr(snapshot_catalog, "list_snapshots", look)
    monkeypatch.setattr(snapshot_catalog, "take_snapshot", take)
    monkeypatch.setattr(RestoreRunner, "run", restore)
    monkeypatch.setattr("provider.ssh.connections.Connections.download", get)
    monkeypatch.setattr("provider.ssh.connections.Connections.run", checksum)
    return servers
