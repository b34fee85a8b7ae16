"""The settings of `machine`: what is set, seen as drift, changed, and taken back."""

import json
import re
from pathlib import Path

import pytest

from components.cluster.machine import NEEDED_PACKAGES, mount_unit, variables
from components.cluster.node import PACKAGES
from stacks.catalog import LAYERS
from stacks.homelab import NFS_CLIENT
from stacks.settings import LabStack
from tests.support.configured_machines import BOOT_LINE, GIVEN, RESOLV, TOOLS, entry, installed_system
from tests.support.machine_scripts import FakeMachine, ScriptRun
from tests.support.settings_fixtures import ROOT

SCRIPT = "node/configure-machine"
EVERYTHING = {
    "TIMEZONE": "Europe/Berlin",
    "TIME_SERVERS": "ntp.lan 10.0.0.9",
    "DNS_SERVERS": "10.0.0.53 fd00::53",
    "PACKAGES": "vim htop",
    "SYSCTL": "vm.swappiness=10\nnet.a=3 4",
    "MODULES": "i2c-dev",
    "PARAMETERS": "pcie_aspm=off isolcpus=1,2",
    "FILES": entry("/etc/motd", "Hallo, Pi: größer\n", units="smartd cron"),
    "SECRET_FILES": entry("/etc/new/folder/key", "p4ssw0rd", "600"),
}


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    fake = FakeMachine(tmp_path, TOOLS)
    installed_system(fake)
    return fake


def on(machine: FakeMachine, **settings: str) -> dict[str, str]:
    """Return the variables of a run; paths of files are on the machine."""
    moved = {name: text.replace("/etc/", f"{machine.root}/etc/") if "FILES" in name else text
             for name, text in settings.items()}  # fmt: skip
    return GIVEN | moved


def apply(machine: FakeMachine, **settings: str) -> ScriptRun:
    done = machine.run(SCRIPT, **on(machine, **settings))
    assert done.status == 0, done.errors
    return done


def refused(machine: FakeMachine, **settings: str) -> str:
    done = machine.run(SCRIPT, **on(machine, **settings))
    assert done.status == 1, done.errors
    return "\n".join(line for line in done.errors.splitlines() if not line.startswith("==> "))


def drift(machine: FakeMachine) -> list[str]:
    done = machine.run("drift/machine")
    assert done.status == 0, done.errors
    return done.output.replace(str(machine.root), "").splitlines()


def files(machine: FakeMachine) -> dict[str, str]:
    """Return the content of every file, and the target of every link, of the machine."""
    found = {}
    for path in machine.root.rglob("*"):
        name = str(path.relative_to(machine.root))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file() and name != "calls" and not name.startswith(("bin/", "run/homelab")):
            found[name] = path.read_text()
    return found


def reboot(machine: FakeMachine, line: str | None = None) -> None:
    """Boot the machine with the command line of its boot loader."""
    booted = machine.file("/boot/firmware/cmdline.txt").read_text() if line is None else line
    machine.file("/proc/cmdline").write_text(booted)
    boot = machine.file("/proc/sys/kernel/random/boot_id")
    boot.write_text(f"{boot.read_text()}again\n")


