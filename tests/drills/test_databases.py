"""An app's database with real Postgres: queries, failover after a machine failure, backup and restore."""

import datetime
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import yaml

from bench.labs import stack_document
from rehearsal.paths import PROJECT
from rehearsal.shell import RehearsalError
from tests.drills.sql import PSQL, instance_arguments, run_sql, run_sql_at
from tests.rehearsal.rehearsed_lab import RehearsedLab, kill_tree, longest_outage, rehearse, wait_until

pytestmark = pytest.mark.drill

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
    "discard": True,
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    folder = tmp_path_factory.mktemp("databases")
    document = stack_document(1, 2)
    document["config"]["homelab:platform"] = {"certManager": {}, "longhorn": {}, "cloudnativePg": {}}
    apps = [folder / "Pulumi.shop.yaml", folder / "Pulumi.second.yaml"]
    for file in apps:
        file.write_text(yaml.safe_dump({"config": {"homelab:app": APP}}))
    with rehearse("databases", document, folder, apps) as found, object_store(found) as store:
        document["config"] |= {f"homelab:{name}": {"secure": "v1:c2FtcGxl:c2FtcGxl"} for name in KEYS}
        document["config"]["homelab:platform"]["cloudnativePg"] = {"backup": store}
        found.reopen()
        found.up()
        found.up(engine=found.app_engine("shop"))
        yield found


@contextmanager
def object_store(lab: RehearsedLab) -> Iterator[dict[str, object]]:
    """Run an S3 service in the lab's network; yield its settings for the stack file."""
    address = lab.lab.address
    options = ["--address", address, "--port", str(PORT), "--bucket", "lab", "--keys", ":".join(KEYS.values())]
    command = lab.lab.namespace.command(sys.executable, "-m", "tests.support.s3_server", *options)
    with subprocess.Popen(command, cwd=PROJECT) as process:
        try:
            wait_until(lambda: lab.lab.namespace.answers(address, PORT), "the S3 service answers", 30)
            keys = {"accessKey": {"secret": "s3Id"}, "secretKey": {"secret": "s3Key"}}
            yield {"endpoint": f"http://{address}:{PORT}", "bucket": "lab", "path": "databases", **keys}
        finally:
            kill_tree(process.pid)


def database_status(lab: RehearsedLab, path: str, app: str = "shop") -> str:
    return lab.kubectl("get", "clusters.postgresql.cnpg.io", "-n", app, f"{app}-db", "-o", f"jsonpath={path}")


def is_healthy(lab: RehearsedLab) -> bool:
    return database_status(lab, "{.status.phase} {.status.readyInstances}") == "Cluster in healthy state 2"


def test_the_app_reads_and_writes_rows_with_its_own_credentials(lab: RehearsedLab) -> None:
    assert is_healthy(lab)
    wait_until(lambda: run_sql(lab, "SELECT 1"), "the pooler is ready", 60)
    run_sql(lab, "CREATE TABLE orders (id serial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), what text)")
    run_sql(lab, "INSERT INTO orders (what) SELECT 'before ' || n FROM generate_series(1, 100) n")
    assert run_sql(lab, "SELECT count(*) FROM orders") == "100"
    wait_until(
        lambda: run_sql_at(lab, "shop-db-ro", "SELECT count(*) FROM orders") == "100", "the standby has them", 30
    )
    with pytest.raises(RehearsalError, match="read-only transaction"):
        run_sql_at(lab, "shop-db-ro", "DELETE FROM orders")


def test_the_extension_exists(lab: RehearsedLab) -> None:
    assert float(run_sql(lab, "SELECT similarity('longhorn', 'longhorns')")) > 0.5


def test_the_app_reaches_its_database_only_through_the_pooler(lab: RehearsedLab) -> None:
    assert run_sql(lab, "SHOW application_name") is not None
    with pytest.raises(RehearsalError, match=r"Connection refused|timeout expired"):
        lab.kubectl("exec", "-n", "shop", "client", "--", "env", "PGHOST=shop-db-rw", *PSQL, "SELECT 1")


def test_the_operator_refuses_invalid_clusters(lab: RehearsedLab) -> None:
    less = ["patch", "clusters.postgresql.cnpg.io", "-n", "shop", "shop-db", "--type=merge", "-p"]
    with pytest.raises(RehearsalError, match="can't shrink existing storage from 1Gi to 500Mi"):
        lab.kubectl(*less, '{"spec": {"storage": {"size": "500Mi"}}}')
    with pytest.raises(RehearsalError, match="fixed configuration parameter"):
        lab.kubectl(*less, '{"spec": {"postgresql": {"parameters": {"port": "5433"}}}}')


