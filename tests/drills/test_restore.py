"""A cluster is restored from snapshots: after interruptions, from S3, with lost machines, without Pulumi's state."""

import base64
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.labs import stack_document
from rehearsal import certificates
from rehearsal.paths import PROJECT
from tests.drills.measurements import Recorder, timed
from tests.rehearsal.rehearsed_lab import RehearsedLab, kill_tree, rehearse, wait_until

pytestmark = pytest.mark.drill

SERVERS = {"s1", "s2", "s3"}
ALL = SERVERS | {"a1"}
PORT = 9000
KEYS = {"s3Access": "rehearsal-s3Access", "s3Secret": "rehearsal-s3Secret"}

# output lines at which the successive restores are killed
MOMENTS = [
    r"s1: taking a snapshot",
    r"s2: stopping K3s",
    r"s1: restoring",
    r"s1: starting k3s",
    r"s3: waiting for the restored cluster",
    r"s2: waiting for k3s to be ready",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rescue")


@pytest.fixture(scope="module")
def lab(folder: Path) -> Iterator[RehearsedLab]:
    with rehearse("rescue", stack_document(3, 1), folder) as found, S3Service(found, folder) as bucket:
        found.document["config"] |= {f"homelab:{name}": {"secure": "v1:c2FtcGxl:c2FtcGxl"} for name in KEYS}
        found.cluster["k3s"] = {"snapshots": {"s3": bucket}}
        found.reopen()
        found.up()
        yield found


class S3Service:
    """An S3 service in the lab's network; entering it yields its settings for the stack file."""

    def __init__(self, lab: RehearsedLab, folder: Path) -> None:
        address = lab.lab.address
        authority = certificates.ensure(folder / "s3", address).ca
        self.settings = {
            "endpoint": f"{address}:{PORT}", "bucket": "lab", "folder": "etcd",
            "endpointCa": base64.b64encode(authority.read_bytes()).decode(),
            "accessKey": {"secret": "s3Access"}, "secretKey": {"secret": "s3Secret"},
        }  # fmt: skip
        options = ["--address", address, "--port", str(PORT), "--state", str(folder / "s3")]
        options += ["--bucket", "lab", "--keys", ":".join(KEYS.values())]
        self.command = lab.lab.netns.command(sys.executable, "-m", "tests.support.s3_server", *options)
        self.lab = lab

    def __enter__(self) -> dict[str, object]:
        self.process = subprocess.Popen(self.command, cwd=PROJECT)
        wait_until(lambda: self.lab.lab.netns.answers(self.lab.lab.address, PORT), "the S3 service answers", 30)
        return dict(self.settings)

    def __exit__(self, *_: object) -> None:
        kill_tree(self.process.pid)
        self.process.wait()


def kill_homelab_at(lab: RehearsedLab, moment: str, *arguments: str) -> None:
    process = lab.session.engine.start_homelab(*arguments, output=subprocess.PIPE)
    assert process.stdout
    said = ""
    for line in process.stdout:
        said += line
        if re.search(moment, line):
            kill_tree(process.pid)
            break
    else:
        pytest.fail(f"{moment} never came:\n{said}")
    process.wait()
    print(f"$ ./homelab {' '.join(arguments)}\n{said}killed", flush=True)


def write_canary(lab: RehearsedLab, song: str) -> None:
    def sung() -> bool:
        lab.kubectl("delete", "configmap", "canary", "--ignore-not-found")
        return bool(lab.kubectl("create", "configmap", "canary", f"--from-literal=song={song}"))

    wait_until(sung, "the API accepts a canary")


def read_canary(lab: RehearsedLab) -> str:
    return lab.kubectl("get", "configmap", "canary", "-o", "jsonpath={.data.song}")


def check_cluster(lab: RehearsedLab) -> None:
    """Check that every node is Ready and uncordoned, every server votes, and `pulumi up` changes nothing."""
    wait_until(lambda: lab.ready_nodes() == ALL, "all nodes are Ready")
    assert lab.etcd_voters() == SERVERS
    lab.up_changes_nothing("--refresh")
    assert lab.kubectl("get", "nodes", "-o", "jsonpath={.items[*].spec.unschedulable}") == ""


def take_snapshot(lab: RehearsedLab, name: str, *options: str) -> str:
    lab.homelab("snapshot", "--name", name, *options)
    listed = json.loads(lab.homelab("snapshot", "--list", "--json"))
    (found,) = (each for each in listed if each["name"].startswith(f"{name}-"))
    assert found["s3"]
    return str(found["name"])


def test_every_machine_lost_and_restored_from_s3(lab: RehearsedLab, record: Recorder) -> None:
    write_canary(lab, "far away")
    name = take_snapshot(lab, "far")
    write_canary(lab, "lost")
    for machine in sorted(ALL):
        lab.lab.wipe(machine)
    with timed(record, "every machine lost, restored from S3"):
        lab.homelab("restore", "--from-s3", "--yes")
    assert name in lab.homelab("snapshot", "--list")
    assert read_canary(lab) == "far away"
    check_cluster(lab)


def test_the_next_restore_completes_a_killed_one(lab: RehearsedLab, record: Recorder) -> None:
    write_canary(lab, "killed")
    name = take_snapshot(lab, "killed")
    write_canary(lab, "lost")
    for moment in MOMENTS:
        kill_homelab_at(lab, moment, "restore", name, "--yes")
    start = time.monotonic()
    lab.homelab("restore", name, "--yes")
    record(f"restore killed at {len(MOMENTS)} points", f"completed by the next in {time.monotonic() - start:.0f} s")
    assert read_canary(lab) == "killed"
    check_cluster(lab)


def test_a_snapshot_is_restored_without_pulumis_state(lab: RehearsedLab, folder: Path, record: Recorder) -> None:
    write_canary(lab, "without state")
    name = take_snapshot(lab, "stateless", "--save", str(folder))
    assert ((folder / name).stat().st_mode & 0o777) == 0o600
    token = folder / "token"
    token.write_text(lab.homelab("recovery-token"))
    for machine in sorted(ALL):
        lab.lab.wipe(machine)
    shutil.rmtree(lab.lab.folder / "pulumi/backend")
    lab.reopen()
    lab.up()
    with timed(record, "Pulumi's state lost, too: snapshot restored into a new cluster"):
        lab.homelab("restore", "--file", str(folder / name), "--token-file", str(token), "--yes")
    code, said = lab.pulumi("preview")
    assert code == 0
    assert "the kubeconfigs are not signed by this cluster's CAs" in said
    lab.up()
    assert read_canary(lab) == "without state"
    check_cluster(lab)


def test_two_servers_lost_and_one_restored(lab: RehearsedLab, record: Recorder) -> None:
    write_canary(lab, "alone")
    name = take_snapshot(lab, "alone")
    for machine in ("s2", "s3"):
        lab.lab.power_off(machine)
    assert "no server" in lab.homelab("snapshot", code=1).lower()
    with timed(record, "two of three servers lost, restored on the third"):
        said = lab.homelab("restore", name, "--yes")
    assert "Skipped: s2, s3." in said
    assert read_canary(lab) == "alone"
    for machine in ("s2", "s3"):
        lab.lab.wipe(machine)
    said = lab.homelab("restore", name, "--yes", "--json")
    assert json.loads(said[said.index("{") :])["rejoined"] == ["s2", "s3"]
    assert read_canary(lab) == "alone"
    check_cluster(lab)


def test_a_server_that_cannot_be_stopped_keeps_its_cluster(lab: RehearsedLab) -> None:
    """The server is unreachable from this computer, but not from the other machines."""
    lab.homelab("snapshot")
    cut = f"iptables -I INPUT -s {lab.lab.address} -j DROP"  # a moment later, or this login would not end
    lab.run_as_root("s3", f"systemd-run -q --on-active=1s --timer-property=AccuracySec=100ms {cut}")
    wait_until(lambda: not lab.lab.machine("s3").answers(), "s3 is unreachable")
    said = lab.homelab("restore", "--yes", code=1)
    assert re.search(r"A K3s server still answers at 10\.9\.0\.(13|100):6443", said)
    for machine in ("s1", "s2"):
        lab.run_as_root(machine, "systemctl enable --now k3s")
    lab.lab.power_off("s3")
    lab.lab.power_on("s3")
    check_cluster(lab)
