"""Packages of all machines are upgraded in turn, and machines that need it are rebooted, while the API answers."""

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.labs import stack_document
from tests.drills.measurements import Recorder, timed
from tests.drills.test_machine import changed_resources
from tests.rehearsal.rehearsed_lab import RehearsedLab, longest_outage, rehearse, wait_until

pytestmark = pytest.mark.drill

SERVERS = ("s1", "s2", "s3")
ALL = (*SERVERS, "a1")
REBOOTING = ("s1", "s3", "a1")
"""Machines with the package whose upgrade needs a reboot."""
BOOT = "cat /proc/sys/kernel/random/boot_id"
PUBLISH = """
set -e
version=%s
publish() { # NAME POSTINST
  folder=/srv/apt/$1
  mkdir -p $folder/DEBIAN $folder/etc && echo "$1 $version" >$folder/etc/$1.conf
  printf '%%s\\n' "Package: $1" "Version: $version" 'Architecture: all' 'Maintainer: lab' 'Description: probe' \\
    >$folder/DEBIAN/control
  echo /etc/$1.conf >$folder/DEBIAN/conffiles
  printf '#!/bin/sh\\nset -e\\n%%s\\n' "$2" >$folder/DEBIAN/postinst && chmod 755 $folder/DEBIAN/postinst
  dpkg-deb -b $folder /srv/apt/$1.deb >/dev/null
  { cat $folder/DEBIAN/control; echo "Filename: ./$1.deb"; echo "Size: $(stat -c %%s /srv/apt/$1.deb)"
    echo "SHA256: $(sha256sum /srv/apt/$1.deb | cut -d' ' -f1)"; echo; } >>/srv/apt/Packages.new
}
mkdir -p /srv/apt && rm -f /srv/apt/Packages.new
publish probe-tool '%s'
publish probe-kernel 'echo probe-kernel >>/run/reboot-required.pkgs; touch /run/reboot-required'
mv /srv/apt/Packages.new /srv/apt/Packages
rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*
echo 'deb [trusted=yes] file:/srv/apt ./' >/etc/apt/sources.list.d/probe.list
"""
"""Publishes two packages in a repository on the machine, which reaches no mirror."""
FAILS = "[ -e /etc/probe-license ] || { echo the license of probe-tool is missing; exit 1; }"

