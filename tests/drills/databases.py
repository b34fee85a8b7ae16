"""A lab with an app and its PostgreSQL database, whose rows drills write while they disrupt the database's nodes."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.labs import stack_document
from rehearsal.paths import PROJECT
from rehearsal.shell import RehearsalError
from tests.drills.sql import is_ready, run_sql
from tests.drills.stack_files import write_stack_file
from tests.rehearsal.rehearsed_lab import RehearsedLab, kill_tree, rehearse, wait_until

KEYS = {"s3Id": "rehearsal-s3Id", "s3Key": "rehearsal-s3Key"}
PORT = 9000
APP: dict[str, Any] = {
    "platform": "databases",
    "image": "ghcr.io/stefanprodan/podinfo:6.9.2",
    "port": 9898,
    "postgres": {
        "size": "1Gi",
        "instances": 2,
        "memory": "256Mi",
        "extensions": ["pg_trgm"],
        "pooler": {},
        "backup": {},
    },
}
SERVER = "s1"
"""The lab's only server, which must not stop: drills write rows through its Kubernetes API."""


@contextmanager
def database_lab(folder: Path, apps: Sequence[str]) -> Iterator[RehearsedLab]:
    """Create a lab with CloudNativePG, an S3 service for backups, and the first of the `apps` with its database."""
    document = stack_document(1, 2)
    document["config"]["homelab:platform"] = {"certManager": {}, "longhorn": {}, "cloudnativePg": {}}
    files = [folder / f"Pulumi.{name}.yaml" for name in apps]
    for file in files:
        write_stack_file(file, app=APP)
    with rehearse("databases", document, folder, files) as found, object_store(found) as store:
        document["config"] |= {f"homelab:{name}": {"secure": "v1:c2FtcGxl:c2FtcGxl"} for name in KEYS}
        document["config"]["homelab:platform"]["cloudnativePg"] = {"backup": store}
        found.reopen()
        found.up()
        found.up(engine=found.app_engine(apps[0]))
        yield found


@contextmanager
def object_store(lab: RehearsedLab) -> Iterator[dict[str, object]]:
    """Run an S3 service in the lab's network; yield its settings for the stack file."""
    address = lab.lab.address
    options = ["--address", address, "--port", str(PORT), "--bucket", "lab", "--keys", ":".join(KEYS.values())]
    command = lab.lab.netns.command(sys.executable, "-m", "tests.support.s3_server", *options)
    with subprocess.Popen(command, cwd=PROJECT) as process:
        try:
            wait_until(lambda: lab.lab.netns.answers(address, PORT), "the S3 service answers", 30)
            keys = {"accessKey": {"secret": "s3Id"}, "secretKey": {"secret": "s3Key"}}
            yield {"endpoint": f"http://{address}:{PORT}", "bucket": "lab", "path": "databases", **keys}
        finally:
            kill_tree(process.pid)


def database_status(lab: RehearsedLab, path: str, app: str = "shop") -> str:
    """Return the fields at the JSONPath `path` of an app's CloudNativePG Cluster."""
    return lab.kubectl("get", "clusters.postgresql.cnpg.io", "-n", app, f"{app}-db", "-o", f"jsonpath={path}")


def is_healthy(lab: RehearsedLab) -> bool:
    """Return whether both instances of shop's database are healthy."""
    return database_status(lab, "{.status.phase} {.status.readyInstances}") == "Cluster in healthy state 2"


def primary_instance(lab: RehearsedLab) -> tuple[str, str]:
    """Return the pod and the machine of the primary of shop's database."""
    pod = database_status(lab, "{.status.currentPrimary}")
    return pod, lab.kubectl("get", "pod", "-n", "shop", pod, "-o", "jsonpath={.spec.nodeName}")


def primary_on_agent(lab: RehearsedLab) -> tuple[str, str]:
    """Move the primary of shop's database to an agent, unless it runs on one; return its pod and machine."""
    pod, machine = primary_instance(lab)
    if machine == SERVER:
        lab.kubectl("cordon", SERVER)  # CloudNativePG moves a primary from a cordoned node
        wait_until(lambda: primary_instance(lab)[0] != pod, "the primary is on an agent")
        lab.kubectl("uncordon", SERVER)
        wait_until(lambda: is_healthy(lab), "both instances are healthy", 300)
    pod, machine = primary_instance(lab)
    assert machine != SERVER
    return pod, machine


def is_node_ready(lab: RehearsedLab, machine: str) -> bool:
    """Return whether the Node of a machine is Ready."""
    return lab.node_conditions()[machine]["Ready"] == "True"


class Rows:
    """Rows that an app writes, each with a new connection."""

    def __init__(self, lab: RehearsedLab, name: str) -> None:
        self._lab = lab
        self._name = name
        self.acknowledged: list[str] = []
        """The rows whose transaction the database has committed."""

    def write(self) -> bool:
        """Write the next row; return whether the database has acknowledged the row."""
        row = f"{self._name} {len(self.acknowledged)}"
        try:
            run_sql(self._lab, f"INSERT INTO orders (what) VALUES ('{row}')")
        except RehearsalError:
            return False
        self.acknowledged.append(row)
        return True

    def wait_for_more(self, seconds: float) -> None:
        """Wait until the database acknowledges another row."""
        before = len(self.acknowledged)
        wait_until(lambda: len(self.acknowledged) > before, f"more of the rows {self._name}", seconds)

    def missing(self) -> set[str]:
        """Return the acknowledged rows that the database does not have."""
        return set(self.acknowledged) - set(run_sql(self._lab, "SELECT what FROM orders").splitlines())


def plugin_machines(lab: RehearsedLab) -> set[str]:
    """Return the machines with a ready replica of the backup plugin."""
    labels = "app.kubernetes.io/name=plugin-barman-cloud"
    pods = json.loads(lab.kubectl("get", "pods", "-n", "cnpg-system", "-l", labels, "-o", "json"))["items"]
    return {pod["spec"]["nodeName"] for pod in pods if is_ready(pod)}
