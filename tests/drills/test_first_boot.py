"""The first boot of a machine with the files of `./homelab cloud-init`, and Debian's cloud-init."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from bench.labs import stack_document
from rehearsal import disk, machine_image
from tests.drills.measurements import Recorder, timed
from tests.rehearsal.rehearsed_lab import RehearsedLab, rehearse, wait_until

pytestmark = pytest.mark.drill

PACKAGES = ("cloud-init", "netplan.io", "python3-cffi-backend")  # debootstrap does not find the last one by itself
SEED = "var/lib/cloud/seed/nocloud"
NEW_KEYS = """[Unit]
Before=ssh.service
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'rm -f /etc/ssh/ssh_host_*_key*; ssh-keygen -A'
[Install]
WantedBy=multi-user.target
"""
"""Like a unit in some images of Raspberry Pi OS, which replaces all host keys at the first boot."""
SOCKET = "enable ssh.socket\n"
"""As on Ubuntu, systemd listens at port 22 for sshd."""
NETWORKD = "system_info: {network: {renderers: [networkd]}}\n"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    document = stack_document(1, 2)
    document["config"]["homelab:cluster"]["nodes"][2]["ssh"] = {"port": 2222}
    with rehearse("boot", document, tmp_path_factory.mktemp("boot")) as found:
        yield found


def write_seed(lab: RehearsedLab, name: str, folder: Path, *options: str) -> str:
    """Write the files of a machine's first boot; return the host key that the stack file pins."""
    words = [name, "--output", str(folder), "--gateway", lab.lab.address, "--overwrite", *options]
    assert f"{name}: hostKey" not in lab.homelab("cloud-init", *words)
    cluster = yaml.safe_load(lab.session.engine.stack_file.read_text())["config"]["homelab:cluster"]
    return str(next(node["hostKey"] for node in cluster["nodes"] if node["name"] == name))


def install(lab: RehearsedLab, name: str, seed: Path, host_key: str, **files: str) -> None:
    """Give a machine a new disk with Debian and cloud-init, without user, address and host key; boot it."""
    lab.lab.power_off(name)
    machine = lab.lab.machine(name)
    (machine.folder / "image").write_text(str(machine_image.ensure(print, PACKAGES)))
    (machine.folder / "host_key.pub").write_text(f"{host_key}\n")
    upper = machine.folder / "upper"
    for part in disk.PARTS:
        shutil.rmtree(machine.folder / part)
        (machine.folder / part).mkdir(mode=0o755)
    hardware = {"etc/simulated-interface": "eth0\n", "etc/simulated-machine": "x86_64\n",
                "etc/simulated-architecture": "amd64\n"}  # fmt: skip
    system = {
        "etc/hostname": "debian\n",
        "etc/hosts": "127.0.0.1 localhost\n",
        "etc/ssh/sshd_config.d/rehearsal.conf": "UseDNS no\n",  # passwords are allowed, as in Debian
        "etc/cloud/cloud.cfg.d/10-image.cfg": "locale: false\n",  # the small image has no locales
        "boot/firmware/user-data": (seed / "user-data").read_text(),  # as on the card of a Raspberry Pi
        "etc/systemd/system/regenerate_ssh_host_keys.service": NEW_KEYS,
    }
    for path, text in {**hardware, **system, **files}.items():
        (upper / path).parent.mkdir(parents=True, exist_ok=True)
        (upper / path).write_text(text)
    wanted = upper / "etc/systemd/system/multi-user.target.wants/regenerate_ssh_host_keys.service"
    wanted.parent.mkdir()
    wanted.symlink_to("../regenerate_ssh_host_keys.service")
    shutil.copytree(seed, upper / SEED, ignore=shutil.ignore_patterns(".*"))
    lab.lab.write_known_hosts()
    lab.lab.power_on(name)
    wait_until(lambda: lab.run_as_root(name, "ls /etc/cloud/cloud-init.disabled"), "cloud-init has ended")


def is_as_described(lab: RehearsedLab, name: str) -> None:
    """Check that the machine has the name, the address, the user and the host key of its node."""
    node = lab.node_settings(name)
    assert lab.run_as_root(name, "hostname") == f"{name}\n"
    assert lab.lab.ssh(name, "sudo -n id -u; id -un") == "0\npi\n"
    assert lab.run_as_root(name, "passwd -S pi").split()[1] == "L"
    assert f"inet {node['address']}/24 " in lab.run_as_root(name, "ip -o addr show dev eth0")
    assert f"default via {lab.lab.address} dev eth0" in lab.run_as_root(name, "ip route")
    assert "passwordauthentication no\n" in lab.run_as_root(name, "sshd -T")
    keys = lab.run_as_root(name, "cat /etc/ssh/ssh_host_*_key.pub").splitlines()
    assert [" ".join(key.split()[:2]) for key in keys] == [lab.lab.machine(name).host_key]
    assert lab.run_as_root(name, "ls /boot/firmware") == ""
    assert "manage_etc_hosts" not in lab.run_as_root(name, "cat /var/lib/cloud/instance/user-data.txt")


def boots_again(lab: RehearsedLab, name: str) -> None:
    """Check that the machine stays as it is without cloud-init's files, as after the removal of a USB stick."""
    boot = lab.run_as_root(name, "cat /proc/sys/kernel/random/boot_id")
    lab.run_as_root(name, f"rm -r /{SEED}; systemctl reboot")
    wait_until(lambda: lab.run_as_root(name, "cat /proc/sys/kernel/random/boot_id") != boot, "the machine has rebooted")
    is_as_described(lab, name)


def test_a_machine_boots_as_its_node(lab: RehearsedLab, tmp_path: Path, record: Recorder) -> None:
    host_key = write_seed(lab, "a1", tmp_path / "seed")
    with timed(record, "first boot with cloud-init, until it has ended"):
        install(lab, "a1", tmp_path / "seed", host_key)
    status = json.loads(lab.run_as_root("a1", "cat /run/cloud-init/status.json"))["v1"]
    assert not [stage for stage, each in status.items() if isinstance(each, dict) and each["errors"]]
    assert "10-netplan-lan" in lab.run_as_root("a1", "ls /run/systemd/network")
    is_as_described(lab, "a1")
    boots_again(lab, "a1")


def test_a_machine_boots_with_another_port_and_without_netplan(lab: RehearsedLab, tmp_path: Path) -> None:
    host_key = write_seed(lab, "a2", tmp_path / "seed", "--interface", "eth0", "--mtu", "1400")
    install(
        lab,
        "a2",
        tmp_path / "seed",
        host_key,
        **{"etc/cloud/cloud.cfg.d/90-networkd.cfg": NETWORKD, "etc/systemd/system-preset/00-a.preset": SOCKET},
    )
    assert "10-cloud-init-eth0" in lab.run_as_root("a2", "ls /etc/systemd/network")
    assert "mtu 1400" in lab.run_as_root("a2", "ip link show eth0")
    is_as_described(lab, "a2")
    boots_again(lab, "a2")


def test_the_machines_join_the_cluster(lab: RehearsedLab) -> None:
    reports = json.loads(lab.homelab("doctor", "--json").partition("{")[2].join(("{", "")))["reports"]
    assert {report["name"] for report in reports} >= {"s1", "a1", "a2"}
    lab.up()
    wait_until(lambda: lab.ready_nodes() == {"s1", "a1", "a2"}, "all nodes are Ready")
    lab.up_changes_nothing()