KILLED = """
dpkg --force-confold -i /srv/apt/probe-tool.deb &
until ls /var/lib/dpkg/updates | grep -q '^[0-9]'; do sleep 0.1; done
sleep 1; kill -9 $!
ls /var/lib/dpkg/updates | grep '^[0-9]'
"""
"""Interrupts dpkg while it configures a package."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    with rehearse("updates", stack_document(3, 1), tmp_path_factory.mktemp("updates")) as found:
        found.up()
        for name in ALL:
            publish(found, 1, name)
            packages = "probe-tool probe-kernel" if name in REBOOTING else "probe-tool"
            found.run_as_root(name, f"apt-get -q update; apt-get -qy install {packages}; rm -f /run/reboot-required*")
            found.run_as_root(name, "echo mine >/etc/probe-tool.conf")
        yield found


def publish(lab: RehearsedLab, version: int, *names: str, postinst: str = ":") -> None:
    for name in names or ALL:
        lab.run_as_root(name, PUBLISH % (version, postinst))


def versions(lab: RehearsedLab, package: str = "probe-tool") -> dict[str, str]:
    return {
        name: lab.run_as_root(name, f"dpkg-query -W -f '${{Version}} ${{db:Status-Status}}' {package}") for name in ALL
    }


def upgrade(lab: RehearsedLab, text: str) -> None:
    """Request a package upgrade of all machines."""
    lab.cluster["machine"] = {"packageUpgrade": text}
    lab.reopen()


def boots(lab: RehearsedLab) -> dict[str, str]:
    return {name: lab.run_as_root(name, BOOT) for name in ALL}


def all_serve(lab: RehearsedLab) -> None:
    """Check that all nodes are Ready and schedulable."""
    wait_until(lambda: lab.ready_nodes() == set(ALL), "all nodes are Ready")
    assert lab.kubectl("get", "nodes", "-o", "jsonpath={.items[*].spec.unschedulable}") == ""


@contextmanager
def servers_away(lab: RehearsedLab) -> Iterator[list[frozenset[str]]]:
    """Record which servers refuse connections to their API at the same time."""
    seen: list[frozenset[str]] = []
    done = threading.Event()

    def answers(name: str) -> bool:
        address = lab.node_settings(name)["address"]
        probe = ["curl", "-ks", "--max-time", "3", "-o", "/dev/null", f"https://{address}:6443/version"]
        return subprocess.run(lab.lab.netns.command(*probe), check=False).returncode == 0

    def watch() -> None:
        while not done.is_set():
            seen.append(frozenset(name for name in SERVERS if not answers(name)))
            time.sleep(0.2)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()


def test_packages_are_upgraded_and_machines_rebooted_in_turn(lab: RehearsedLab, record: Recorder) -> None:
    publish(lab, 2)
    upgrade(lab, "2026-11")
    assert changed_resources(lab.pulumi_succeeds("preview")) == {f"{name}-package-upgrade" for name in ALL}
    before, output = boots(lab), ""

    def up() -> None:
        nonlocal output
        output = lab.up()

    with timed(record, "package upgrade of four machines, three reboots"), servers_away(lab) as away:
        gap = longest_outage(lab.api_answers, up)
    record("package upgrade, longest gap of the API", f"{gap:.1f} s")
    assert set(versions(lab).values()) == {"2 installed"}
    after = boots(lab)
    assert {name for name in ALL if before[name] != after[name]} == set(REBOOTING)
    assert {name for name in ALL if f"draining {name}" in output} == set(REBOOTING)
    assert {"s1", "s3"} <= {name for names in away for name in names}
    assert max(len(names) for names in away) == 1, "one server at a time"
    assert output.index("draining a1") > max(output.index(f"draining {name}") for name in ("s1", "s3"))
    for name in ALL:
        assert lab.run_as_root(name, "cat /etc/probe-tool.conf") == "mine\n"
        assert "probe-tool" in lab.run_as_root(name, "grep Upgrade: /var/log/apt/history.log")
        assert lab.run_as_root(name, "ls /var/cache/apt/archives/*.deb 2>/dev/null || true") == ""
    all_serve(lab)
    lab.up_changes_nothing()


def test_new_packages_are_no_drift_and_held_packages_stay(lab: RehearsedLab) -> None:
    publish(lab, 3)
    lab.run_as_root("s2", "apt-mark hold probe-tool")
    lab.up_changes_nothing()
    upgrade(lab, "2026-12")
    before = boots(lab)
    lab.up()
    assert versions(lab) == {name: "2 installed" if name == "s2" else "3 installed" for name in ALL}
    assert {name for name in ALL if before[name] != boots(lab)[name]} == set(REBOOTING)
    lab.run_as_root("s2", "apt-mark unhold probe-tool")
    all_serve(lab)


def test_a_package_that_fails_stops_the_upgrade(lab: RehearsedLab) -> None:
    publish(lab, 4, postinst=FAILS)
    upgrade(lab, "2027-01")
    before = boots(lab)
    output = lab.up_fails()
    assert "apt-get could not upgrade the packages. Its output ends:" in output
    assert "the license of probe-tool is missing" in output
    states = versions(lab)
    (failed,) = (name for name in ALL if not states[name].endswith(" installed"))
    assert failed in SERVERS
    assert not any(state.startswith("4") for name, state in states.items() if name != failed)
    assert f"because the change of the node {failed} failed: fix {failed} first." in output
    assert boots(lab) == before
    all_serve(lab)
    for name in ALL:
        lab.run_as_root(name, "touch /etc/probe-license")
    lab.up()
    assert set(versions(lab).values()) == {"4 installed"}
    all_serve(lab)
    lab.up_changes_nothing()


def test_an_interrupted_dpkg_is_completed_and_a_running_one_awaited(lab: RehearsedLab) -> None:
    publish(lab, 5, *(name for name in ALL if name != "s3"), postinst="sleep 5")
    publish(lab, 5, "s3", postinst="sleep 60")
    lab.run_as_root("s2", KILLED)
    lab.run_as_root("s3", "systemd-run -q dpkg --force-confold -i /srv/apt/probe-tool.deb")
    upgrade(lab, "2027-02")
    output = lab.up()
    assert "the packages are downloaded later: E: dpkg was interrupted" in output
    assert set(versions(lab).values()) == {"5 installed"}
    all_serve(lab)


def test_removing_the_setting_changes_no_machine(lab: RehearsedLab) -> None:
    publish(lab, 6)
    before = boots(lab)
    del lab.cluster["machine"]
    lab.reopen()
    lab.up()
    assert set(versions(lab).values()) == {"5 installed"}
    assert boots(lab) == before
