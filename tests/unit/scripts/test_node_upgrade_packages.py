"""The package upgrade of `machine.packageUpgrade`: what is upgraded, when the machine reboots, and what stops it."""

from pathlib import Path

import pytest

from tests.support.machine_scripts import FakeMachine, ScriptRun
from tests.support.upgraded_machines import GIVEN, TOOLS, boot_again, machine_with_upgrades, offer_upgrades

SCRIPT = "node/upgrade-packages"
FINISHED = {"FINISHED": "yes"}


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    fake = FakeMachine(tmp_path, TOOLS)
    machine_with_upgrades(fake, "curl", "vim")
    return fake


def run(machine: FakeMachine, **more: str) -> ScriptRun:
    done = machine.run(SCRIPT, **(GIVEN | more))
    assert done.status == 0, done.errors
    return done


def fails(machine: FakeMachine, **more: str) -> str:
    done = machine.run(SCRIPT, **(GIVEN | more))
    assert done.status == 1
    return done.errors


def version(machine: FakeMachine, package: str) -> str:
    return machine.file(f"/installed-{package}").read_text().strip()


def drift(machine: FakeMachine) -> str:
    done = machine.run("drift/package-upgrade")
    assert done.status == 0, done.errors
    return done.output


def test_packages_are_upgraded_once_for_each_text(machine: FakeMachine) -> None:
    assert drift(machine) == "the packages of the machine were not upgraded: its disk is new\n"
    done = run(machine)
    assert done.output == "flag: upgraded\nexport: FINISHED=yes\n"
    assert done.progress == ["upgrading packages: 2"]
    assert (version(machine, "curl"), version(machine, "vim")) == ("2", "2")
    run(machine, **FINISHED)
    assert drift(machine) == ""
    machine.file("/lists").write_text("curl 3\n")
    again = run(machine)
    assert (again.output, [call for call in again.calls if call.startswith("apt-get")]) == ("", [])
    assert drift(machine) == "", "new packages are no drift"
    run(machine, UPGRADE="2026-12")
    assert version(machine, "curl") == "3"


def test_apt_keeps_changed_configuration_files_and_removes_no_package(machine: FakeMachine) -> None:
    (upgrade,) = (call for call in run(machine).calls if "Keep-Downloaded" in call)
    assert "--force-confold" in upgrade
    assert "DPkg::Lock::Timeout=300" in upgrade
    assert upgrade.endswith(" upgrade --with-new-pkgs")


def test_a_node_of_the_cluster_downloads_before_its_turn_and_upgrades_in_its_turn(machine: FakeMachine) -> None:
    machine.file("/units/k3s").touch()
    waiting = run(machine)
    assert waiting.output == "flag: member\nflag: pending\nexport: TURN=yes\n"
    assert any("--download-only" in call for call in waiting.calls)
    assert version(machine, "curl") == "1"
    in_turn = run(machine, TURN="yes")
    assert in_turn.output == "flag: member\nflag: upgraded\nexport: FINISHED=yes\n"
    assert not any(call.endswith(" update") for call in in_turn.calls)
    assert version(machine, "curl") == "2"


def test_a_node_without_new_packages_needs_no_turn(machine: FakeMachine) -> None:
    machine.file("/units/k3s").touch()
    machine.file("/lists").write_text("curl 1\n")
    done = run(machine)
    assert (done.output, done.progress) == ("flag: member\nexport: FINISHED=yes\n", [])


def test_a_machine_that_needs_a_reboot_is_rebooted_once(machine: FakeMachine) -> None:
    offer_upgrades(machine, "libc6")
    machine.file("/units/k3s").touch()
    assert "flag: pending" in run(machine).output
    done = run(machine, TURN="yes")
    assert done.output == "flag: member\nflag: upgraded\nflag: reboot\nexport: FINISHED=yes\n"
    assert done.progress == ["upgrading packages: 1", "a reboot is needed: libc6"]
    killed = run(machine)
    assert "flag: pending" in killed.output, "it was killed before the reboot"
    boot_again(machine)
    after = run(machine)
    assert after.output == "flag: member\nflag: upgraded\nexport: FINISHED=yes\n", "it may still be cordoned"
    run(machine, **FINISHED)
    assert not machine.file("/var/lib/homelab/package-upgrade/reboot").exists()
    assert run(machine).output == ""


