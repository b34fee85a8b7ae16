"""The preparation of machines as they are found: kernels without modules, and names that others manage."""

from pathlib import Path

import pytest

from tests.support.machine_scripts import FakeMachine
from tests.unit.scripts.test_node_prepare import TOOLS, run

KERNEL = "6.8.0-1010-raspi"
HOSTS = "127.0.0.1 localhost\n127.0.1.1\ta.lan  a # the machine\n"


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    tools = {
        "modprobe": 'case $* in *vxlan) exit 1 ;; esac', "systemd-detect-virt": "exit 1",
        "uname": f"case $* in -r) echo {KERNEL} ;; *) echo x86_64 ;; esac",
    }  # fmt: skip
    fake = FakeMachine(tmp_path, TOOLS | tools)
    fake.file("/run/systemd/system/any").touch()
    for path, content in {
        "/etc/hostname": "a\n", "/etc/hosts": HOSTS, "/etc/machine-id": "1234\n", "/etc/os-release": "ID=ubuntu\n",
        "/proc/filesystems": "nodev\toverlay\n", "/sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
        "/proc/sys/kernel/random/boot_id": "first\n", f"/lib/modules/{KERNEL}/modules.dep": "", "/sys/module/any/x": "",
    }.items():  # fmt: skip
        fake.file(path).write_text(content)
    return fake


@pytest.mark.parametrize(("system", "kernel", "package"), [
    ("ubuntu", KERNEL, "linux-modules-extra-raspi"),
    ("ubuntu", "6.8.0-40-generic", "linux-modules-extra-6.8.0-40-generic"),
    ("debian", "6.12.9-cloud-arm64", "linux-image-arm64"),
    ("raspbian", "6.12.47+rpt-rpi-2712", "a kernel with these modules"),
])  # fmt: skip
def test_a_missing_module_is_named_with_its_package(
    machine: FakeMachine, system: str, kernel: str, package: str
) -> None:
    machine.file("/etc/os-release").write_text(f"ID={system}\n")
    machine.file(f"/lib/modules/{kernel}/modules.dep").touch()
    named = FakeMachine(
        machine.root, {**machine.tools, "uname": f"case $* in -r) echo {kernel} ;; *) echo x86_64 ;; esac"}
    )
    done = run(named, MODULES="overlay\nvxlan")
    assert done.status == 1
    assert f"The kernel {kernel} of a lacks modules that K3s or a layer needs: vxlan\n" in done.errors
    assert f"Install {package} on the machine, then run `pulumi up` again.\n" in done.errors


def test_a_module_that_is_built_in_is_not_missing(machine: FakeMachine) -> None:
    machine.file("/sys/module/vxlan/parameters/udp_port").touch()
    assert run(machine, MODULES="overlay\nvxlan").status == 0


def test_a_container_has_the_modules_of_its_host(machine: FakeMachine) -> None:
    container = FakeMachine(machine.root, {**machine.tools, "systemd-detect-virt": ""})
    assert run(container, MODULES="vxlan").status == 0


def test_a_kernel_that_was_updated_is_rebooted_once(machine: FakeMachine) -> None:
    """As after an upgrade of the kernel's package, which removes the modules of the kernel that runs."""
    modules = machine.file(f"/lib/modules/{KERNEL}/modules.dep")
    modules.unlink()
    modules.parent.rmdir()
    machine.file("/lib/modules/6.8.0-1012-raspi/modules.dep").touch()
    machine.file("/proc/filesystems").write_text("nodev\ttmpfs\n")
    done = run(machine, MODULES="overlay\nvxlan")
    assert (done.status, "flag: reboot\n" in done.output) == (0, True), done.errors
    assert f"the modules of the running kernel {KERNEL} are gone (vxlan): a reboot is needed" in done.errors
    again = run(machine, MODULES="overlay\nvxlan")
    assert "flag: reboot\n" in again.output, "the machine was not rebooted yet"
    machine.file("/proc/sys/kernel/random/boot_id").write_text("second\n")
    booted = run(machine, MODULES="overlay\nvxlan")
    assert (booted.status, "has no modules (vxlan) even after a reboot" in booted.errors) == (1, True)
    modules.parent.mkdir()
    modules.touch()
    machine.file("/sys/module/vxlan/x").touch()
    machine.file("/proc/filesystems").write_text("nodev\toverlay\n")
    fine = run(machine, MODULES="overlay\nvxlan")
    assert (fine.status, "flag: reboot" in fine.output) == (0, False), fine.errors
    assert not machine.file("/var/lib/homelab/reboot-asked").exists()


