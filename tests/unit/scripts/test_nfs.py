"""Scripts that export a folder of a machine, and take the export back."""

from pathlib import Path

import pytest

from tests.support.machine_scripts import FakeMachine

TOOLS = {"dpkg-query": "echo installed", "systemctl": '[ "$1" != is-active ] || echo active', "exportfs": ""}
OURS = "/etc/exports.d/homelab.exports"


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    return FakeMachine(tmp_path, TOOLS)


def given(machine: FakeMachine, clients: str = "10.0.0.11 10.0.0.12") -> dict[str, str]:
    return {"FOLDER": str(machine.root / "srv/nfs"), "CLIENTS": clients}


def test_folder_is_exported_to_the_machines_only(machine: FakeMachine) -> None:
    variables = given(machine)
    done = machine.run("nfs/export", **variables)
    assert (done.status, done.errors) == (0, f"==> exporting {variables['FOLDER']}\n")
    options = "(rw,sync,no_subtree_check,no_root_squash)"
    assert machine.file(OURS).read_text() == f"{variables['FOLDER']} 10.0.0.11{options} 10.0.0.12{options}\n"
    assert Path(variables["FOLDER"]).is_dir()
    assert done.calls[-2:] == ["systemctl enable -q --now nfs-server", "exportfs -ra"]
    assert not any(call.startswith("apt-get") for call in done.calls), "the package was there"


def test_missing_server_is_installed(machine: FakeMachine) -> None:
    bare = FakeMachine(machine.root, TOOLS | {"dpkg-query": "exit 1", "apt-get": ""})
    done = bare.run("nfs/export", **given(bare))
    assert done.status == 0
    assert "installing nfs-kernel-server" in done.progress
    refused = FakeMachine(machine.root, TOOLS | {"dpkg-query": "exit 1", "apt-get": "echo no such package; exit 100"})
    assert (
        "apt-get could not install nfs-kernel-server; fix the cause on the machine, then run `pulumi up` again:\n"
        "no such package" in refused.run("nfs/export", **given(bare)).errors
    )


@pytest.mark.parametrize("theirs", ["/etc/exports", "/etc/exports.d/nas.exports"])
@pytest.mark.parametrize("form", ["{} *(rw)", '"{}" *(rw)', "  {}/ *(rw)", "{}\t*(rw)"])
def test_folder_of_somebody_else_is_refused(machine: FakeMachine, theirs: str, form: str) -> None:
    variables = given(machine)
    machine.file(theirs).write_text(f"{form.format(variables['FOLDER'])}\n")
    done = machine.run("nfs/export", **variables)
    assert done.status == 1
    assert f"{variables['FOLDER']} is exported already, by {machine.root}{theirs}." in done.errors
    assert not machine.file(OURS).exists()


def test_other_folders_of_somebody_else_do_not_matter(machine: FakeMachine) -> None:
    variables = given(machine)
    machine.file("/etc/exports").write_text(f"{variables['FOLDER']}2 *(rw)\n# {variables['FOLDER']} *(rw)\n")
    assert machine.run("nfs/export", **variables).status == 0
    assert machine.run("nfs/export", **variables).status == 0, "our own file is no one else's"


def test_what_differs_is_seen(machine: FakeMachine) -> None:
    variables = given(machine)
    assert machine.run("nfs/check", **variables).output == "homelab exported no folder on this disk, which may be new\n"
    machine.run("nfs/export", **variables)
    assert machine.run("nfs/check", **variables).output == ""
    machine.file(OURS).write_text("")
    Path(variables["FOLDER"]).rmdir()
    stopped = FakeMachine(machine.root, TOOLS | {"systemctl": "[ $2 = nfs-server ] && echo inactive; exit 3"})
    assert stopped.run("nfs/check", **variables).output.splitlines() == [
        f"{machine.root}{OURS} was changed", f"{variables['FOLDER']} was removed", "nfs-server is inactive",
    ]  # fmt: skip


def test_export_is_taken_back_and_data_stay(machine: FakeMachine) -> None:
    variables = given(machine)
    machine.run("nfs/export", **variables)
    kept = Path(variables["FOLDER"]) / "data"
    kept.write_text("x")
    done = machine.run("nfs/unexport", FOLDER=variables["FOLDER"])
    assert (done.status, done.calls) == (0, ["exportfs -ra"])
    assert kept.exists()
    assert not machine.file(OURS).exists()