def test_everything_is_set_seen_and_taken_back(machine: FakeMachine) -> None:
    before = files(machine)
    done = apply(machine, **EVERYTHING)
    assert done.output == "flag: reboot\n"
    reboot(machine)
    assert apply(machine, **EVERYTHING).output == ""
    assert drift(machine) == []
    now = files(machine)
    assert now["etc/localtime"].endswith("zoneinfo/Europe/Berlin")
    assert now["etc/timezone"] == "Europe/Berlin\n"
    assert "\nNTP=\nNTP=ntp.lan 10.0.0.9\n" in now["etc/systemd/timesyncd.conf.d/50-homelab.conf"]
    assert now["etc/resolv.conf"] == (
        "# homelab: machine.dnsServers\nnameserver 10.0.0.53\nnameserver fd00::53\nsearch lan\noptions edns0\n"
    )
    assert now["packages/htop"] == "installed\n"
    assert (now["sysctl-vm.swappiness"], now["sysctl-net.a"]) == ("10\n", "3\t4\n")
    assert now["etc/modules-load.d/homelab-machine.conf"] == "i2c-dev\n"
    assert now["boot/firmware/cmdline.txt"] == f"{BOOT_LINE} pcie_aspm=off isolcpus=1,2\n"
    assert now["etc/motd"] == "Hallo, Pi: größer\n"
    assert now["etc/new/folder/key"] == "p4ssw0rd"
    assert machine.file("/etc/new/folder/key").stat().st_mode & 0o777 == 0o600
    assert not [name for name, text in now.items() if "p4ssw0rd" in text and name != "etc/new/folder/key"]
    done = apply(machine, **EVERYTHING, UNDO="yes")
    assert "the kernel parameters isolcpus=1,2 pcie_aspm=off apply until the next reboot" in done.progress
    after = files(machine) | {"proc/cmdline": f"{BOOT_LINE}\n", "proc/sys/kernel/random/boot_id": "first\n"}
    assert {**after, "sysctl-net.a": "1\t2\n"} == before
    assert not machine.file("/etc/new/any").parent.joinpath("folder").exists()


def test_a_run_without_changes_does_nothing(machine: FakeMachine) -> None:
    apply(machine, **EVERYTHING)
    reboot(machine)
    apply(machine, **EVERYTHING)
    done = apply(machine, **EVERYTHING)
    assert done.progress == ["applying the settings of the machine"]
    words = {call.split()[0] + " " + call.split()[1] for call in done.calls if len(call.split()) > 1}
    assert words.isdisjoint(
        {"systemctl restart", "systemctl daemon-reload", "sysctl -q", "apt-get -qy", "modprobe i2c-dev"}
    )


def configured(machine: FakeMachine, **settings: str) -> dict[str, str]:
    """Apply the settings, reboot the machine if that is needed, and return its files without homelab's own record."""
    if "flag: reboot\n" in apply(machine, **settings).output:
        reboot(machine)
        apply(machine, **settings)
    found = files(machine) | {"proc/sys/kernel/random/boot_id": ""}
    return {name: text for name, text in found.items() if not name.startswith("var/lib/homelab/machine")}


def test_a_key_that_is_removed_is_taken_back_and_nothing_else(machine: FakeMachine) -> None:
    machine.file("/units/k3s").touch()
    before = configured(machine)
    everything = configured(machine, **EVERYTHING)
    for key in EVERYTHING:
        found = configured(machine, **{name: text for name, text in EVERYTHING.items() if name != key})
        names = {name for name in found.keys() | everything.keys() if found.get(name) != everything.get(name)}
        assert names, key
        for name in names - {"sysctl-net.a"}:
            assert found.get(name) == before.get(name), (key, name)
        assert drift(machine) == []
        assert configured(machine, **EVERYTHING) == everything


CHANGES = {
    "/etc/motd": "/etc/motd (machine.files) was changed",
    "/etc/resolv.conf": "/etc/resolv.conf (machine.dnsServers) was changed",
    "/etc/timezone": "/etc/timezone (machine.timezone) was changed",
    "/etc/systemd/timesyncd.conf.d/50-homelab.conf":
        "/etc/systemd/timesyncd.conf.d/50-homelab.conf (machine.timeServers) was changed",
    "/sysctl-vm.swappiness": "vm.swappiness is other, not 10",
    "/boot/firmware/cmdline.txt": "/boot/firmware/cmdline.txt lacks isolcpus=1,2",
    "/proc/cmdline": "the kernel command line lacks pcie_aspm=off",
}  # fmt: skip


def test_manual_changes_are_drift_and_corrected(machine: FakeMachine) -> None:
    configured(machine, **EVERYTHING)
    for path in CHANGES:
        machine.file(path).write_text("other\n")
    assert set(CHANGES.values()) <= set(drift(machine))
    configured(machine, **EVERYTHING)
    assert drift(machine) == []


