"""Machines as they are found: a reboot with pods, an address that comes late, two holders of the VIP, a firewall."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from bench.labs import stack_document
from rehearsal.artefacts import PAUSE
from tests.drills.measurements import Recorder
from tests.rehearsal.rehearsed_lab import RehearsedLab, rehearse, wait_until

pytestmark = pytest.mark.drill

HANDLER = "trap 'sleep 8; date +%s >/probe/ended; exit 0' TERM; date +%s >/probe/started; while :; do sleep 1; done"
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "slow"},
    "spec": {
        "nodeName": "a1",
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 30,
        "containers": [
            {
                "name": "slow",
                "image": PAUSE,
                "command": ["/bin/sh", "-c", HANDLER],
                "lifecycle": {"preStop": {"exec": {"command": ["/bin/sh", "-c", "sleep 2; date +%s >/probe/hook"]}}},
                "securityContext": {"runAsUser": 0},
                "volumeMounts": [
                    {"name": name, "mountPath": f"/{name}"} for name in ("bin", "lib", "lib64", "usr", "probe")
                ],
            }
        ],
        "volumes": [
            *({"name": name, "hostPath": {"path": f"/usr/{name}"}} for name in ("bin", "lib", "lib64")),
            {"name": "usr", "hostPath": {"path": "/usr"}},
            {"name": "probe", "hostPath": {"path": "/var/lib/probe", "type": "DirectoryOrCreate"}},
        ],
    },
}
"""A pod that runs the programs of its machine, because the image of pause contains none. Its end takes ten seconds."""
LATE_ADDRESS = """
systemctl mask -q systemd-networkd-wait-online
mv /etc/systemd/network/10-lan.network /etc/late.network
cat >/etc/systemd/system/late.service <<'END'
[Service]
ExecStart=/bin/sh -c 'sleep 20; mv /etc/late.network /etc/systemd/network/10-lan.network; networkctl reload'
[Install]
WantedBy=multi-user.target
END
systemctl enable -q late
"""
FIREWALL = """
iptables -A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
iptables -A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT
iptables -A INPUT -j REJECT --reject-with icmp-host-prohibited
"""
"""The rules of a cloud provider's images, which accept only SSH."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    with rehearse("found", stack_document(1, 1), tmp_path_factory.mktemp("found")) as found:
        found.up()
        yield found


def start_slow_pod(lab: RehearsedLab) -> None:
    """Start the pod again, and wait until its process runs."""
    lab.run_as_root("a1", "rm -rf /var/lib/probe")
    lab.kubectl("delete", "pod", "slow", "--ignore-not-found", "--force", "--grace-period=0")
    lab.run_as_root("s1", f"k3s kubectl apply -f - <<'END'\n{json.dumps(POD)}\nEND\n")
    wait_until(lambda: traces(lab) == {"started"}, "the process of the pod runs", 120)


def traces(lab: RehearsedLab) -> set[str]:
    """Return which files the pod has written: `started`, `hook` by its preStop hook, and `ended` by its handler."""
    return set(lab.run_as_root("a1", "ls /var/lib/probe 2>/dev/null || true").split())


def boot_id(lab: RehearsedLab) -> str:
    return lab.run_as_root("a1", "cat /proc/sys/kernel/random/boot_id")


def findings(lab: RehearsedLab, code: int) -> dict[tuple[str, str], dict[str, str]]:
    """Return what `./homelab doctor` finds, by the names of the report and of the check."""
    reports = json.loads(lab.homelab("doctor", "--json", code=code).partition("{")[2].join(("{", "")))["reports"]
    return {(report["name"], each["check"]): each for report in reports for each in report["findings"]}


def test_pods_end_well_when_their_machine_reboots(lab: RehearsedLab, record: Recorder) -> None:
    assert "kubelet" in lab.run_as_root("a1", "systemd-inhibit --list --no-legend")
    start_slow_pod(lab)
    before, began = boot_id(lab), time.monotonic()
    lab.run_as_root("a1", "systemctl reboot")
    wait_until(lambda: boot_id(lab) != before, "the machine has rebooted")
    record("reboot of an agent with a pod that ends in ten seconds, until SSH answers",
           f"{time.monotonic() - began:.0f} s")  # fmt: skip
    assert traces(lab) == {"started", "hook", "ended"}
    started, hook, ended = (
        int(lab.run_as_root("a1", f"cat /var/lib/probe/{name}")) for name in ("started", "hook", "ended")
    )
    assert started < hook < ended
    wait_until(lambda: lab.ready_nodes() == {"s1", "a1"}, "all nodes are Ready")


