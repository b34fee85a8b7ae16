"""An app with Valkey, additional databases and roles, and with pod settings that a container can see."""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from bench.labs import stack_document
from rehearsal.artefacts import PODINFO
from rehearsal.shell import RehearsalError
from rehearsal.webhook import STAND_IN_IMAGE
from tests.drills.measurements import Recorder, timed
from tests.drills.sql import run_sql
from tests.drills.stack_files import write_stack_file
from tests.rehearsal.rehearsed_lab import RehearsedLab, rehearse, wait_until

pytestmark = pytest.mark.drill

APP: dict[str, Any] = {
    "platform": "data",
    "image": PODINFO,
    "port": 9898,
    "replicas": 1,
    "ports": {"web": {"port": 8080, "targetPort": 9898}},
    "allow": {"from": ["default"]},
    "environment": {"PODINFO_CACHE_SERVER": "$(REDIS_URL)"},
    "probes": {"readiness": {"path": "/readyz", "httpHeaders": {"Host": "shop.lab.test"}}},
    "volumes": {
        "data": {
            "path": "/data", "subPath": "app/data", "memory": True, "size": "8Mi",
            "mounts": [{"path": "/config", "subPath": "app/config", "readOnly": True}],
        }
    },
    "topologySpreadConstraints": [{"topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}],
    "hostAliases": [{"ip": "192.168.1.9", "hostnames": ["nas.lan", "nas"]}],
    "dnsConfig": {"nameservers": ["10.9.0.1"], "searches": ["lan.test"], "options": [{"name": "ndots", "value": "2"}]},
    "postgres": {
        "size": "1Gi", "instances": 1, "memory": "256Mi", "enableSuperuserAccess": True,
        "databases": {"reports": {"owner": "reports", "extensions": ["pg_trgm"]}, "log_data": {}},
        "roles": {"reports": {"inRoles": ["pg_read_all_data"]}},
    },
    "valkey": {"size": "1Gi", "maxmemoryPolicy": "volatile-lru"},
    "discard": True,
}  # fmt: skip
STRANGER: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "stranger", "namespace": "default", "labels": {"app": "stranger"}},
    "spec": {"containers": [{"name": "stranger", "image": STAND_IN_IMAGE}]},
}
LABEL = "app.kubernetes.io/name=shop"
SEEN_BY_PODINFO = """
for command in $(grep -lz podinfo /proc/[0-9]*/cmdline); do
  process=${command%/cmdline}
  grep -q POD "$process/cgroup" || continue
  cat "$process/root/etc/hosts" "$process/root/etc/resolv.conf"
  grep -E ' /(data|config) ' "$process/mountinfo"
  exit
done
exit 1
"""
"""Prints what the app's process sees. The image of podinfo contains no shell."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    folder = tmp_path_factory.mktemp("data")
    document = stack_document(1, 0)
    document["config"]["homelab:platform"] = {"certManager": {}, "longhorn": {}, "cloudnativePg": {}}
    file = folder / "Pulumi.shop.yaml"
    write_stack_file(file, app=APP)
    with rehearse("data", document, folder, [file]) as found:
        found.up()
        manifest = folder / "stranger.json"
        manifest.write_text(json.dumps(STRANGER))
        found.kubectl("apply", "-f", str(manifest))
        yield found


def ask(lab: RehearsedLab, namespace: str, labels: str, request: str) -> str:
    """Run curl in the network of a pod; return its output, or its error."""
    try:
        return lab.run_in_pod(namespace, labels, f"curl -sS --max-time 10 --connect-timeout 5 {request}")
    except RehearsalError as error:
        return str(error)


def address(lab: RehearsedLab, service: str) -> str:
    return lab.kubectl("get", "service", "-n", "shop", service, "-o", "jsonpath={.spec.clusterIP}").strip()


def cached(lab: RehearsedLab, key: str) -> str:
    return ask(lab, "shop", LABEL, f"http://localhost:9898/cache/{key}")


def secret_value(lab: RehearsedLab, name: str, key: str) -> str:
    """Return a value of the Secret whose name starts with `name`."""
    items = json.loads(lab.kubectl("get", "secrets", "-n", "shop", "-o", "json"))["items"]
    (found,) = (each for each in items if each["metadata"]["name"].startswith(name))
    return base64.b64decode(found["data"][key]).decode()


def test_the_app_stores_a_key_in_valkey(lab: RehearsedLab, record: Recorder) -> None:
    with timed(record, "an app with Valkey, Postgres and two more databases"):
        lab.up(engine=lab.app_engine("shop"))
    wait_until(lambda: cached(lab, "missing") == "", "podinfo answers", 60)
    assert ask(lab, "shop", LABEL, "--data-binary blue http://localhost:9898/cache/colour") == ""
    assert cached(lab, "colour") == "blue"


def test_the_data_of_valkey_outlives_its_pod(lab: RehearsedLab) -> None:
    lab.kubectl("delete", "pod", "-n", "shop", "shop-valkey-0")
    lab.kubectl("rollout", "status", "-n", "shop", "statefulset/shop-valkey", "--timeout=180s")
    wait_until(lambda: cached(lab, "colour") == "blue", "the app reads its key again", 60)


def test_valkey_refuses_clients_without_the_password(lab: RehearsedLab) -> None:
    command = ("exec", "-n", "shop", "shop-valkey-0", "--", "valkey-cli", "--no-auth-warning", "-a", "wrong", "ping")
    assert "NOAUTH" in lab.kubectl(*command)
    password = secret_value(lab, "shop-valkey-", "password")
    assert re.fullmatch("[0-9a-f]{32}", password)
    arguments = lab.run_as_root("s1", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert "valkey-server" in arguments
    assert password not in arguments


def test_only_the_app_reaches_valkey(lab: RehearsedLab) -> None:
    valkey, shop = address(lab, "shop-valkey"), address(lab, "shop")
    assert re.search("Empty reply|HTTP/0.9", ask(lab, "shop", LABEL, f"http://{valkey}:6379"))
    stranger = ("default", "app=stranger")
    wait_until(
        lambda: re.search("timed out|Failed to connect", ask(lab, *stranger, f"http://{valkey}:6379")),
        "the stranger cannot connect to Valkey",
        60,
    )
    assert "OK" in ask(lab, *stranger, f"http://{shop}:8080/healthz"), "the Service's port 8080 leads to 9898"


def test_additional_databases_and_roles(lab: RehearsedLab) -> None:
    assert run_sql(lab, "CREATE TABLE orders AS SELECT 1 AS id") == "SELECT 1"

    def as_role(user: str, password: str, database: str, statement: str) -> str:
        psql = f'psql --no-psqlrc -At -h $PGHOST -U {user} -d {database} -c "{statement}"'
        return lab.kubectl("exec", "-n", "shop", "client", "--", "sh", "-c", f"PGPASSWORD=${password} {psql}").strip()

    reports = ("reports", "PGPASSWORD_REPORTS")
    assert as_role(*reports, "reports", "SELECT similarity('a', 'a')") == "1"
    assert as_role(*reports, "app", "SELECT count(*) FROM orders") == "1", "a member of pg_read_all_data reads"
    with pytest.raises(RehearsalError, match="permission denied"):
        as_role(*reports, "app", "DELETE FROM orders")
    owners = "SELECT datname, pg_get_userbyid(datdba) FROM pg_database WHERE datname IN ('reports', 'log_data')"
    assert set(run_sql(lab, owners).split()) == {"reports|reports", "log_data|app"}
    superuser = as_role("$PGSUPERUSER", "PGSUPERPASSWORD", "app", "SELECT current_setting('is_superuser')")
    assert superuser == "on"


def test_the_container_sees_hosts_dns_and_mounts(lab: RehearsedLab) -> None:
    pods = json.loads(lab.kubectl("get", "pods", "-n", "shop", "-l", LABEL, "-o", "json"))["items"]
    pod = next(each for each in pods if each["metadata"]["name"] != "client")
    uid = pod["metadata"]["uid"]
    seen = lab.run_as_root("s1", SEEN_BY_PODINFO.replace("grep -q POD", f"grep -qE '{uid}|{uid.replace('-', '_')}'"))
    assert re.search(r"192\.168\.1\.9\s+nas\.lan\s+nas", seen)
    assert re.search(r"nameserver \S+\nnameserver 10\.9\.0\.1", seen)
    assert "lan.test" in seen
    assert "ndots:2" in seen
    assert re.search(r"/app/data /data rw", seen)
    assert re.search(r"/app/config /config ro", seen)


def test_second_up_changes_nothing(lab: RehearsedLab) -> None:
    assert " unchanged\n" in lab.up("--expect-no-changes", engine=lab.app_engine("shop"))