@pytest.mark.parametrize("line", ["127.0.1.1 a", "127.0.1.1\ta.lan\ta", "127.0.1.1 a.lan a # comment", "127.0.1.1 a#x"])
def test_a_full_name_beside_the_name_stays_and_is_no_drift(machine: FakeMachine, line: str) -> None:
    machine.file("/etc/hosts").write_text(f"{line}\n")
    assert run(machine).status == 0
    assert machine.file("/etc/hosts").read_text() == f"{line}\n"
    done = machine.run("drift/host")
    assert (done.status, "/etc/hosts" in done.output) == (0, False), done.errors


@pytest.mark.parametrize("line", ["127.0.1.1 ab", "127.0.1.1 a.lan", "127.0.1.1 b # a", "127.0.1.11 a"])
def test_another_name_is_replaced(machine: FakeMachine, line: str) -> None:
    machine.file("/etc/hosts").write_text(f"{line}\n")
    assert run(machine).status == 0
    assert "127.0.1.1 a\n" in machine.file("/etc/hosts").read_text()


CLOUD_CONFIG = "#cloud-config\n\n# from 1 files\n# part-001\n\n---\nfqdn: pve-vm.lan\nmanage_etc_hosts: true\n...\n"
"""What cloud-init 22.4.2 stores of the user data."""


@pytest.mark.parametrize(("user", "system", "previous", "disabled", "named"), [
    (CLOUD_CONFIG, "", "pve-vm\n", False, "pve-vm"),
    (CLOUD_CONFIG, "manage_etc_hosts: false\n", "pve-vm\n", False, "pve-vm"),
    (CLOUD_CONFIG, "", "a.lan\n", False, ""),
    (CLOUD_CONFIG, "", "pve-vm\n", True, ""),
    (CLOUD_CONFIG.replace("true", "localhost"), "", "pve-vm\n", False, "pve-vm"),
    ("#cloud-config\n{}\n", "manage_etc_hosts: True\n", "pve-vm\n", False, "pve-vm"),
    ("#cloud-config\n{}\n", "", "pve-vm\n", False, ""),
])  # fmt: skip
def test_cloud_init_that_rewrites_the_names_is_named(
    machine: FakeMachine, user: str, system: str, previous: str, *, disabled: bool, named: str
) -> None:
    assert run(machine).status == 0
    for path, content in {
        "/etc/cloud/cloud.cfg": "preserve_hostname: false\n", "/etc/cloud/cloud.cfg.d/90.cfg": system,
        "/var/lib/cloud/instance/cloud-config.txt": user, "/var/lib/cloud/data/previous-hostname": previous,
    }.items():  # fmt: skip
        machine.file(path).write_text(content)
    if disabled:
        machine.file("/etc/cloud/cloud-init.disabled").touch()
    machine.file("/etc/hosts").write_text("127.0.1.1 pve-vm.lan pve-vm\n")
    found = machine.run("drift/host").output
    assert ("because cloud-init rewrites it for pve-vm at every boot (manage_etc_hosts)" in found) is bool(named)
    assert "/etc/hosts has no entry for the machine's name" in found


def test_keepalived_waits_for_its_address(machine: FakeMachine) -> None:
    """keepalived 2.2.7 ends for good if its interface does not exist."""
    unit = machine.file("/etc/systemd/system/keepalived.service.d/homelab.conf")
    reloads = 'case $* in show*) echo yes ;; "-q is-active"*) exit 3 ;; esac'
    with_systemd = FakeMachine(machine.root, {**machine.tools, "systemctl": reloads})
    done = run(with_systemd, KEEPALIVED="# homelab")
    assert done.status == 0, done.errors
    assert "\nExecStartPre=/bin/sh -c 'ip -o addr show to 10.0.0.11 | grep -q .'\nRestart=always\n" in unit.read_text()
    assert done.calls.index("systemctl daemon-reload") < done.calls.index("systemctl reload-or-restart keepalived")
    unit.write_text("")
    assert "/etc/systemd/system/keepalived.service.d/homelab.conf was changed" in with_systemd.run("drift/host").output
    assert run(with_systemd, KEEPALIVED="").status == 0
    assert not unit.parent.exists()