def test_what_is_deleted_by_hand_is_drift_and_corrected(machine: FakeMachine) -> None:
    apply(machine, **EVERYTHING)
    reboot(machine)
    machine.file("/packages/htop").unlink()
    machine.file("/sys/module/i2c_dev").rename(machine.root / "gone")
    machine.file("/etc/new/folder/key").unlink()
    machine.file("/etc/motd").chmod(0o600)
    machine.file("/etc/localtime").unlink()
    machine.file("/etc/localtime").symlink_to("/usr/share/zoneinfo/Asia/Tokyo")
    assert drift(machine) == [
        "the time zone is /usr/share/zoneinfo/Asia/Tokyo, not Europe/Berlin",
        "/etc/motd (machine.files) has the mode and owner 600 root:root, not 644 root:root",
        "/etc/new/folder/key (machine.files) is missing",
        "the package htop is not installed",
        "the kernel module i2c-dev is not loaded",
    ]
    apply(machine, **EVERYTHING)
    assert drift(machine) == []


def test_a_wiped_machine_is_drift(machine: FakeMachine) -> None:
    assert drift(machine) == ["the settings of the machine were not applied: its disk is new"]


def test_units_restart_only_for_changes_and_after_a_failure_again(machine: FakeMachine) -> None:
    file = entry("/etc/motd", "new\n", units="smartd")
    machine.file("/broken-smartd").touch()
    message = refused(machine, FILES=file)
    assert message == (
        "machine.files on a: smartd does not start with its new configuration:\ncannot parse\nCorrect the setting.\n"
        "Then run `pulumi up` again."
    )
    assert drift(machine) == ["changes of the machine were not applied: files restart smartd"]
    machine.file("/broken-smartd").unlink()
    assert "systemctl restart smartd" in apply(machine, FILES=file).calls
    assert "systemctl restart smartd" not in apply(machine, FILES=file).calls
    assert "systemctl try-restart smartd" in apply(machine).calls
    assert machine.file("/etc/motd").read_text() == "Welcome\n"


def test_packages_that_were_there_or_are_needed_stay(machine: FakeMachine) -> None:
    machine.file("/needs-htop").write_text("other")
    apply(machine, PACKAGES="vim htop curl nano")
    done = apply(machine)
    assert sorted(path.name for path in machine.file("/packages/any").parent.iterdir()) == ["curl", "htop", "vim"]
    assert "the package curl stays, because homelab may need it" in done.progress
    assert "the package htop stays, because other need it" in done.progress


def test_the_original_is_from_before_the_first_change(machine: FakeMachine) -> None:
    apply(machine, FILES=entry("/etc/motd", "one"), SYSCTL="vm.swappiness=10", TIMEZONE="Asia/Tokyo")
    apply(machine, FILES=entry("/etc/motd", "two"), SYSCTL="vm.swappiness=20", TIMEZONE="Europe/Berlin")
    apply(machine)
    assert machine.file("/etc/motd").read_text() == "Welcome\n"
    assert machine.file("/sysctl-vm.swappiness").read_text() == "60\n"
    assert machine.file("/etc/localtime").readlink().name == "UTC"


def test_no_reboot_for_parameters_that_the_machine_has(machine: FakeMachine) -> None:
    assert apply(machine, PARAMETERS="rootwait").output == ""
    apply(machine, UNDO="yes")
    assert machine.file("/boot/firmware/cmdline.txt").read_text() == f"{BOOT_LINE}\n"


def test_a_reboot_that_did_not_happen_is_asked_for_again(machine: FakeMachine) -> None:
    assert apply(machine, PARAMETERS="quiet").output == "flag: reboot\n"
    assert apply(machine, PARAMETERS="quiet").output == "flag: reboot\n"
    reboot(machine)
    assert apply(machine, PARAMETERS="quiet").output == ""


def test_a_boot_loader_that_reads_another_file_is_refused_and_no_reason_for_more_reboots(machine: FakeMachine) -> None:
    apply(machine, PARAMETERS="quiet")
    reboot(machine, BOOT_LINE)
    for _ in range(2):
        assert refused(machine, PARAMETERS="quiet") == (
            f"machine.kernelParameters on a: after a reboot, the kernel command line lacks quiet: {BOOT_LINE}\n"
            "Find out which file the boot loader reads, or remove these parameters from the stack file.\n"
            "Then run `pulumi up` again."
        )


