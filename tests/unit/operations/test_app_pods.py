"""`./homelab app logs`, `shell` and `db`: in which pod and container, and what ends them."""

from pathlib import Path

import pytest

from tests.support.app_commands import Shop, owned, pod

EXEC = "exec --stdin shop-1 --container=shop -- "


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return Shop(tmp_path, monkeypatch)


def test_logs_of_one_pod_and_of_several(shop: Shop) -> None:
    shop.kubectl.answer_list("get pods --selector=app.kubernetes.io/name=shop *", pod(), once=True)
    shop.kubectl.answer_list("get pods --selector=app.kubernetes.io/name=shop *", pod(), pod("shop-2"))
    shop.kubectl.answer("logs *")
    assert shop.run("logs", "--follow", "--tail", "5").exit_code == 0
    assert shop.run("logs", "--container", "proxy").exit_code == 0
    assert shop.run("logs", "--follow").exit_code == 0
    assert [call for call in shop.kubectl.calls if call.startswith("logs")] == [
        "logs shop-1 --container=shop --tail=5 --follow",
        "logs shop-1 --container=proxy --tail=100 --prefix",
        "logs shop-2 --container=proxy --tail=100 --prefix",
        "logs --selector=app.kubernetes.io/name=shop --follow --max-log-requests=12 --container=shop --tail=100 "
        "--prefix",
    ]


def test_logs_are_printed_without_control_sequences(shop: Shop) -> None:
    shop.kubectl.answer_list("get pods *", pod())
    shop.kubectl.answer("logs *", "one\n\x1b]0;title\x07two\n")
    assert shop.run("logs").stdout == "one\ntwo\n"


def test_logs_of_a_worker_of_a_cron_job_and_of_the_job_before(shop: Shop) -> None:
    worker = "app.kubernetes.io/name=shop-worker,app.kubernetes.io/component=queue"
    shop.kubectl.answer_list(f"get pods --selector={worker} *", pod("queue-1", "queue"))
    before = {"kind": "Job", "metadata": {"name": "shop-before-1a2b", "creationTimestamp": "2026"}}
    jobs = [owned("Job", f"shop-backup-{day}", "shop-backup") for day in (1, 3, 2)]
    shop.kubectl.answer_list("get jobs *", *jobs, before)
    shop.kubectl.answer_list("get pods --selector=job-name=shop-backup-3 *", pod("backup-3", "backup"))
    shop.kubectl.answer_list("get pods --selector=job-name=shop-before-1a2b *", pod("before-1", "before"))
    shop.kubectl.answer("logs *")
    for name in ("queue", "backup", "before"):
        assert shop.run("logs", name).exit_code == 0
    assert [call for call in shop.kubectl.calls if call.startswith("logs")] == [
        f"logs {name} --container={container} --tail=100"
        for name, container in (("queue-1", "queue"), ("backup-3", "backup"), ("before-1", "before"))
    ]


def test_logs_before_a_restart(shop: Shop) -> None:
    crashed = pod("shop-2", lastState={"terminated": {"exitCode": 1}})
    shop.kubectl.answer_list("get pods *", pod(), once=True)
    shop.kubectl.answer_list("get pods *", pod(), crashed)
    shop.kubectl.answer("logs *")
    done = shop.run("logs", "--previous")
    assert (done.exit_code, done.stderr) == (
        1,
        "No container shop of Deployment shop has restarted: omit --previous.\n",
    )
    assert shop.run("logs", "--previous").exit_code == 0
    assert shop.kubectl.calls[-1] == "logs shop-2 --container=shop --tail=100 --previous"


def test_logs_that_are_not_there(shop: Shop) -> None:
    shop.kubectl.answer_list("get jobs *")
    shop.kubectl.answer_list("get pods *", once=True)
    shop.kubectl.answer_list("get pods *", pod())
    shop.kubectl.answer("logs *", code=1)
    assert shop.run("logs").stderr == "Deployment shop has no pods: run `./homelab app status --stack shop`.\n"
    reason = "CronJob shop-backup has not run, or Kubernetes has already deleted its pods.\n"
    assert shop.run("logs", "backup").stderr == reason
    unknown = shop.run("logs", "--container", "cache").stderr
    assert unknown == "The pods of Deployment shop have no container cache: use shop, proxy.\n"
    assert shop.run("logs").exit_code == 1, "as kubectl"


