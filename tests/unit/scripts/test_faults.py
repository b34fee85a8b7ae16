"""Every script that changes a machine: ended before any of its commands, and on a disk full at any of its writes."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fault_clusters import CLUSTERS
from tests.support.fault_machines import MACHINES
from tests.support.fault_scenarios import SCENARIOS
from tests.support.faults import OWN_MOUNTS, PAGE, Scenario, disk_states, fingerprint, restore_copy, run_on_small_disk

ALL = (*SCENARIOS, *MACHINES, *CLUSTERS)
CASES = [pytest.param(scenario, id=scenario.name) for scenario in ALL]
ON_DISK = [pytest.param(scenario, id=scenario.name) for scenario in ALL if scenario.on_disk]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The one place of all machines here, which scripts keep in their files; in memory, as much is synced."""
    memory = Path("/dev/shm")
    found = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else tmp_path_factory.getbasetemp(), prefix="faults-"))
    yield found
    shutil.rmtree(found)


@pytest.fixture
def folder(place: Path) -> Iterator[Path]:
    """The same, where a test leaves nothing but machines that were made for all."""
    before = set(place.iterdir())
    yield place
    for each in set(place.iterdir()) - before:
        if each.is_dir() and not each.name.startswith(("made-", "machine-outside")):
            shutil.rmtree(each)


def ended(scenario: Scenario, folder: Path) -> dict[str, str]:
    """The machine after a run that nothing disturbed."""
    fake = scenario.machine(folder / "machine")  # its path stands in what scripts keep
    done = scenario.run(fake)
    assert done.status == 0, done.errors
    scenario.verify(fake)
    tree = scenario.files(fake.root)
    leftovers = [path for path in tree if path.endswith(".homelab-new")]
    assert leftovers == []
    shutil.rmtree(fake.root)
    return tree


def unlike(scenario: Scenario, root: Path, wanted: dict[str, str]) -> dict[str, tuple[str | None, str | None]]:
    """Files that are not as they should be, with what they are and what they should be."""
    found = scenario.files(root)
    return {path: (found.get(path), wanted.get(path)) for path in found.keys() | wanted.keys()
            if found.get(path) != wanted.get(path)}  # fmt: skip


@pytest.mark.parametrize("scenario", CASES)
def test_a_run_that_was_killed_is_finished_by_the_next(scenario: Scenario, folder: Path) -> None:
    wanted = ended(scenario, folder)
    root, count = folder / "machine", 0
    for copy in disk_states(scenario, folder):
        fake = restore_copy(scenario, copy, root)
        done = scenario.run(fake)
        assert done.status == 0, f"{copy.parent.name}: {done.errors}"
        assert unlike(scenario, root, wanted) == {}, copy
        scenario.verify(fake)
        count += 1
    assert count, "no command was seen"


def own_mounts() -> bool:
    """Whether a file system of its own can be mounted here."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        return False
    return subprocess.run([*OWN_MOUNTS, "true"], check=False).returncode == 0


@pytest.mark.skipif(not own_mounts(), reason="a small disk is a mount of its own: it needs Linux and root")
@pytest.mark.parametrize("scenario", ON_DISK)
def test_a_full_disk_spoils_nothing(scenario: Scenario, folder: Path) -> None:
    wanted = ended(scenario, folder)
    fake = scenario.machine(folder / "machine")
    before, copy, seen = scenario.files(fake.root), folder / "copy", set[str]()
    for pages in range(200):
        found = run_on_small_disk(scenario, copy, fake, pages * PAGE)
        if found.status == 0:
            assert unlike(scenario, found.root, wanted) == {}
            break
        assert found.errors, "it fails without a word"
        spoilt = {
            path: content
            for path, content in scenario.files(found.root).items()
            if path in before and content not in {before[path], wanted.get(path)} and not path.endswith(".part")
        }
        assert spoilt == {}, f"with {pages} pages"
        left = fingerprint(found.root)
        if left in seen:
            continue  # the next run would do the same again
        seen.add(left)
        again = restore_copy(scenario, found.root, fake.root)
        done = scenario.run(again)
        assert done.status == 0, f"with {pages} pages, then with space: {done.errors}"
        assert unlike(scenario, fake.root, wanted) == {}, f"with {pages} pages"
    else:
        pytest.fail("it never ends well")