def test_other_parameters_after_a_reboot_by_hand(machine: FakeMachine) -> None:
    apply(machine, PARAMETERS="quiet")
    reboot(machine)
    assert apply(machine, PARAMETERS="splash").output == "flag: reboot\n"
    assert machine.file("/boot/firmware/cmdline.txt").read_text() == f"{BOOT_LINE} splash\n"


def test_removed_parameters_of_a_member_need_a_reboot(machine: FakeMachine) -> None:
    apply(machine, PARAMETERS="quiet")
    reboot(machine)
    apply(machine, PARAMETERS="quiet")
    machine.file("/units/k3s").touch()
    assert apply(machine, UNDO="yes").output == "flag: reboot\nflag: member\n"
    reboot(machine)
    assert apply(machine, UNDO="yes").output == "flag: member\n"
    assert not machine.file("/var/lib/homelab/machine/any").parent.joinpath("reboot").exists()


def test_grub(machine: FakeMachine) -> None:
    machine.file("/boot/firmware/cmdline.txt").unlink()
    machine.file("/etc/default/grub.d/any.cfg").write_text("")
    done = apply(machine, PARAMETERS="intel_iommu=on quiet")
    assert done.output == "flag: reboot\n"
    text = '# homelab: machine.kernelParameters\nGRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX intel_iommu=on quiet"\n'
    assert machine.file("/etc/default/grub.d/90-homelab.cfg").read_text() == text
    assert machine.file("/boot-grub.cfg").read_text() == text
    reboot(machine, "root=1 intel_iommu=on quiet")
    assert apply(machine, PARAMETERS="intel_iommu=on quiet").output == ""
    assert apply(machine, PARAMETERS="intel_iommu=on").output == "flag: reboot\n"
    reboot(machine, "root=1 intel_iommu=on")
    apply(machine, UNDO="yes")
    assert not machine.file("/etc/default/grub.d/90-homelab.cfg").exists()
    assert machine.file("/boot-grub.cfg").read_text() == ""


def test_another_boot_loader_is_refused(machine: FakeMachine) -> None:
    machine.file("/boot/firmware/cmdline.txt").unlink()
    bare = FakeMachine(machine.root, {name: tool for name, tool in TOOLS.items() if name != "update-grub"})
    (machine.root / "bin/update-grub").unlink(missing_ok=True)
    assert refused(bare, PARAMETERS="quiet").startswith(
        "machine.kernelParameters on a: the machine boots neither with GRUB nor as a Raspberry Pi.\n"
    )


RESOLVERS = {
    "resolved": (
        "/etc/systemd/resolved.conf.d/50-homelab.conf",
        "# homelab: machine.dnsServers\n[Resolve]\nDNS=\nDNS=1.1.1.1 9.9.9.9\nDomains=~.\n",
        "systemctl restart systemd-resolved",
    ),
    "networkmanager": (
        "/etc/NetworkManager/conf.d/50-homelab.conf",
        "# homelab: machine.dnsServers\n[global-dns-domain-*]\nservers=1.1.1.1,9.9.9.9\n",
        "systemctl reload NetworkManager",
    ),
    "dhcpcd": (
        "/etc/dhcpcd.conf",
        "# homelab: machine.dnsServers\nstatic domain_name_servers=1.1.1.1 9.9.9.9\nhostname\n",
        "pkill -HUP -x dhcpcd",
    ),
    "dhclient": (
        "/etc/dhcp/dhclient.conf",
        "# homelab: machine.dnsServers\nsupersede domain-name-servers 1.1.1.1, 9.9.9.9;\nrequest;\n",
        "",
    ),
}


def resolver(machine: FakeMachine, name: str) -> None:
    """Let a program determine the DNS servers of the machine."""
    if name == "resolved":
        machine.file("/etc/resolv.conf").unlink()
        machine.file("/run/systemd/resolve/stub-resolv.conf").write_text("nameserver 127.0.0.53\n")
        machine.file("/etc/resolv.conf").symlink_to(machine.root / "run/systemd/resolve/stub-resolv.conf")
    elif name == "networkmanager":
        machine.file("/etc/resolv.conf").write_text("# Generated by NetworkManager\nnameserver 10.0.0.1\n")
    else:
        machine.file(f"/running-{name}").touch()
        machine.file("/etc/dhcpcd.conf").write_text("hostname\n")
        machine.file("/etc/dhcp/dhclient.conf").write_text("request;\n")


