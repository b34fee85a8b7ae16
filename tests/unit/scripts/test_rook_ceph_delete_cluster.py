"""Ceph is taken apart before its operator goes; where the whole lab goes, nothing that is in its pools waits."""

from pathlib import Path

import pytest

from tests.support.machine_scripts import FakeMachine

FILES = "cephfilesystem.ceph.rook.io/ceph-filesystem"
TOOLS = {
    "curl": "true",
    # `left` is what there is; a patch, or Rook if it works, takes one away
    "k3s": """case "$*" in
        *" get crds "*) echo customresourcedefinition.apiextensions.k8s.io/cephfilesystems.ceph.rook.io ;;
        *" get secret/"*) ;;
        *" get "*) cat left 2>/dev/null ;;
        *" patch "*) grep -vF "$4" left >rest; mv rest left ;;
        *" delete "*) [ ! -e works ] || : >left ;;
    esac; true""",
    "sleep": "true",
}


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    fake = FakeMachine(tmp_path, TOOLS)
    fake.file("left").write_text(f"{FILES}\n")
    return fake


def test_rook_takes_it_apart(machine: FakeMachine) -> None:
    machine.file("works").touch()
    done = machine.run("rook-ceph/delete-cluster", NAMESPACE="rook-ceph")
    assert (done.status, done.progress) == (0, ["removing Ceph; the disks are not wiped"])
    assert not [call for call in done.calls if " patch " in call]
    (deleted,) = (call for call in done.calls if " delete " in call)
    assert "cephfilesystemsubvolumegroups" in deleted


def test_where_the_whole_lab_goes_it_is_given_up(machine: FakeMachine) -> None:
    done = machine.run("rook-ceph/delete-cluster", NAMESPACE="rook-ceph", RETIRED="yes")
    assert done.status == 0, done.errors
    assert [call for call in done.calls if f" patch {FILES} -n rook-ceph" in call]
