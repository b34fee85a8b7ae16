"""Names of snapshots come from machines and from S3: one that K3s would not make is named, and never used."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from components.cluster.k3s.settings import S3Settings
from operations import bucket, snapshot_catalog
from operations.bucket import BucketError, StoredObject
from operations.cluster_access import ClusterAccess
from operations.machines import ScriptResult
from operations.pulumi_stack import Stack
from operations.snapshot_catalog import S3, Snapshot
from provider.errors import TaskError
from tests.support.machine_scripts import SCRIPTS, FakeMachine
from tests.support.restores import SERVERS, site

GOOD = "etcd-snapshot-pi-1-1700000000"
KEPT = [GOOD, "on-demand-pi-1.lab-1700000000.zip", "a", "x" * 200]
STRANGE = [
    "", ".", "..", "../../etc/passwd", "a/b", "/etc/passwd", ".hidden", "-rf", "two words", "line\nbreak", "a: b",
    "a\x1b[31m", "x#y", "$(id)", "'quoted'", '"quoted"', "tab\there", "naïve", "x" * 201, "\u202ereversed", "*",
]  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_names_that_k3s_makes_are_taken(name: str) -> None:
    assert snapshot_catalog.NAME_PATTERN.fullmatch(name)


@pytest.mark.parametrize("name", STRANGE)
def test_other_names_are_not(name: str) -> None:
    assert not snapshot_catalog.NAME_PATTERN.fullmatch(name)


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> list[StoredObject]:
    """What the bucket holds; the servers hold one good snapshot each."""
    objects: list[StoredObject] = []
    described = site()
    s3 = {"bucket": "lab", "accessKey": {"secret": "id"}, "secretKey": {"secret": "key"}}
    taken = described.cluster.k3s.snapshots.model_validate({"s3": s3})
    k3s = described.cluster.k3s.model_copy(update={"snapshots": taken})
    cluster = described.cluster.model_copy(update={"k3s": k3s})
    monkeypatch.setattr(Stack, "secret", lambda *_: "x")

    async def ask(*_: Any) -> list[ScriptResult]:
        return [ScriptResult(f"k3s serving\n{GOOD} 5 1700000000.5\n") for _ in SERVERS]

    monkeypatch.setattr("operations.machines.run_script", ask)
    monkeypatch.setattr(bucket, "list_objects", lambda *_: iter(objects))
    monkeypatch.setattr(
        "tests.unit.operations.test_snapshot_names.LAB", ClusterAccess(described.stack, cluster, described.machines, {})
    )
    return objects


LAB: Any = None


@pytest.mark.parametrize("name", STRANGE)
def test_an_object_of_another_name_is_named_and_left_out(stored: list[StoredObject], name: str) -> None:
    stored += [StoredObject(name, 5, 1), StoredObject(GOOD, 5, 1)]
    found = asyncio.run(snapshot_catalog.list_snapshots(LAB))
    assert found.snapshots == (Snapshot(GOOD, 1700000000, 5, (*SERVERS, S3)),)
    (note,) = found.warnings
    assert note.startswith("homelab skipped files with invalid snapshot names on S3: ")
    assert len(note) < 250
    assert note.isprintable()


def test_many_of_them_are_told_in_one_line(stored: list[StoredObject]) -> None:
    stored += [StoredObject(f"{number} {'x' * 500}", 5, 1) for number in range(500)]
    (note,) = asyncio.run(snapshot_catalog.list_snapshots(LAB)).warnings
    assert note.endswith(" and 497 more")
    assert len(note) < 350


def test_a_file_of_another_name_on_a_server_is_named_and_left_out() -> None:
    lines = [
        f"{GOOD} 5 1700000000.5",
        "line",
        "break 5 17.5",
        "two words 5 17.5",
        "../up 5 17",
        "odd x 17",
        "odd 5 nan",
    ]
    server = snapshot_catalog.parse_server("a", "\n".join(("k3s serving", *lines)))
    assert [each.name for each in server.snapshots] == [GOOD, "break"], "what a line says alone cannot be told apart"
    assert server.invalid_names == ("line", "two words 5 17.5", "../up 5 17", "odd x 17", "odd 5 nan")


def test_what_is_strange_on_a_server_is_noted(stored: list[StoredObject], monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask(*_: Any) -> list[ScriptResult]:
        return [ScriptResult(f"k3s serving\n../{'x' * 500} 5 17\n{GOOD} 5 17\n") for _ in SERVERS]

    monkeypatch.setattr("operations.machines.run_script", ask)
    found = asyncio.run(snapshot_catalog.list_snapshots(LAB))
    assert [each.name for each in found.snapshots] == [GOOD]
    assert len(found.warnings) == len(SERVERS)
    assert found.warnings[0].startswith("homelab skipped files with invalid snapshot names on a: '../xxx")
    assert max(map(len, found.warnings)) < 250


@pytest.mark.parametrize("name", [*STRANGE, f"{GOOD}\nsecond"])
def test_a_server_that_names_its_new_snapshot_strangely_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    async def run(*_: Any) -> str:
        return f"{name}\n"

    monkeypatch.setattr("provider.tasks.runner.Runner.run", run)
    with pytest.raises(TaskError, match=r"^a reports an invalid snapshot name: "):
        asyncio.run(snapshot_catalog.take_snapshot(site(), "a", "mine", lambda _: None))


def listing(*contents: str, cut: bool = False) -> str:
    inner = "".join(f"<Contents>{each}</Contents>" for each in contents)
    return f"<ListBucketResult><IsTruncated>{str(cut).lower()}</IsTruncated>{inner}</ListBucketResult>"


def entry(key: str, written: str = "2024-01-01T00:00:00.000Z", size: str = "5") -> str:
    return f"<Key>{key}</Key><LastModified>{written}</LastModified><Size>{size}</Size>"


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    answers: list[str] = []

    def one(*_: Any) -> str:
        return answers.pop(0) if len(answers) > 1 else answers[0]

    monkeypatch.setattr(bucket, "_get", one)
    return answers


def keys() -> Iterator[str]:
    s3 = {"bucket": "lab", "accessKey": {"secret": "id"}, "secretKey": {"secret": "key"}}
    return (each.key for each in bucket.list_objects(S3Settings.model_validate(s3), "id", "key"))


@pytest.mark.parametrize(
    "wrong", [entry("odd", written=""), entry("odd", written="yesterday"), entry("odd", size="many"), "<Key>odd</Key>"]
)
def test_a_service_that_lists_no_objects_of_s3_is_said_so(pages: list[str], wrong: str) -> None:
    pages.append(listing(wrong, entry("good")))
    with pytest.raises(BucketError, match="lists 'odd' of bucket lab without a valid time and size"):
        list(keys())


def test_a_service_that_lists_the_same_page_for_ever_is_left(pages: list[str]) -> None:
    pages.append(listing(entry("a"), entry("b"), cut=True))
    with pytest.raises(BucketError, match="returns an endless listing of bucket lab"):
        list(keys())


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    fake = FakeMachine(
        tmp_path, {"curl": "exit 7", "sha256sum": "echo 0  -", "timeout": "exit 0", "hostname": "echo pi-1"}
    )
    fake.file("/var/lib/homelab/staged/config.yaml").write_text("x: y\n")
    fake.file("/var/lib/homelab/staged/secrets.yaml").write_text("")
    fake.file("/var/lib/homelab/staged/token").write_text("t")
    fake.file("/var/lib/rancher/k3s/server/db/snapshots/x").write_text("")
    return fake


GIVEN = {
    "etcd/restore-snapshot": {"FETCH": "yes", "VERSION": "v1", "ENDPOINT": "10.0.0.1:6443", "PEERS": ""},
    "etcd/receive-snapshot": {"SENT": "/nowhere/inbox", "CHECKSUM": "0"},
}


@pytest.mark.parametrize("script", GIVEN)
@pytest.mark.parametrize("name", STRANGE)
def test_scripts_refuse_another_name_before_they_touch_anything(machine: FakeMachine, script: str, name: str) -> None:
    before = {file for file in machine.root.rglob("*") if "snapshots" in str(file)}
    done = machine.run(script, **GIVEN[script], SNAPSHOT=name)
    assert done.status == 1
    assert "is not the name of a snapshot; no changes were made." in done.errors
    assert done.calls == []
    assert {file for file in machine.root.rglob("*") if "snapshots" in str(file)} == before


@pytest.mark.parametrize(("fetch", "path"), [("yes", GOOD), ("no", f"/var/lib/rancher/k3s/server/db/snapshots/{GOOD}")])
def test_the_name_is_quoted_in_the_configuration(machine: FakeMachine, fetch: str, path: str) -> None:
    given = GIVEN["etcd/restore-snapshot"] | {"FETCH": fetch}
    assert machine.call_function("etcd/restore-snapshot", "configure", **given, SNAPSHOT=GOOD).status == 0
    text = machine.file("/var/lib/homelab/reset/config.yaml.d/zz-reset.yaml").read_text()
    line = next(line for line in text.splitlines() if "restore-path" in line)
    assert re.fullmatch(r'cluster-reset-restore-path: "[^"]+"', line)
    assert YAML(typ="safe", pure=True).load(text)["cluster-reset-restore-path"].endswith(path)


def test_scripts_and_commands_take_the_same_names() -> None:
    for script in GIVEN:
        assert f"^{snapshot_catalog.NAME_PATTERN.pattern}$" in (SCRIPTS / f"{script}.sh").read_text()