@pytest.mark.parametrize("name", RESOLVERS)
def test_dns_servers_are_set_in_what_determines_them(machine: FakeMachine, name: str) -> None:
    path, content, call = RESOLVERS[name]
    resolver(machine, name)
    before = files(machine)
    done = apply(machine, DNS_SERVERS="1.1.1.1 9.9.9.9")
    assert machine.file(path).read_text() == content
    assert not call or call in done.calls
    assert apply(machine, DNS_SERVERS="1.1.1.1 9.9.9.9").progress[1:] == (
        ["dhclient uses the new DNS servers from its next lease on"] if name == "dhclient" else []
    )
    assert drift(machine) == []
    apply(machine, UNDO="yes")
    assert files(machine) == before


def test_dns_servers_that_an_unknown_program_writes_are_refused(machine: FakeMachine) -> None:
    machine.file("/etc/resolv.conf").write_text("# Dynamic file for glibc, generated by resolvconf\n")
    assert refused(machine, DNS_SERVERS="1.1.1.1").startswith(
        "machine.dnsServers on a: a program that homelab does not configure writes"
    )


def test_chrony(machine: FakeMachine) -> None:
    machine.file("/units/chrony").touch()
    message = refused(machine, TIME_SERVERS="ntp.lan")
    assert "Add the line `sourcedir /etc/chrony/sources.d` to the file." in message.replace(str(machine.root), "")
    machine.file("/etc/chrony/chrony.conf").write_text(f"sourcedir {machine.root}/etc/chrony/sources.d\n")
    assert "systemctl restart chrony" in apply(machine, TIME_SERVERS="ntp.lan").calls
    assert machine.file("/etc/chrony/sources.d/homelab.sources").read_text() == "server ntp.lan iburst prefer\n"


def mount_entry(machine: FakeMachine, options: str = "ro") -> str:
    unit = f"[Mount]\nWhat=nas:/media\nWhere={machine.root}/srv/media\nOptions={options}\n"
    return entry(f"{machine.root}/etc/systemd/system/srv-media.mount", unit, units="srv-media.mount", key="mounts")


def run_entries(machine: FakeMachine, text: str, **variables: str) -> ScriptRun:
    return machine.run(SCRIPT, **GIVEN, FILES=text, **variables)


def test_a_file_system_is_mounted_at_every_boot_and_unmounted(machine: FakeMachine) -> None:
    before = files(machine)
    done = run_entries(machine, mount_entry(machine))
    assert done.status == 0, done.errors
    assert "systemctl -q enable srv-media.mount" in done.calls
    assert "systemctl restart srv-media.mount" in done.calls
    assert (drift(machine), run_entries(machine, mount_entry(machine)).progress[1:]) == ([], [])
    machine.file("/mounted-srv-media.mount").unlink()
    assert drift(machine) == ["srv-media.mount is not mounted"]
    machine.file("/mounted-srv-media.mount").touch()
    machine.file("/busy-srv-media.mount").touch()
    done = run_entries(machine, "")
    assert done.status == 1
    assert "/srv/media cannot be unmounted.\nStop the programs and pods that use it" in done.errors
    assert machine.file("/etc/systemd/system/srv-media.mount").exists()
    machine.file("/busy-srv-media.mount").unlink()
    assert run_entries(machine, mount_entry(machine), UNDO="yes").status == 0
    assert files(machine) == before


def test_a_file_system_that_is_unmounted_by_hand_is_mounted_again(machine: FakeMachine) -> None:
    run_entries(machine, mount_entry(machine))
    machine.file("/mounted-srv-media.mount").unlink()
    run_entries(machine, mount_entry(machine))
    assert drift(machine) == []


