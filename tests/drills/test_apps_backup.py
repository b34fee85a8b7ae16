"""An app with MariaDB, backups of its volume and database, and a ServiceAccount; its image is the one of MariaDB."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from bench.labs import stack_document
from tests.drills.databases import KEYS, object_store
from tests.drills.measurements import Recorder, timed
from tests.drills.stack_files import write_stack_file
from tests.drills.test_kubeconfigs import APPS, save_kubeconfig
from tests.rehearsal.rehearsed_lab import RehearsedLab, rehearse, wait_until

pytestmark = pytest.mark.drill

IMAGE = "docker.io/library/mariadb:11.8.3"
CLIENT = (
    'MYSQL_PWD="$MARIADB_PASSWORD" mariadb --no-defaults -N -h "$MARIADB_HOST" -u "$MARIADB_USER" "$MARIADB_DATABASE"'
)
APP: dict[str, Any] = {
    "platform": "backups",
    "image": IMAGE,
    "command": ["sh", "-c", "trap 'exit 0' TERM; while true; do sleep 1; done"],
    "user": 1000,
    "probes": {"readiness": {"command": ["sh", "-c", "true"], "period": 2}},
    "volumes": {"data": {"path": "/data", "size": "64Mi"}},
    "before": {"command": ["sh", "-c", f"echo 'CREATE TABLE IF NOT EXISTS orders (id INT)' | {CLIENT}"]},
    "cron": {"tidy": {"schedule": "0 5 * * *", "command": ["sh", "-c", "true"], "volumes": ["data"]}},
    "mariadb": {"size": "1Gi", "database": "shop_main", "parameters": {"max_allowed_packet": "32M"}},
    "backup": {"password": {"secret": "backupPassword"}},
    "serviceAccount": {
        "clusterRead": True,
        "rules": [{"apiGroups": [""], "resources": ["secrets", "pods", "pods/log"], "verbs": ["get", "list"]}],
    },
    "discard": True,
}
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"
ROLE = "homelab:service-account"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    folder = tmp_path_factory.mktemp("backups")
    document = stack_document(1, 0, apps={"clusterRead": ["shop"]})
    document["config"]["homelab:platform"] = {"longhorn": {}}
    file = folder / "Pulumi.shop.yaml"
    write_stack_file(file, "backupPassword", app=APP)
    with rehearse("backups", document, folder, [file]) as found, object_store(found) as store:
        document["config"] |= {f"homelab:{name}": {"secure": "v1:c2FtcGxl:c2FtcGxl"} for name in KEYS}
        document["config"]["homelab:platform"]["objectStore"] = {**store, "path": "lab"}
        found.reopen()
        found.up()
        yield found


def app(lab: RehearsedLab, *words: str, code: int = 0) -> str:
    """Run `./homelab app` with these words on the app's stack."""
    return lab.homelab("app", *words, code=code, engine=lab.app_engine("shop"))


def shell(lab: RehearsedLab, script: str) -> str:
    """Run a script in the app's pod, and return its output."""
    return lab.kubectl("exec", "-n", "shop", "shop-0", "-c", "shop", "--", "sh", "-euc", script).strip()


def query(lab: RehearsedLab, statement: str) -> str:
    return shell(lab, f'echo "{statement}" | {CLIENT}')


def snapshots(lab: RehearsedLab) -> list[str]:
    """Return the IDs of the backups, of which the newest is the last."""
    return re.findall(r"^([0-9a-f]{8}) ", app(lab, "restore"), re.MULTILINE)


def write_data(lab: RehearsedLab) -> None:
    shell(lab, "mkdir -p /data/album; echo sun >/data/album/photo; echo keep >/data/notes")
    query(lab, "DELETE FROM orders; INSERT INTO orders VALUES (1), (2)")


def has_data(lab: RehearsedLab) -> bool:
    files = shell(lab, "cat /data/album/photo /data/notes; ls /data")
    return files.split() == ["sun", "keep", "album", "notes"] and query(lab, "SELECT id FROM orders") == "1\n2"


def test_the_app_and_its_job_use_mariadb(lab: RehearsedLab, record: Recorder) -> None:
    with timed(record, "an app with MariaDB, a backup and a ServiceAccount"):
        lab.up(engine=lab.app_engine("shop"))
    write_data(lab)
    assert has_data(lab)
    assert query(lab, "SELECT @@max_allowed_packet") == str(32 * 1024 * 1024)
    assert "shop_main" in app(lab, "db", "--", "--execute", "SELECT DATABASE()")


def test_a_command_in_a_new_pod_reaches_mariadb_at_once(lab: RehearsedLab) -> None:
    said = app(lab, "run", "--", "sh", "-c", f"echo 'SELECT COUNT(*) FROM orders' | {CLIENT}")
    assert said.split()[-1] == "2"