def test_a_shell_opens_in_a_ready_pod(shop: Shop) -> None:
    leaving = pod("shop-0")
    leaving["metadata"]["deletionTimestamp"] = "2026"
    shop.kubectl.answer_list("get pods *", leaving, pod("shop-3", ready=False), pod())
    shop.kubectl.answer("exec shop-1 --container=shop -- sh -c exit 0")
    shop.kubectl.answer("exec --stdin *", code=3)
    assert shop.run("shell").exit_code == 3, "that of the shell"
    assert shop.kubectl.calls[-1] == EXEC + "sh -c command -v bash >/dev/null && exec bash; exec sh"
    assert shop.run("shell", "--", "ls", "-l", "/data").exit_code == 3
    assert shop.kubectl.calls[-1] == EXEC + "ls -l /data"


@pytest.mark.parametrize(
    ("code", "err"), [(127, "command terminated"), (1, 'OCI: exec: "sh": executable file not found in $PATH: unknown')]
)
def test_an_image_without_a_shell_is_told_with_other_ways(shop: Shop, code: int, err: str) -> None:
    shop.kubectl.answer_list("get pods *", pod())
    shop.kubectl.answer("exec *", err=err, code=code)
    done = shop.run("shell")
    assert (done.exit_code, done.stderr) == (
        1,
        "The image of container shop has no shell. Run a program of the image with `./homelab app shell --stack shop "
        "-- PROGRAM`. The administrator can start a shell from another image: `kubectl debug -n shop -it shop-1 "
        "--target=shop --profile=restricted --image=IMAGE`.\n",
    )


def test_no_shell_without_a_pod_that_runs(shop: Shop) -> None:
    shop.kubectl.answer_list("get pods *", pod(ready=False))
    shop.kubectl.answer("exec *", err="error: unable to upgrade connection", code=1)
    fix = "run `./homelab app status --stack shop` to see the reason"
    assert shop.run("shell").stderr == f"Deployment shop has no ready pod: {fix}.\n"
    ends = "CronJob shop-backup has no long-running pod: use `./homelab app run` instead.\n"
    assert shop.run("shell", "--worker", "backup").stderr == ends
    shop.kubectl.answer_list("get pods *", pod())


def test_another_failure_of_exec_is_not_taken_for_a_missing_shell(shop: Shop) -> None:
    shop.kubectl.answer_list("get pods *", pod())
    shop.kubectl.answer("exec *", err="error: unable to upgrade connection", code=1)
    assert shop.run("shell").stderr == "`kubectl exec` failed: error: unable to upgrade connection\n"


def test_psql_runs_at_the_primary_as_the_owner_of_the_database(shop: Shop) -> None:
    shop.kubectl.answer("get clusters.postgresql.cnpg.io shop-db *", {"status": {"currentPrimary": "shop-db-2"}})
    shop.kubectl.answer("exec *", code=2)
    assert shop.run("db", "--", "-c", "SELECT 1").exit_code == 2, "that of psql"
    psql = "exec --stdin shop-db-2 --container=postgres -- psql --dbname dbname=app"
    assert shop.kubectl.calls[-1] == f"{psql} options='-c role=app' -c SELECT 1"
    shop.run("db", "--superuser")
    assert shop.kubectl.calls[-1] == psql


def test_psql_without_a_database_is_refused(shop: Shop) -> None:
    cluster = "get clusters.postgresql.cnpg.io shop-db *"
    shop.kubectl.answer(cluster, once=True)
    shop.kubectl.answer(cluster, {"status": {"phase": "Setting up primary"}}, once=True)
    shop.kubectl.answer(cluster, {})
    assert shop.run("db").stderr == "The database shop-db does not exist: run `pulumi up --stack shop`.\n"
    assert shop.run("db").stderr == "The database shop-db has no primary: Setting up primary.\n"
    assert shop.run("db").stderr == "The database shop-db has no primary: it has just been created.\n"
    shop.change(postgres=None)
    assert shop.run("db").stderr == "App shop has no database: its stack file does not set postgres or mariadb.\n"


def test_db_opens_mariadb_in_the_pod_of_mariadb(shop: Shop) -> None:
    shop.change(postgres=None, mariadb={"size": "1Gi", "database": "shop_main"})
    shop.kubectl.answer("exec *")
    assert shop.run("db", "--", "--execute", "SELECT 1").exit_code == 0
    (call,) = shop.kubectl.calls
    place = "shop-mariadb-0 --container=mariadb"
    options = "--no-defaults --socket=/run/mysqld/mariadb.sock --database=shop_main"
    assert call == f"exec --stdin {place} -- mariadb {options} --execute SELECT 1"
    done = shop.run("db", "--superuser")
    assert done.stderr == "--superuser: is for PostgreSQL; MariaDB's command has all rights without it\n"
