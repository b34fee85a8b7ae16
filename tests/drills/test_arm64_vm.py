"""An agent on an emulated ARM64 machine: from bare to a pod that serves, through a power cut, and back to bare.

The machine has a kernel and a processor of its own, reads its boot command line off a FAT file system, and runs K3s and
the app's program for ARM64.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from bench.labs import stack_document
from rehearsal.disk import BOOT_COMMAND_LINE
from tests.drills.measurements import Recorder, timed
from tests.drills.stack_files import write_stack_file
from tests.rehearsal.rehearsed_lab import RehearsedLab, rehearse, wait_until

pytestmark = pytest.mark.drill

APP: dict[str, Any] = {
    "platform": "arm",
    "image": "ghcr.io/stefanprodan/podinfo:6.9.2",
    "port": 9898,
    "arch": "arm64",
    "discard": True,
}
BOOT_ID = "cat /proc/sys/kernel/random/boot_id"
CONTROLLERS = "cat /sys/fs/cgroup/cgroup.controllers"
STATE = """
cd /; find etc boot -xdev -type f ! -name '*.cache' -exec sha256sum {} + | sort -k 2; sha256sum boot/firmware/*
hostname; ls -A opt usr/local/bin; ls -d etc/rancher var/lib/homelab var/lib/rancher/k3s; pgrep -x k3s; true
"""
WRITE = """
echo kept >/root/synced; sync
systemd-run -q sh -c 'while :; do head -c 1M /dev/urandom >/root/part; mv /root/part /root/whole; done'
until [ -e /root/whole ]; do sleep 0.2; done
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, record: Recorder) -> Iterator[RehearsedLab]:
    folder = tmp_path_factory.mktemp("arm")
    document = stack_document(1, 1)
    document["config"]["homelab:cluster"]["nodes"][1]["arch"] = "arm64"
    file = folder / "Pulumi.shop.yaml"
    write_stack_file(file, app=APP)
    with rehearse("arm", document, folder, [file], ["a1"]) as found:
        record("an emulated ARM64 machine: start to SSH login", f"{found.session.seconds['machines']:.0f} s")
        yield found


@pytest.fixture(scope="module")
def bare(lab: RehearsedLab) -> str:
    """The state of the machine before the first run."""
    assert lab.run_as_root("a1", "uname -m") == "aarch64\n"
    assert "memory" not in lab.run_as_root("a1", CONTROLLERS).split()
    return lab.run_as_root("a1", STATE)


def test_a_bare_machine_reboots_for_its_memory_cgroup_and_joins(lab: RehearsedLab, bare: str, record: Recorder) -> None:
    boot = lab.run_as_root("a1", BOOT_ID)
    with timed(record, "a server, and an agent on an emulated ARM64 machine that reboots: `pulumi up`"):
        lab.up()
    assert lab.run_as_root("a1", BOOT_ID) != boot
    assert "memory" in lab.run_as_root("a1", CONTROLLERS).split()
    wait_until(lambda: lab.ready_nodes() == {"s1", "a1"}, "both nodes are Ready")
    info = json.loads(lab.kubectl("get", "node", "a1", "-o", "json"))["status"]["nodeInfo"]
    assert info["architecture"] == "arm64"
    assert info["kernelVersion"] == lab.run_as_root("a1", "uname -r").strip()
    assert info["kernelVersion"] != lab.run_as_root("s1", "uname -r").strip()
    lab.up_changes_nothing()


def serving_program(lab: RehearsedLab) -> Any:
    """Ask the app what it is, through the API server and the tunnel of its node."""
    return json.loads(lab.kubectl("get", "--raw", "/api/v1/namespaces/shop/services/shop/proxy/api/info"))


def test_the_app_serves_from_the_machine(lab: RehearsedLab, record: Recorder) -> None:
    with timed(record, "an app for `arch: arm64` on that machine"):
        lab.up(engine=lab.app_engine("shop"))
    (pod,) = json.loads(lab.kubectl("get", "pods", "-n", "shop", "-o", "json"))["items"]
    assert pod["spec"]["nodeName"] == "a1"
    assert serving_program(lab)["goarch"] == "arm64"


def test_the_machine_returns_after_a_power_cut_in_the_middle_of_a_write(lab: RehearsedLab, record: Recorder) -> None:
    lab.run_as_root("a1", WRITE)
    lab.lab.power_off("a1")
    with timed(record, "the power of that machine cut, and restored: Ready, and the app serves"):
        lab.power_on("a1")
        wait_until(lambda: lab.ready_nodes() == {"s1", "a1"}, "both nodes are Ready")
        wait_until(lambda: serving_program(lab)["goarch"] == "arm64", "the app serves", 300)
    assert lab.run_as_root("a1", "cat /root/synced; rm -f /root/synced /root/part /root/whole") == "kept\n"
    assert "recovery complete" in lab.run_as_root("a1", "dmesg")
    lab.up_changes_nothing()


def test_the_removed_machine_is_as_it_was(lab: RehearsedLab, bare: str, record: Recorder) -> None:
    lab.pulumi_succeeds("destroy", "--yes", "--skip-preview", engine=lab.app_engine("shop"))
    lab.cluster["nodes"] = lab.cluster["nodes"][:1]
    lab.virtual = ()
    lab.reopen()
    with timed(record, "that machine removed from the stack"):
        assert "draining a1" in lab.up()
    assert set(lab.node_conditions()) == {"s1"}
    assert lab.run_as_root("a1", "cat /boot/firmware/cmdline.txt") == BOOT_COMMAND_LINE
    assert lab.run_as_root("a1", STATE) == bare
    lab.lab.power_off("a1")
    lab.lab.power_on("a1")
    assert "memory" not in lab.run_as_root("a1", CONTROLLERS).split()