def test_the_data_of_mariadb_outlives_its_pod(lab: RehearsedLab) -> None:
    lab.kubectl("delete", "pod", "-n", "shop", "shop-mariadb-0", "--force", "--grace-period=0")
    lab.kubectl("rollout", "status", "-n", "shop", "statefulset/shop-mariadb", "--timeout=300s")
    wait_until(lambda: has_data(lab), "the app reads its rows again", 60)


def test_a_backup_restores_files_and_rows(lab: RehearsedLab, record: Recorder) -> None:
    with timed(record, "`./homelab app backup` of a volume and a database"):
        app(lab, "backup")
    (snapshot,) = snapshots(lab)
    shell(lab, "rm -r /data/album; echo changed >/data/notes; echo new >/data/later")
    query(lab, "DROP TABLE orders; CREATE TABLE later (id INT)")
    with timed(record, "`./homelab app restore` of a volume and a database"):
        said = app(lab, "restore", "--snapshot", snapshot, "--yes")
    assert "Restored shop, and started it again." in said
    lab.kubectl("rollout", "status", "-n", "shop", "statefulset/shop", "--timeout=180s")
    wait_until(lambda: has_data(lab), "the app has its data again", 60)
    assert query(lab, "SHOW TABLES") == "orders"
    suspended = lab.kubectl("get", "cronjobs", "-n", "shop", "-o", "jsonpath={.items[*].spec.suspend}")
    assert set(suspended.split()) == {"false"}


def test_the_data_before_the_restore_is_a_backup_too(lab: RehearsedLab) -> None:
    listed = app(lab, "restore")
    (before,) = re.findall(r"^([0-9a-f]{8}) .*before-restore", listed, re.MULTILINE)
    app(lab, "restore", "--snapshot", before, "--yes")
    lab.kubectl("rollout", "status", "-n", "shop", "statefulset/shop", "--timeout=180s")
    wait_until(lambda: shell(lab, "cat /data/later /data/notes").split() == ["new", "changed"], "the changed files", 60)
    assert query(lab, "SHOW TABLES") == "later"


def test_an_unknown_backup_changes_nothing(lab: RehearsedLab) -> None:
    said = app(lab, "restore", "--snapshot", "00000000", "--yes", code=1)
    assert "The container restic of the Job" in said
    assert shell(lab, "cat /data/later") == "new", "the app still runs"


def request(lab: RehearsedLab, token: str, path: str) -> str:
    """Return the status of a request to the Kubernetes API with a token, from the network of the app's pod."""
    address = lab.kubectl("get", "service", "kubernetes", "-o", "jsonpath={.spec.clusterIP}")
    options = f"-ks --max-time 10 -o /dev/null -w %{{http_code}} -H 'Authorization: Bearer {token}'"
    return lab.run_in_pod("shop", "app.kubernetes.io/name=shop", f"curl {options} https://{address}{path}").strip()


def test_the_app_has_the_named_rights_and_no_others(lab: RehearsedLab) -> None:
    token = shell(lab, f"cat {TOKEN}")
    for path, status in (
        ("/api/v1/namespaces/shop/secrets", "200"),
        ("/api/v1/namespaces/shop/configmaps", "403"),
        ("/api/v1/nodes", "200"),
        ("/api/v1/namespaces/kube-system/pods", "200"),
        ("/api/v1/namespaces/kube-system/secrets", "403"),
    ):
        assert request(lab, token, path) == status, path


def test_app_stacks_can_give_no_more_rights(lab: RehearsedLab) -> None:
    kubeconfig = save_kubeconfig(lab, APPS)

    def apply(namespace: str, name: str, *rules: dict[str, Any]) -> str:
        meta = {"name": name, "namespace": namespace}
        role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta, "rules": rules}
        arguments = (
            "apply",
            "--server-side",
            "--dry-run=server",
            "--field-manager=drill",
            "--force-conflicts",
            "-f",
            "-",
        )
        return lab.kubectl_as(kubeconfig, *arguments, stdin=role)

    def rule(group: str, resource: str, *verbs: str) -> dict[str, Any]:
        return {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}

    assert "serverside-applied" in apply("shop", ROLE, rule("", "pods", "create", "delete"))
    denied = "app stacks may let an app change only pods and what pods use"
    for refused in (
        rule("", "services", "create"),
        rule("", "*", "get"),
        rule("*", "pods", "get"),
        rule("", "pods", "*"),
        rule("", "services/proxy", "get"),
        rule("rbac.authorization.k8s.io", "roles", "escalate"),
    ):
        assert denied in apply("shop", ROLE, refused), refused
    assert "app stacks may write to namespaces of apps only" in apply("kube-system", ROLE, rule("", "pods", "get"))
    assert "forbidden" in apply("shop", "other", rule("", "nodes", "get"))


def test_second_up_changes_nothing(lab: RehearsedLab) -> None:
    assert " unchanged\n" in lab.up("--expect-no-changes", engine=lab.app_engine("shop"))