@pytest.mark.parametrize(("path", "message"), [
    ("/srv/media/photo", "/srv/media contains files, which the mount would hide.\nChoose an empty folder"),
    ("/used-media", "another file system is mounted on /srv/media.\nChoose another folder"),
])  # fmt: skip
def test_nothing_is_hidden_by_a_mount(machine: FakeMachine, path: str, message: str) -> None:
    machine.file("/srv/media/any")
    machine.file(path).touch()
    done = run_entries(machine, mount_entry(machine))
    assert done.status == 1
    assert f"machine.mounts on a: {message}" in done.errors.replace(str(machine.root), "")
    assert not machine.file("/etc/systemd/system/srv-media.mount").exists()


DISK = "/dev/disk/by-id/ata-one"


@pytest.fixture
def with_disk(machine: FakeMachine) -> FakeMachine:
    """A machine whose disk is empty; names of files of the fake tools end with the last word of a device."""
    tools = {name: TOOLS[name].replace("${*: -1}", "one").replace("$5", "one") for name in
             ("lsblk", "wipefs", "blkid", "mkfs.ext4")}  # fmt: skip
    machine.file("/tree-one").write_text("disk sdb\n")
    machine.file(DISK).touch()
    return FakeMachine(machine.root, TOOLS | tools)


def run_disk(machine: FakeMachine, source: str = "", **variables: str) -> ScriptRun:
    disk = f"{machine.root}/srv/data srv-data.mount {source or machine.root / DISK[1:]}"
    return machine.run(SCRIPT, **GIVEN, DISKS=disk, **variables)


def test_an_empty_disk_is_formatted_once_and_mounted_by_its_uuid(with_disk: FakeMachine) -> None:
    done = run_disk(with_disk)
    assert done.status == 0, done.errors
    assert f"mkfs.ext4 -q -F -U 1234-ab {with_disk.root}{DISK}" in done.calls
    unit = with_disk.file("/etc/systemd/system/srv-data.mount").read_text()
    assert "What=/dev/disk/by-uuid/1234-ab\n" in unit.replace(str(with_disk.root), "")
    with_disk.file("/signature-one").write_text("ext4")
    done = run_disk(with_disk)
    assert (done.progress[1:], [call for call in done.calls if "mkfs" in call], drift(with_disk)) == ([], [], [])
    with_disk.file("/uuid-one").write_text("other\n")
    assert "no longer has the file system 1234-ab, which homelab created." in run_disk(with_disk).errors
    done = run_disk(with_disk, UNDO="yes")
    assert done.status == 0, done.errors
    assert with_disk.file("/uuid-one").read_text() == "other\n", "the data stay"
    assert not with_disk.file("/etc/systemd/system/srv-data.mount").exists()


@pytest.mark.parametrize(("path", "content", "message"), [
    ("/signature-one", "0x438 ext4 old-uuid", "has signatures: 0x438 ext4 old-uuid."),
    ("/tree-one", "disk sdb\npart sdb1\n", "has partitions or is in use: part sdb1"),
    ("/uuid-one", "77-aa\n", "may not be empty: 77-aa."),
])  # fmt: skip
def test_a_disk_with_anything_on_it_is_refused(with_disk: FakeMachine, path: str, content: str, message: str) -> None:
    with_disk.file(path).write_text(content)
    done = run_disk(with_disk)
    assert done.status == 1
    assert f"machine.disks on a: {DISK} {message}" in done.errors.replace(str(with_disk.root), "")
    assert "homelab formats only an empty disk." in done.errors
    assert not [call for call in done.calls if "mkfs" in call]


def test_a_disk_that_is_missing_is_named(with_disk: FakeMachine) -> None:
    done = run_disk(with_disk, "/dev/disk/by-id/gone")
    assert "machine.disks on a: the machine has no disk /dev/disk/by-id/gone.\nCorrect the name:" in done.errors


def test_a_format_that_was_interrupted_is_repeated(with_disk: FakeMachine) -> None:
    with_disk.file("/broken-disk").touch()
    done = run_disk(with_disk)
    assert f"no file system could be created on {with_disk.root}{DISK}: bad blocks" in done.errors
    with_disk.file("/broken-disk").unlink()
    with_disk.file("/uuid-one").write_text("1234-ab\n")
    with_disk.file("/signature-one").write_text("ext4")
    assert [call for call in run_disk(with_disk).calls if "mkfs" in call]