def test_a_node_that_does_not_come_back_is_not_finished(machine: FakeMachine) -> None:
    offer_upgrades(machine, "libc6")
    machine.file("/units/k3s").touch()
    for path in ("agent/client-kubelet.crt", "server/db/etcd/member/wal/0.wal"):
        machine.file(f"/var/lib/rancher/k3s/{path}").write_text("")
    run(machine)
    run(machine, TURN="yes")
    boot_again(machine)
    machine.file("/units/k3s").unlink()
    assert run(machine).output == "flag: member\nflag: upgraded\nexport: FINISHED=yes\n", "it is still cordoned"


def test_a_reboot_for_an_earlier_text_is_not_one_for_this(machine: FakeMachine) -> None:
    offer_upgrades(machine, "libc6")
    run(machine)
    boot_again(machine)
    machine.file("/lists").write_text("libc6 2\ncurl 3\n")
    run(machine, UPGRADE="2026-12")
    assert version(machine, "curl") == "3"


@pytest.mark.parametrize(
    ("virtual", "booted", "reboots"),
    [("exit 1", 4000000000, False), ("exit 1", 1000000000, True), ("exit 0", 1000000000, False)],
)
def test_a_kernel_that_was_installed_since_the_boot_needs_a_reboot(
    machine: FakeMachine, virtual: str, booted: int, reboots: bool
) -> None:
    machine.file("/proc/stat").write_text(f"btime {booted}\n")
    machine.file("/lists").write_text("")
    found = FakeMachine(machine.root, TOOLS | {"systemd-detect-virt": virtual})
    done = run(found)
    assert ("flag: reboot" in done.output) == reboots
    assert ("a reboot is needed: a kernel was installed, but 6.1.0 still runs" in done.progress) == reboots


def test_a_kernel_without_its_modules_needs_a_reboot(machine: FakeMachine) -> None:
    machine.file("/lib/modules/6.1.0/modules.dep").unlink()
    machine.file("/lib/modules/6.1.0").rmdir()
    machine.file("/lib/modules/6.1.1/modules.dep").touch()
    assert "flag: reboot" in run(machine).output


def test_a_failed_package_stops_the_upgrade_with_the_lines_of_apt(machine: FakeMachine) -> None:
    machine.file("/lists").write_text("curl broken\n")
    assert fails(machine).endswith(
        "machine.packageUpgrade on a: apt-get could not upgrade the packages. Its output ends:\n"
        "Setting up curl\nE: Sub-process /usr/bin/dpkg returned an error code (1)\n"
        "Fix the cause on the machine; /var/log/apt/term.log has the whole output.\n"
        "Then run `pulumi up` again.\n"
    )
    machine.file("/lists").write_text("curl 3\n")
    run(machine)
    assert version(machine, "curl") == "3"


def test_package_lists_must_be_fresh(machine: FakeMachine) -> None:
    machine.file("/no-mirror").touch()
    said = fails(machine)
    assert "machine.packageUpgrade on a: the package lists could not be refreshed:\n" in said
    assert "\nW: Failed to fetch http://deb.lan\nW: Some index files failed" in said
    assert version(machine, "curl") == "1"


def test_an_interrupted_dpkg_is_completed_first(machine: FakeMachine) -> None:
    machine.file("/interrupted").touch()
    machine.file("/dpkg-locked").touch()
    done = run(machine)
    assert done.progress[0] == "the packages are downloaded later: E: dpkg was interrupted"
    assert done.progress[1].startswith("waiting for dpkg: dpkg: error: dpkg frontend lock was locked")
    assert version(machine, "curl") == "2"


def test_a_full_disk_is_said_beforehand(machine: FakeMachine) -> None:
    full = FakeMachine(machine.root, TOOLS | {"df": 'case $* in */boot/) echo 40 ;; *) echo " 4096" ;; esac'})
    said = fails(full)
    assert "only 40 MiB are free under" in said
    assert "and an upgrade can need 100 MiB.\nFree some disk space, for example with `sudo apt-get autoremove`" in said
    assert version(machine, "curl") == "1"


def test_a_machine_of_another_node_is_left_alone(machine: FakeMachine) -> None:
    machine.file("/var/lib/homelab/node").write_text("b\n")
    assert "This machine is the node b; it cannot be a as well" in fails(machine)
    assert version(machine, "curl") == "1"
