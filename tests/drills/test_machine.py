"""Settings of `machine` on a running lab: set, seen, corrected, kept over a reboot, and taken back."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from bench.labs import stack_document
from tests.rehearsal.rehearsed_lab import RehearsedLab, rehearse, wait_until

pytestmark = pytest.mark.drill

UNIT = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'date +%%s.%%N >/var/tmp/probe-started'\n"
ALL_MACHINES: dict[str, Any] = {
    "timezone": "Europe/Berlin",
    "timeServers": ["10.9.0.201"],
    "dnsServers": ["10.9.0.202", "10.9.0.203"],
    "packages": ["haproxy"],
    "unattendedUpgrades": False,
    "sysctl": {"net.ipv4.tcp_keepalive_time": 600, "net.ipv4.tcp_rmem": "4096 131072 4194304"},
    "files": {
        "/etc/motd": {"content": "Grüße aus dem Lab\n"},
        "/etc/probe/key": {"contentFrom": {"secret": "probeKey"}, "mode": "0600", "restart": ["probe"]},
        "/etc/systemd/system/probe.service": {"content": UNIT, "restart": ["probe"]},
    },
}
ONE_MACHINE: dict[str, Any] = {
    "kernelParameters": ["quiet", "isolcpus=1"],
    "sysctl": {"net.ipv4.tcp_keepalive_time": 500},
}
PACKAGE = """
mkdir -p /srv/apt/probe/DEBIAN && cd /srv/apt
printf '%s\\n' 'Package: homelab-probe' 'Version: 1' 'Architecture: all' 'Maintainer: lab' 'Description: probe' \\
  >probe/DEBIAN/control
dpkg-deb -b probe probe.deb >/dev/null
{ cat probe/DEBIAN/control; echo "Filename: ./probe.deb"; echo "Size: $(stat -c %s probe.deb)"
  echo "SHA256: $(sha256sum probe.deb | cut -d' ' -f1)"; } >Packages
rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*
echo 'deb [trusted=yes] file:/srv/apt ./' >/etc/apt/sources.list.d/probe.list
"""
"""Builds a package and a repository of packages on the machine, which reaches no mirror."""
STATE = """
cd /; find etc boot -xdev -type f ! -path 'etc/rancher/*' ! -name '*.cache' -exec sha256sum {} + | sort -k 2
readlink etc/localtime; sysctl -n net.ipv4.tcp_keepalive_time net.ipv4.tcp_rmem; dpkg-query -W | sort; cat proc/cmdline
"""
"""Prints what the settings can change on a machine."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    document = stack_document(1, 1)
    document["config"]["homelab:cluster"]["nodes"][1]["arch"] = "arm64"  # a Raspberry Pi with its command line
    with rehearse("machine", document, tmp_path_factory.mktemp("machine")) as found:
        found.up()
        found.run_as_root("s1", PACKAGE)
        yield found


@pytest.fixture(scope="module")
def before(lab: RehearsedLab) -> dict[str, str]:
    """What is on the machines of a lab without settings of `machine`."""
    return {name: lab.run_as_root(name, STATE) for name in ("s1", "a1")}


def changed_resources(output: str) -> set[str]:
    """Return the names of the tasks that Pulumi's output shows as created, updated or deleted."""
    return set(re.findall(r"^ *[+~-] +homelab:index:Task ([\w-]+)", re.sub(r"[└├─│]", " ", output), re.MULTILINE))