def test_volume_files_have_the_pods_fs_group(lab: RehearsedLab) -> None:
    said = lab.kubectl(
        "exec", "-n", "shop", *instance_arguments(lab, "shop"), "--", "stat", "-c", "%g", "/var/lib/postgresql/data"
    )
    assert said.strip() == "26"


def move_backup_plugin(lab: RehearsedLab, machine: str) -> None:
    """Move the only replica of the backup plugin to a machine: the worst case, because a failover needs the plugin."""
    plugin = ("pod", "-n", "cnpg-system", "-l", "app.kubernetes.io/name=plugin-barman-cloud")
    others = [name for name in lab.kubectl("get", "nodes", "-o", "name").split() if name != f"node/{machine}"]
    lab.kubectl("cordon", *others)
    lab.kubectl("delete", *plugin)
    lab.kubectl("wait", *plugin, "--for=condition=Ready", "--timeout=120s")
    assert lab.kubectl("get", *plugin, "-o", "jsonpath={.items[*].spec.nodeName}") == machine
    lab.kubectl("uncordon", *others)


def test_no_row_is_lost_when_the_primarys_machine_fails(lab: RehearsedLab) -> None:
    primary = database_status(lab, "{.status.currentPrimary}")
    machine = lab.kubectl("get", "pod", "-n", "shop", primary, "-o", "jsonpath={.spec.nodeName}")
    if machine == "s1":
        pytest.skip("the only server has the primary")
    move_backup_plugin(lab, machine)
    acknowledged: list[str] = []

    def write() -> bool:
        row = f"row {len(acknowledged)}"
        try:
            run_sql(lab, f"INSERT INTO orders (what) VALUES ('{row}')")
        except RehearsalError:
            return False
        acknowledged.append(row)
        return True

    def lose() -> None:
        wait_until(lambda: len(acknowledged) > 2, "rows are written", 60)
        lab.lab.power_off(machine)
        wait_until(
            lambda: database_status(lab, "{.status.currentPrimary}") != primary, "another instance is the primary", 300
        )
        before = len(acknowledged)
        wait_until(lambda: len(acknowledged) > before, "rows are written again", 120)

    gap = longest_outage(write, lose)
    print(f"No row could be written for {gap:.0f} s", flush=True)
    # each PgBouncer rejects logins for some seconds after its last failed login to the old primary
    wait_until(
        lambda: set(acknowledged) <= set(run_sql(lab, "SELECT what FROM orders").splitlines()),
        "the database has all acknowledged rows", 60,
    )  # fmt: skip
    lab.power_on(machine)
    wait_until(lambda: is_healthy(lab), "both instances are healthy", 300)
    assert gap < 180  # about 90 s if the backup plugin runs on another machine


def test_a_database_is_restored_to_a_point_in_time(lab: RehearsedLab) -> None:
    backup = ["get", "backups.postgresql.cnpg.io", "-n", "shop", "-o", "jsonpath={.items[*].status.phase}"]
    wait_until(lambda: "completed" in lab.kubectl(*backup), "the first backup is complete", 300)
    before = run_sql(lab, "SELECT count(*) FROM orders")
    moment = run_sql(lab, "SELECT now()")
    run_sql(lab, "SELECT pg_sleep(1)")
    run_sql(lab, "DELETE FROM orders")
    run_sql(lab, "CREATE TABLE later (id int)")  # so that the WAL has entries after the deletion
    archived = "{.status.conditions[?(@.type=='ContinuousArchiving')].status}"
    switch = ["exec", "-n", "shop", *primary(lab), "--", "psql", "-c", "SELECT pg_switch_wal()"]
    lab.kubectl(*switch)
    wait_until(lambda: database_status(lab, archived) == "True", "the WAL is archived", 60)
    document = {"config": {"homelab:app": APP | {"postgres": restore_settings(moment)}}}
    lab.apps[1].write_text(yaml.safe_dump(document))
    lab.reopen()
    lab.up(engine=lab.app_engine("second"))
    assert run_sql(lab, "SELECT count(*) FROM orders", app="second") == before


def primary(lab: RehearsedLab) -> tuple[str, ...]:
    return (database_status(lab, "{.status.currentPrimary}"), "-c", "postgres")


def restore_settings(moment: str) -> dict[str, Any]:
    """Build the settings of a database that is restored from shop's database at a point in time."""
    time = datetime.datetime.fromisoformat(re.sub(r"\+00$", "+00:00", moment)).strftime("%Y-%m-%dT%H:%M:%SZ")
    own = {key: value for key, value in APP["postgres"].items() if key in ("size", "memory")}
    return own | {"instances": 1, "restore": {"source": "shop-db", "time": time}}
