"""An app's database with real Postgres: queries, a lost and a drained primary, backup, restore, deletion."""

import datetime
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from rehearsal.shell import RehearsalError
from tests.drills.databases import (
    APP,
    Rows,
    database_lab,
    database_status,
    is_healthy,
    is_node_ready,
    plugin_machines,
    primary_instance,
    primary_on_agent,
)
from tests.drills.measurements import Recorder
from tests.drills.sql import PSQL, instance_arguments, run_sql, run_sql_at
from tests.drills.stack_files import write_stack_file
from tests.rehearsal.rehearsed_lab import RehearsedLab, diagnostics, longest_outage, wait_until

pytestmark = pytest.mark.drill


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    with database_lab(tmp_path_factory.mktemp("databases"), ("shop", "second")) as found:
        yield found


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


def test_no_row_is_lost_when_the_primarys_machine_fails(lab: RehearsedLab, record: Recorder) -> None:
    primary, machine = primary_on_agent(lab)
    wait_until(lambda: len(plugin_machines(lab)) == 2, "the backup plugin runs on two machines")
    rows = Rows(lab, "failover")

    def lose() -> None:
        rows.wait_for_more(60)
        lab.lab.power_off(machine)
        off = time.monotonic()
        for event, condition in {
            "the node is not ready": lambda: not is_node_ready(lab, machine),
            "another instance is the primary": lambda: primary_instance(lab)[0] != primary,
        }.items():
            wait_until(condition, event, 120)
            record(f"lost Postgres primary, until {event}", f"{time.monotonic() - off:.0f} s")
        rows.wait_for_more(60)

    gap = longest_outage(rows.write, lose)
    record("lost Postgres primary, longest gap of writes", f"{gap:.0f} s")
    wait_until(lambda: not rows.missing(), "the database has all acknowledged rows", 60)
    lab.power_on(machine)
    wait_until(lambda: is_healthy(lab), "both instances are healthy", 300)
    assert gap < 180  # 94 s in a run with less load


def test_no_row_is_lost_when_the_primarys_node_is_drained(lab: RehearsedLab, record: Recorder) -> None:
    primary, machine = primary_on_agent(lab)
    rows = Rows(lab, "drain")
    lab.node_settings(machine)["options"] = {"kubelet-arg": ["max-pods=99"]}  # a change for which K3s restarts
    lab.reopen()

    def drain() -> None:
        rows.wait_for_more(60)
        lab.up()
        rows.wait_for_more(60)

    gap = longest_outage(rows.write, drain)
    record("drained Postgres primary, longest gap of writes", f"{gap:.0f} s")
    assert primary_instance(lab)[0] != primary
    wait_until(lambda: not rows.missing(), "the database has all acknowledged rows", 60)
    wait_until(lambda: is_healthy(lab), "both instances are healthy", 300)
    assert gap < 90  # 25 s on an overloaded computer


def test_a_database_is_restored_to_a_point_in_time(lab: RehearsedLab) -> None:
    backup = ["get", "backups.postgresql.cnpg.io", "-n", "shop", "-o", "jsonpath={.items[*].status.phase}"]
    wait_until(lambda: "completed" in lab.kubectl(*backup), "the first backup is complete", 300)
    before = run_sql(lab, "SELECT count(*) FROM orders")
    moment = run_sql(lab, "SELECT now()")
    run_sql(lab, "SELECT pg_sleep(1)")
    run_sql(lab, "DELETE FROM orders")
    run_sql(lab, "CREATE TABLE later (id int)")  # so that the WAL has entries after the deletion
    archived = "{.status.conditions[?(@.type=='ContinuousArchiving')].status}"
    primary, _ = primary_instance(lab)
    lab.kubectl("exec", "-n", "shop", primary, "-c", "postgres", "--", "psql", "-c", "SELECT pg_switch_wal()")
    wait_until(lambda: database_status(lab, archived) == "True", "the WAL is archived", 60)
    write_stack_file(lab.apps[1], app=APP | {"postgres": restore_settings(moment)})
    lab.reopen()
    lab.up(engine=lab.app_engine("second"))
    assert run_sql(lab, "SELECT count(*) FROM orders", app="second") == before


def test_a_database_is_protected_from_deletion(lab: RehearsedLab) -> None:
    before = run_sql(lab, "SELECT count(*) FROM orders")
    code, said = lab.pulumi("destroy", "--yes", engine=lab.app_engine("shop"))  # with its preview, which refuses
    assert code != 0
    assert "protect" in diagnostics(said)
    assert (is_healthy(lab), run_sql(lab, "SELECT count(*) FROM orders")) == (True, before)


def restore_settings(moment: str) -> dict[str, Any]:
    """Build the settings of a database that is restored from shop's database at a point in time."""
    utc = datetime.datetime.fromisoformat(re.sub(r"\+00$", "+00:00", moment)).strftime("%Y-%m-%dT%H:%M:%SZ")
    own = {key: value for key, value in APP["postgres"].items() if key in ("size", "memory")}
    return own | {"instances": 1, "restore": {"source": "shop-db", "time": utc}}