def shows(lab: RehearsedLab, machine: str) -> None:
    """Check that the settings have their effect on the machine."""
    assert lab.run_as_root(machine, "timedatectl show -p Timezone --value") == "Europe/Berlin\n"
    assert "CE" in lab.run_as_root(machine, "date +%Z")
    assert "NTP=10.9.0.201\n" in lab.run_as_root(machine, "systemd-analyze cat-config systemd/timesyncd.conf")
    resolv = lab.run_as_root(machine, "cat /etc/resolv.conf")
    assert re.findall("^nameserver (.*)$", resolv, re.MULTILINE) == ["10.9.0.202", "10.9.0.203"]
    assert lab.run_as_root(machine, "sysctl -n net.ipv4.tcp_rmem").split() == ["4096", "131072", "4194304"]
    assert 'Unattended-Upgrade "0"' in lab.run_as_root(machine, "apt-config dump APT::Periodic")
    assert lab.run_as_root(machine, "cat /etc/motd") == "Grüße aus dem Lab\n"
    assert (
        lab.run_as_root(machine, "cat /etc/probe/key; stat -c ' %a %U' /etc/probe/key")
        == "rehearsal-probeKey 600 root\n"
    )
    if machine == "s1":  # the other machine was rebooted, and nothing starts the unit at boot
        assert lab.run_as_root(machine, "systemctl is-active probe") == "active\n"


def test_settings_are_applied_with_a_reboot_where_one_is_needed(lab: RehearsedLab, before: dict[str, str]) -> None:
    lab.document["config"]["homelab:probeKey"] = {"secure": "v1:c2FtcGxl:c2FtcGxl"}
    lab.cluster["machine"] = ALL_MACHINES
    lab.node_settings("a1")["machine"] = ONE_MACHINE
    lab.node_settings("s1")["machine"] = {"packages": ["homelab-probe"]}
    lab.reopen()
    assert changed_resources(lab.pulumi_succeeds("preview")) == {"s1-machine", "a1-machine"}
    boots = {name: lab.run_as_root(name, "cat /proc/sys/kernel/random/boot_id") for name in ("s1", "a1")}
    output = lab.up()
    assert "draining a1" in output
    assert "draining s1" not in output
    assert "rehearsal-probeKey" not in output
    for name in ("s1", "a1"):
        shows(lab, name)
    assert lab.run_as_root("s1", "sysctl -n net.ipv4.tcp_keepalive_time") == "600\n"
    assert lab.run_as_root("a1", "sysctl -n net.ipv4.tcp_keepalive_time") == "500\n"
    assert lab.run_as_root("a1", "cat /proc/cmdline").split()[-2:] == ["quiet", "isolcpus=1"]
    assert lab.run_as_root("s1", "dpkg-query -W -f '${Status}' homelab-probe") == "install ok installed"
    assert "rehearsal-probeKey" not in lab.session.engine.capture("stack", "export")
    assert lab.run_as_root("s1", "grep -rl rehearsal-probeKey /var/lib/homelab || true") == ""
    now = {name: lab.run_as_root(name, "cat /proc/sys/kernel/random/boot_id") for name in ("s1", "a1")}
    assert [name for name in now if now[name] != boots[name]] == ["a1"]
    wait_until(lambda: lab.ready_nodes() == {"s1", "a1"}, "both nodes are Ready")
    lab.up_changes_nothing()


def test_manual_changes_are_shown_and_corrected(lab: RehearsedLab) -> None:
    lab.run_as_root(
        "a1", "sysctl -qw net.ipv4.tcp_keepalive_time=7200; ln -sfn /usr/share/zoneinfo/Asia/Tokyo /etc/localtime"
    )
    lab.run_as_root("a1", "sed -i 's/ quiet//' /boot/firmware/cmdline.txt")
    lab.run_as_root(
        "s1", "echo other >/etc/probe/key; chmod 644 /etc/motd; chown 1000 /etc/motd; dpkg -r homelab-probe >/dev/null"
    )
    shown = lab.pulumi_succeeds("preview", "--diff")
    for line in (
        "a1: the time zone is /usr/share/zoneinfo/Asia/Tokyo, not Europe/Berlin",
        "net.ipv4.tcp_keepalive_time is 7200, not 500",
        "/boot/firmware/cmdline.txt lacks quiet",
        "/etc/probe/key (machine.files) was changed",
        "the package homelab-probe is not installed",
    ):
        assert line in shown
    started = lab.run_as_root("s1", "cat /var/tmp/probe-started")
    output = lab.up()
    assert "draining" not in output
    assert lab.run_as_root("s1", "cat /var/tmp/probe-started") > started, "the unit of the changed file was restarted"
    assert lab.run_as_root("s1", "stat -c '%a %U' /etc/motd") == "644 root\n"
    shows(lab, "a1")
    shows(lab, "s1")
    lab.up_changes_nothing()


