"""Room on this computer's disks: a rehearsal is refused where it does not fit, and kubelets leave pods alone."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from rehearsal import cache, disk_space, host_services, machine_specs
from rehearsal.lab import Lab
from rehearsal.machine import Machine
from rehearsal.shell import RehearsalError
from stacks.settings import LabStack
from tests.support.settings_fixtures import ROOT

SHIPPED = LabStack.read(ROOT / "Pulumi.homelab.yaml")
SIX = 3 * machine_specs.DISK_BYTES["server"] + 3 * machine_specs.DISK_BYTES["agent"] + disk_space.MIRROR_BYTES

Free = Callable[[int], None]


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Free:
    """Says how much is free on every disk of this computer."""

    def say(size: int) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=size))

    return say


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab that is not there yet, on a computer that has every tool."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cache.root().mkdir(parents=True)
    (cache.root().parent / "machine-image-1/etc").mkdir(parents=True)
    return Lab("shipped")


def machine(lab: Lab, name: str) -> Machine:
    """A machine of the lab that was made before, with an empty disk."""
    folder = lab.folder / "machines" / name
    (folder / "data").mkdir(parents=True)
    spec = next(machine_specs.specifications(SHIPPED.cluster, "192.168.1.254", "ssh-ed25519 key"))
    (folder / "machine.json").write_text(json.dumps(asdict(replace(spec, name=name))))
    return Machine(folder, lab.netns)


def test_a_lab_that_fits_is_not_refused(lab: Lab, free: Free) -> None:
    free(SIX + disk_space.RESERVED_BYTES)
    disk_space.require_space(lab, SHIPPED)


def test_a_lab_that_does_not_fit_is_refused_with_the_reason_and_ways_out(lab: Lab, free: Free, tmp_path: Path) -> None:
    free(SIX + disk_space.RESERVED_BYTES - 1)
    with pytest.raises(RehearsalError) as refused:
        disk_space.require_space(lab, SHIPPED)
    said = str(refused.value)
    needed = f"{(SIX + disk_space.RESERVED_BYTES) / 2**30:.1f} GiB"
    assert said.startswith(f"6 machines need {needed} of disk space in {tmp_path}/state/homelab")
    for part in ("delete some files", "rehearse down --stack NAME", "XDG_STATE_HOME", "fewer nodes"):
        assert part in said


def test_what_is_not_there_yet_is_counted_with_it_where_it_shares_the_disk(lab: Lab, free: Free) -> None:
    shutil.rmtree(cache.root())
    free(SIX + disk_space.TOOLS_BYTES + disk_space.RESERVED_BYTES - 1)
    with pytest.raises(RehearsalError, match=r"6 machines and tools and the machine image need .*XDG_CACHE_HOME"):
        disk_space.require_space(lab, SHIPPED)
    free(SIX + disk_space.TOOLS_BYTES + disk_space.RESERVED_BYTES)
    disk_space.require_space(lab, SHIPPED)


def test_machines_that_are_there_take_no_more(lab: Lab, free: Free) -> None:
    lab.mirror.mkdir(parents=True)
    for node in SHIPPED.cluster.nodes[1:]:
        machine(lab, node.name)
    free(machine_specs.DISK_BYTES["server"] + disk_space.RESERVED_BYTES - 1)
    with pytest.raises(RehearsalError, match=r"^A machine needs"):
        disk_space.require_space(lab, SHIPPED)
    machine(lab, SHIPPED.cluster.nodes[0].name)
    free(0)
    disk_space.require_space(lab, SHIPPED)


def test_disks_are_judged_one_by_one(free: Free, tmp_path: Path) -> None:
    elsewhere = Path("/proc")
    free(3 << 30)
    disk_space.check(
        [disk_space.Need("one", tmp_path, 2 << 30, "x"), disk_space.Need("other", elsewhere, 2 << 30, "y")]
    )
    with pytest.raises(RehearsalError, match=r"Both and more need 5.0 GiB"):
        disk_space.check(
            [disk_space.Need("both", tmp_path, 2 << 30, "x"), disk_space.Need("more", tmp_path / "new", 2 << 30, "y")]
        )


def test_building_counts_what_go_has_already(free: Free, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = tmp_path / "held"
    held.mkdir()
    (held / "module").write_bytes(bytes(3 << 20))
    monkeypatch.setattr(
        disk_space, "run", lambda command: f"{held}\n{tmp_path}/none\n" if command[0] == "go" else du(held)
    )
    free(disk_space.BUILD_BYTES + disk_space.RESERVED_BYTES - (3 << 20))
    disk_space.require_build_space()
    free(disk_space.BUILD_BYTES + disk_space.RESERVED_BYTES - (4 << 20))
    with pytest.raises(RehearsalError, match=r"^Go's caches need .* GOCACHE and GOMODCACHE"):
        disk_space.require_build_space()


def du(folder: Path) -> str:
    return f"{sum(file.stat().st_size for file in folder.rglob('*'))}\t{folder}\n"


def provisioned(lab: Lab) -> Path:
    (lab.folder / "archives").mkdir(parents=True, exist_ok=True)
    archive = lab.folder / "archives/images.tar"
    archive.write_text("images")
    host_services.provision_disks(lab, "kind: webhook\n", [archive])
    return lab.folder / "provisioning"


def test_every_kubelet_is_told_when_this_computers_disk_is_full(lab: Lab) -> None:
    for role in ("server", "agent"):
        found = yaml.safe_load((provisioned(lab) / role / host_services.KUBELET_CONFIG_PATH).read_text())
        assert found["kind"] == "KubeletConfiguration"
        # no part of a whole: what is free on a large disk is much
        bounds = [*found["evictionHard"].values(), *found["evictionMinimumReclaim"].values()]
        assert not [bound for bound in bounds if "%" in bound]
        assert found["evictionHard"].keys() == found["evictionMinimumReclaim"].keys()
        assert found["imageGCHighThresholdPercent"] == 100  # none is deleted
    others = ("00-k3s-defaults.conf", "05-homelab.conf", "10-cli-config.conf")
    assert max(others) < Path(host_services.KUBELET_CONFIG_PATH).name  # the last one counts


def test_a_disk_is_provisioned_with_what_is_not_there(lab: Lab) -> None:
    there = machine(lab, "s1")
    there.provision(lab.folder / "nothing")
    there.provision(provisioned(lab) / "server")
    files = {each: each.stat().st_mtime_ns for each in (there.folder / "data").rglob("*") if each.is_file()}
    assert {each.name for each in files} == {"90-rehearsal.conf", "00-rehearsal-images.yaml", "images.tar"}
    there.provision(provisioned(lab) / "server")
    assert {each: each.stat().st_mtime_ns for each in files} == files  # what runs reads nothing anew
    shutil.rmtree(there.on_data_disk("k3s"))  # as an uninstallation does
    there.provision(provisioned(lab) / "server")
    assert all(each.exists() for each in files)