def test_a_power_cut_ends_pods_without_notice(lab: RehearsedLab) -> None:
    start_slow_pod(lab)
    lab.lab.power_off("a1")
    lab.power_on("a1")
    assert traces(lab) == {"started"}


def test_keepalived_starts_when_its_address_comes_late(lab: RehearsedLab) -> None:
    lab.run_as_root("s1", LATE_ADDRESS)
    lab.lab.power_off("s1")
    lab.lab.power_on("s1")
    lab.run_as_root("s1", "systemctl disable -q late; rm /etc/systemd/system/late.service")
    lab.run_as_root("s1", "systemctl unmask -q systemd-networkd-wait-online")
    wait_until(lab.api_answers, "the API answers at its VIP")
    assert int(lab.run_as_root("s1", "systemctl show -p NRestarts --value keepalived")) > 0
    wait_until(lambda: lab.ready_nodes() == {"s1", "a1"}, "both nodes are Ready")


def test_an_address_that_another_daemon_removes_returns(lab: RehearsedLab) -> None:
    vip = lab.cluster["api"]["vip"]
    lab.run_as_root("s1", f"ip addr flush to {vip}")
    wait_until(lambda: lab.run_as_root("s1", f"ip -o addr show to {vip}"), "keepalived adds the VIP again", 30)
    wait_until(lab.api_answers, "the API answers at its VIP", 30)


def test_the_vip_returns_after_the_network_was_configured_again(lab: RehearsedLab, record: Recorder) -> None:
    """A link that was down for seconds, and a daemon that sets the addresses of the interface later."""
    (address,) = (node["address"] for node in lab.cluster["nodes"] if node["name"] == "s1")
    vip = lab.cluster["api"]["vip"]
    device = lab.run_as_root("s1", f"ip -o addr show to {address}").split()[1]
    again = f"ip link set {device} down; ip addr flush dev {device}; sleep 8; networkctl reconfigure {device}"
    lab.run_as_root("s1", f"systemd-run --quiet --no-block bash -c '{again}; ip link set {device} up'")
    wait_until(lambda: not lab.api_answers(), "the machine has lost its addresses")
    began = time.monotonic()
    wait_until(lambda: lab.run_as_root("s1", f"ip -o addr show to {vip}"), "keepalived adds the VIP again", 60)
    wait_until(lab.api_answers, "the API answers at its VIP", 60)
    record("a link that was down for 8 s, and an interface that was configured again",
           f"the API answers after {time.monotonic() - began:.0f} s")  # fmt: skip


def test_doctor_names_two_holders_of_the_vip(lab: RehearsedLab) -> None:
    vip = lab.cluster["api"]["vip"]
    assert ("a1", "virtual IP") not in findings(lab, 0)
    lab.run_as_root("a1", f"ip addr add {vip}/32 dev lo")
    found = findings(lab, 1)
    lab.run_as_root("a1", f"ip addr del {vip}/32 dev lo")
    assert found["s1", "virtual IP"]["says"] == f"the machine holds the virtual IP {vip}, but a1 holds it, too"
    assert found["a1", "virtual IP"]["says"] == f"the machine holds the virtual IP {vip}, but s1 holds it, too"


def test_doctor_names_the_rules_that_a_firewall_lacks(lab: RehearsedLab) -> None:
    lab.run_as_root("a1", FIREWALL)
    found = findings(lab, 1)["a1", "firewall"]
    assert found["says"].startswith("iptables does not accept packets from 10.9.0.11/32")
    lab.run_as_root("a1", found["fix"])
    assert findings(lab, 0)["a1", "firewall"]["says"] == "iptables accepts packets of the cluster"
    lab.run_as_root("a1", FIREWALL.replace("-A", "-D"))