def test_settings_survive_a_power_cut(lab: RehearsedLab) -> None:
    lab.lab.power_off("a1")
    lab.power_on("a1")
    wait_until(lambda: lab.ready_nodes() == {"s1", "a1"}, "both nodes are Ready")
    assert lab.run_as_root("a1", "sysctl -n net.ipv4.tcp_keepalive_time") == "500\n"
    assert lab.run_as_root("a1", "timedatectl show -p Timezone --value") == "Europe/Berlin\n"
    lab.up_changes_nothing()


@pytest.mark.parametrize(("settings", "messages"), [
    ({"sysctl": {"net.ipv4.typo": 1}}, (
        "machine.sysctl on s1: the kernel has no parameter net.ipv4.typo.",
        "Correct the name, or add the kernel module of the parameter to `machine.kernelModules`.",
    )),
    ({"kernelModules": ["i2c-dev"]}, ("machine.kernelModules on s1: the module i2c-dev cannot be loaded: modprobe:",)),
])  # fmt: skip
def test_a_mistake_names_machine_setting_and_fix(
    lab: RehearsedLab, settings: dict[str, Any], messages: tuple[str, ...]
) -> None:
    """The machines share the kernel of this computer, and cannot load modules."""
    lab.cluster["machine"] = {**ALL_MACHINES, **settings}
    lab.reopen()
    output = lab.up_fails()
    for message in messages:
        assert message in output


def test_removed_settings_are_taken_back(lab: RehearsedLab, before: dict[str, str]) -> None:
    del lab.cluster["machine"]
    del lab.document["config"]["homelab:probeKey"]
    del lab.node_settings("s1")["machine"]
    lab.reopen()
    assert changed_resources(lab.pulumi_succeeds("preview")) == {"s1-machine", "a1-machine"}
    output = lab.up()
    assert "draining" not in output
    assert lab.run_as_root("s1", STATE) == before["s1"]
    assert (
        lab.run_as_root("s1", "test -e /var/lib/homelab/machine || echo gone; command -v haproxy")
        == "gone\n/usr/sbin/haproxy\n"
    )
    assert lab.run_as_root("s1", "ls -d /etc/probe 2>/dev/null; true") == ""
    assert lab.run_as_root("a1", "sysctl -n net.ipv4.tcp_keepalive_time") == "500\n"
    lab.up_changes_nothing()
    del lab.node_settings("a1")["machine"]
    lab.reopen()
    assert "draining a1" in lab.up()
    assert lab.run_as_root("a1", STATE) == before["a1"]
    wait_until(lambda: lab.ready_nodes() == {"s1", "a1"}, "both nodes are Ready")
    lab.up_changes_nothing()


def test_destroy_takes_all_back(lab: RehearsedLab) -> None:
    lab.cluster["machine"] = {
        "timezone": "Asia/Tokyo",
        "dnsServers": ["10.9.0.202"],
        "sysctl": {"net.ipv4.tcp_keepalive_time": 600},
    }
    lab.reopen()
    lab.up()
    lab.pulumi_succeeds("destroy", "--yes", "--skip-preview")
    for name in ("s1", "a1"):
        left = lab.run_as_root(
            name, "ls -d /var/lib/homelab 2>/dev/null; readlink /etc/localtime; grep -c homelab /etc/resolv.conf; true"
        )
        assert "Tokyo" not in left
        assert left.splitlines()[-1] == "0"
        assert "/var/lib/homelab" not in left
        assert lab.run_as_root(name, "sysctl -n net.ipv4.tcp_keepalive_time") == "7200\n"