def test_an_existing_file_system_is_mounted_and_never_formatted(with_disk: FakeMachine) -> None:
    done = run_disk(with_disk, "UUID=77-aa")
    assert "machine.disks on a: the machine has no file system with the UUID 77-aa." in done.errors
    with_disk.file("/dev/disk/by-uuid/77-aa").touch()
    done = run_disk(with_disk, "UUID=77-aa")
    assert done.status == 0, done.errors
    assert not [call for call in done.calls if "mkfs" in call]
    assert "systemctl restart srv-data.mount" in done.calls


def test_the_watchdog_needs_a_device(machine: FakeMachine) -> None:
    text = entry(f"{machine.root}/etc/system.conf", "x\n", units="daemon-reexec", key="watchdog")
    done = run_entries(machine, text)
    assert done.status == 1
    assert "machine.watchdog on a: the machine has no" in done.errors
    machine.file("/dev/watchdog").touch()
    assert "systemctl daemon-reexec" in run_entries(machine, text).calls
    assert "systemctl daemon-reexec" not in run_entries(machine, text).calls
    assert "systemctl daemon-reexec" in run_entries(machine, "").calls


def test_entries_are_as_systemd_and_apt_read_them() -> None:
    settings = LabStack.read(ROOT / "tests/settings/valid/machine.yaml").cluster
    first, second = (variables(settings.machine_of(node)) for node in settings.nodes)
    assert first["SYSCTL"].splitlines() == ["vm.swappiness=1", "net.ipv4.tcp_rmem=4096 131072 6291456"]
    assert (first["TIME_SERVERS"], second["TIME_SERVERS"]) == ("10.0.0.2", "ntp.lan 10.0.0.1")
    assert (first["TIMEZONE"], second["TIMEZONE"]) == ("Europe/Berlin", "UTC")
    assert first["PACKAGES"] == "htop smartmontools nfs-common unattended-upgrades"
    assert second["PACKAGES"] == "htop smartmontools lm-sensors nfs-common cifs-utils"
    assert "RuntimeWatchdogSec=15\n" in first["FILES"]
    assert 'APT::Periodic::Unattended-Upgrade "1";' in first["FILES"]
    assert 'APT::Periodic::Unattended-Upgrade "0";' in second["FILES"]
    assert "mounts /etc/systemd/system/srv-media.mount 644 root:root" in first["FILES"]
    assert "Options=nofail,_netdev,vers=4.2,ro\n" in first["FILES"]
    assert "credentials=/etc/homelab/credentials/srv/my-share\n" in second["FILES"]
    assert mount_unit("/srv/my-share") == r"srv-my\x2dshare.mount"
    assert mount_unit("/.a/b.c") == r"\x2ea-b.c.mount"


def test_packages_that_homelab_installs_are_never_removed() -> None:
    needed = {*PACKAGES, *NFS_CLIENT.packages, "keepalived", "haproxy"}
    needed |= {name for each in LAYERS for name in each.layer.host_requirements.packages}
    scripts = "".join(file.read_text() for file in (ROOT / "components/scripts").rglob("*.sh"))
    needed |= set(re.findall(r"install_packages ([a-z][a-z0-9-]+)", scripts))
    assert needed <= set(NEEDED_PACKAGES)


