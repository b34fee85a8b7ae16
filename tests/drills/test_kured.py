"""What homelab adds to kured: its check for a required reboot, its lock, and the rights of its namespace. kured itself
does not run here."""

import json
from collections.abc import Iterator

import pytest

from bench.labs import stack_document
from components.layers.kured import reboot_required
from tests.drills.measurements import Recorder, timed
from tests.rehearsal.rehearsed_lab import RehearsedLab, longest_outage, rehearse, wait_until

pytestmark = pytest.mark.drill

LOCK = "weave.works/kured-node-lock"
SENTINEL = "/run/reboot-required"
SERVERS, ALL = {"s1", "s2", "s3"}, {"s1", "s2", "s3", "a1"}
ENTER = ("nsenter", "-m/proc/1/ns/mnt", "--")
"""The words that kured writes before each command that it runs on its machine."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    document = stack_document(3, 1)
    document["config"]["homelab:platform"] = {"kured": {}}
    with rehearse("kured", document, tmp_path_factory.mktemp("kured")) as found:
        found.up()
        yield found


def asks_for_a_reboot(lab: RehearsedLab, machine: str) -> bool:
    """Run the command with which kured checks whether its machine needs a reboot."""
    command = f"{' '.join(ENTER)} {reboot_required(SENTINEL)}"
    return lab.run_as_root(machine, f"if {command} >/dev/null 2>&1; then echo yes; else echo no; fi") == "yes\n"


def holder(lab: RehearsedLab) -> str:
    """Return who holds the lock of kured."""
    (daemon_set,) = json.loads(lab.kubectl("get", "daemonsets", "-n", "kured", "-o", "json"))["items"]
    lock = daemon_set["metadata"]["annotations"].get(LOCK, '{"nodeID": ""}')
    return str(json.loads(lock)["nodeID"])


def boot_id(lab: RehearsedLab, machine: str) -> str:
    return lab.run_as_root(machine, "cat /proc/sys/kernel/random/boot_id")


def test_a_server_asks_for_a_reboot_only_while_all_servers_are_ready(lab: RehearsedLab) -> None:
    assert not any(asks_for_a_reboot(lab, name) for name in ALL)
    for name in ("s1", "a1"):
        lab.run_as_root(name, f"touch {SENTINEL}")
    assert {name for name in ALL if asks_for_a_reboot(lab, name)} == {"s1", "a1"}
    lab.lab.power_off("s3")
    wait_until(lambda: lab.ready_nodes() == ALL - {"s3"}, "s3 is not Ready")
    assert not asks_for_a_reboot(lab, "s1")
    assert asks_for_a_reboot(lab, "a1")
    lab.power_on("s3")
    wait_until(lambda: lab.ready_nodes() == ALL and lab.etcd_voters() == SERVERS, "s3 is back")
    assert asks_for_a_reboot(lab, "s1")
    lab.run_as_root("s1", f"rm {SENTINEL}")


def test_homelab_drains_nothing_while_kured_reboots_a_node(lab: RehearsedLab, record: Recorder) -> None:
    lock = {"nodeID": "s2", "metadata": {"unschedulable": False}, "created": "2026-01-01T00:00:00.123456789Z", "TTL": 0}
    lab.kubectl("annotate", "daemonset", "kured", "-n", "kured", f"{LOCK}={json.dumps(lock, separators=(',', ':'))}")
    lab.node_settings("a1")["options"] = {"kubelet-arg": ["max-pods=120"]}
    lab.reopen()
    drained: list[str] = []

    def release() -> None:
        drained.append(lab.kubectl("get", "node", "a1", "-o", "jsonpath={.spec.unschedulable}"))
        lab.kubectl("annotate", "daemonset", "kured", "-n", "kured", f"{LOCK}-")

    with timed(record, "an agent rolled out after kured has released its lock"):
        output = lab.up_despite("waiting for the lock of kured, which reboots s2", release)
    assert drained == [""]
    assert "draining a1" in output
    assert holder(lab) == "pulumi up"
    wait_until(lambda: lab.ready_nodes() == ALL, "all nodes are Ready")
    lab.up_changes_nothing()


def test_a_pod_like_that_of_kured_reboots_a_server(lab: RehearsedLab, record: Recorder) -> None:
    """The image of kured has its own nsenter; this pod has only that of its machine."""
    image = lab.kubectl("get", "deployment", "coredns", "-n", "kube-system", "-o", "jsonpath={..containers[0].image}")
    loader = lab.run_as_root("s1", "readlink -f /lib*/ld-linux-*.so.*").split()[0]
    libraries = lab.run_as_root("s1", "ls -d /usr/lib/*-linux-gnu").split()[0]
    enter = [f"/host{loader}", "--library-path", f"/host{libraries}", "/host/usr/bin/nsenter", *ENTER[1:]]
    container = {
        "name": "reboot",
        "image": image,
        "command": [*enter, "sh", "-c", f"{reboot_required(SENTINEL)} && exec /bin/systemctl reboot"],
        "resources": {"limits": {"memory": "64Mi"}},
        "securityContext": {"privileged": True, "readOnlyRootFilesystem": True},
        "volumeMounts": [{"name": "host", "mountPath": "/host", "readOnly": True}],
    }
    spec = {
        "nodeName": "s1",
        "hostPID": True,
        "restartPolicy": "Never",
        "containers": [container],
        "volumes": [{"name": "host", "hostPath": {"path": "/"}}],
    }
    overrides = json.dumps({"apiVersion": "v1", "spec": spec})
    before = boot_id(lab, "s1")

    def reboot() -> None:
        lab.kubectl("run", "reboot", "-n", "kured", f"--image={image}", "--restart=Never", f"--overrides={overrides}")
        wait_until(lambda: lab.lab.machine("s1").answers() and boot_id(lab, "s1") != before, "s1 has rebooted")
        wait_until(lambda: lab.ready_nodes() == ALL and lab.etcd_voters() == SERVERS, "all nodes are Ready")

    lab.run_as_root("s1", f"touch {SENTINEL}")
    gap = longest_outage(lab.api_answers, reboot)
    record("a server rebooted as kured reboots it, longest gap of the API", f"{gap:.1f} s")
    assert not asks_for_a_reboot(lab, "s1"), "the reboot has removed the file"
