"""SQL queries to the databases of apps on a lab."""

import base64
import json
from pathlib import Path
from typing import Any

from rehearsal.programs import postgres
from tests.rehearsal.rehearsed_lab import RehearsedLab

PSQL = ("psql", "--no-psqlrc", "--tuples-only", "--no-align", "--command")


def run_sql(lab: RehearsedLab, statement: str, app: str = "shop") -> str:
    """Run SQL as the app does, in a pod with the app's labels and credentials; return the result."""
    if not lab.kubectl("get", "pod", "-n", app, "client", "--ignore-not-found"):
        lab.kubectl("apply", "-f", str(write_client_pod(lab, app)))
        lab.kubectl("wait", "-n", app, "pod/client", "--for=condition=Ready", "--timeout=120s")
    return lab.kubectl("exec", "-n", app, "client", "--", *PSQL, statement).strip()


def write_client_pod(lab: RehearsedLab, app: str) -> Path:
    """Write the manifest of a pod with psql and the app's labels, security settings and environment variables."""
    spec = json.loads(lab.kubectl("get", "deployment", "-n", app, app, "-o", "json"))["spec"]["template"]
    (own,) = spec["spec"]["containers"]
    variables = [*own["env"], {"name": "PGCONNECT_TIMEOUT", "value": "3"}]
    container = {"name": "client", "image": postgres.IMAGE, "command": ["sleep", "infinity"], "env": variables}
    container["securityContext"] = own["securityContext"] | {"runAsUser": postgres.POSTGRES_USER}
    metadata = {"name": "client", "namespace": app, "labels": spec["metadata"]["labels"]}
    pod = {"securityContext": spec["spec"]["securityContext"], "containers": [container], "nodeName": "s1"}
    file = lab.file.with_name(f"client-{app}.json")
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod}))
    return file


def run_sql_at(lab: RehearsedLab, service: str, statement: str) -> str:
    """Run SQL at a Service of shop's database, as the app's user, from a database instance; return the result."""
    secret = json.loads(lab.kubectl("get", "secret", "-n", "shop", "shop-db-app", "-o", "json"))["data"]
    user, password, name = (base64.b64decode(secret[key]).decode() for key in ("username", "password", "dbname"))
    url = f"postgresql://{user}:{password}@{service}:5432/{name}?connect_timeout=3"
    return lab.kubectl(
        "exec", "-n", "shop", *instance_arguments(lab, "shop"), "--", "psql", url, *PSQL[1:], statement
    ).strip()


def instance_arguments(lab: RehearsedLab, app: str) -> tuple[str, ...]:
    """Return kubectl's arguments for the container of a ready database instance."""
    pods = json.loads(lab.kubectl("get", "pods", "-n", app, "-l", f"cnpg.io/cluster={app}-db", "-o", "json"))["items"]
    fit = [each["metadata"]["name"] for each in pods if is_ready(each)]
    assert fit
    return (fit[0], "-c", "postgres")


def is_ready(pod: dict[str, Any]) -> bool:
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", ())}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]