REFUSALS = {
    "no time service": {"TIME_SERVERS": "ntp.lan"},
    "another time service": {"TIME_SERVERS": "ntp.lan"},
    "no time zone": {"TIMEZONE": "America/Lima"},
    "no module": {"MODULES": "typo"},
    "modules of another kernel": {"MODULES": "typo"},
    "no sysctl": {"SYSCTL": "net.b=1"},
    "sysctl refused": {"SYSCTL": "vm.swappiness=refused"},
    "no package": {"PACKAGES": "typo"},
    "no user": {"FILES": "files /etc/motd 644 nobody:root 1\nx\n"},
    "a folder": {"FILES": entry("/etc/new", "x")},
}
MESSAGES = {
    "no time service": "machine.timeServers on a: no time service is enabled on this machine.\n"
                       "Add systemd-timesyncd or chrony to `machine.packages`.",
    "another time service": "machine.timeServers on a: ntpsec sets the clock of this machine, but homelab configures "
                            "only systemd-timesyncd and chrony.\nRemove ntpsec, or remove the setting.",
    "no time zone": "machine.timezone on a: the machine has no time zone America/Lima.\n"
                    "Add tzdata to `machine.packages`.",
    "no module": "machine.kernelModules on a: the module typo cannot be loaded: modprobe: FATAL: Module typo not "
                 "found.\nCorrect the name, or add the package with the module to `machine.packages` "
                 "(Ubuntu: linux-modules-extra-6.1.0).",
    "modules of another kernel": "The modules of the running kernel 6.1.0 are not installed: after an update of the "
                                 "kernel, reboot the machine.",
    "no sysctl": "machine.sysctl on a: the kernel has no parameter net.b.\n"
                 "Correct the name, or add the kernel module of the parameter to `machine.kernelModules`.",
    "sysctl refused": "machine.sysctl on a: the kernel rejects a value:\n"
                      "sysctl: setting key vm.swappiness: Invalid argument\nCorrect the value.",
    "no package": "apt-get could not install typo;",
    "no user": 'owner on a: the machine has no user nobody.\nCorrect the owner.',
    "a folder": "/etc/new is a folder on this machine.\nChoose the path of a file.",
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_set_names_setting_and_fix(machine: FakeMachine, case: str) -> None:
    if case == "no time service":
        machine.file("/units/systemd-timesyncd").unlink()
    if case == "another time service":
        machine.file("/units/ntpsec").touch()
    if case != "modules of another kernel":
        machine.file("/lib/modules/6.1.0/any")
    machine.file("/etc/new/any").write_text("")
    for name in ("/unknown-typo",):
        machine.file(name).touch()
    message = refused(machine, **REFUSALS[case]).replace(str(machine.root), "")
    assert MESSAGES[case] in message
    assert "run `pulumi up` again" in message


def test_another_node_and_foreign_k3s_are_left_alone(machine: FakeMachine) -> None:
    machine.file("/var/lib/homelab/node").write_text("b\n")
    before = files(machine)
    assert "This machine is the node b; it cannot be a as well; no changes were made." in refused(
        machine, TIMEZONE="Etc/UTC"
    )
    assert apply(machine, UNDO="yes").progress == []
    machine.file("/var/lib/homelab/node").unlink()
    machine.file("/var/lib/rancher/k3s/agent/client-kubelet.crt").touch()
    assert "K3s is installed on this machine already, and not by homelab" in refused(machine, TIMEZONE="Etc/UTC")
    machine.file("/var/lib/rancher/k3s/agent/client-kubelet.crt").unlink()
    machine.file("/var/lib/homelab/node").write_text("b\n")
    assert files(machine) == before


def test_the_undo_of_the_node_keeps_the_record(machine: FakeMachine) -> None:
    """Pulumi undoes the task of the settings after the task that prepared the machine."""
    apply(machine, **EVERYTHING)
    tools = TOOLS | {"hostname": "echo a"}
    done = FakeMachine(machine.root, tools).run("node/restore-host", **GIVEN)
    assert done.status == 0, done.errors
    assert [path.name for path in machine.file("/var/lib/homelab/any").parent.iterdir()] == ["machine"]
    apply(machine, UNDO="yes")
    assert not machine.file("/var/lib/any").parent.joinpath("homelab").exists()
    assert machine.file("/etc/resolv.conf").read_text() == RESOLV


def test_the_record_is_readable_by_root_alone(machine: FakeMachine) -> None:
    apply(machine, **EVERYTHING)
    folder = machine.file("/var/lib/homelab/any").parent
    assert folder.stat().st_mode & 0o777 == 0o700
    assert json.dumps([path.read_text() for path in folder.rglob("*") if path.is_file()]).count("p4ssw0rd") == 0
