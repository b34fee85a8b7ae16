"""CloudNativePG: instances with volumes, Services, credentials, budgets and a status; Postgres itself does not run."""

import base64
import secrets
from collections.abc import Iterator

from rehearsal.operators.api import Json, Objects, condition, owner, ready, within

NAMESPACE = "cnpg-system"
GROUP = "apis/postgresql.cnpg.io/v1"
IMAGE = "ghcr.io/cloudnative-pg/postgresql:18"
HEALTHY = "Cluster in healthy state"
CLUSTER, INSTANCE, ROLE = "cnpg.io/cluster", "cnpg.io/instanceName", "cnpg.io/instanceRole"


def reconcile(api: Objects) -> None:
    """Look after every database, connection pool and declared database."""
    if not ready(api, NAMESPACE, "cloudnative-pg"):
        return
    for cluster in api.items(f"/{GROUP}/clusters"):
        if not cluster["metadata"].get("deletionTimestamp"):
            _cluster(api, cluster)
    for pooler in api.items(f"/{GROUP}/poolers"):
        _pooler(api, pooler)
    for database in api.items(f"/{GROUP}/databases"):
        if not (database.get("status") or {}).get("applied"):
            api.patch(f"{within(GROUP, 'databases', database)}/status", {"status": {"applied": True}})


def _cluster(api: Objects, cluster: Json) -> None:
    namespace, name = cluster["metadata"]["namespace"], cluster["metadata"]["name"]
    core = f"/api/v1/namespaces/{namespace}"
    existing = {each["metadata"]["name"]: each for each in api.items(f"{core}/pods?labelSelector={CLUSTER}%3D{name}")}
    instances = [f"{name}-{number}" for number in range(1, cluster["spec"]["instances"] + 1)]
    unfit = {each["metadata"]["name"] for each in api.items("/api/v1/nodes") if each["spec"].get("unschedulable")}
    first = primary(instances, existing, unfit)
    for instance in instances:
        if instance not in existing:
            api.create(f"{core}/persistentvolumeclaims", _claim(cluster, instance))
            api.create(f"{core}/pods", _pod(cluster, instance, first))
        elif existing[instance]["metadata"]["labels"].get(ROLE) != _role(instance, first):
            api.patch(f"{core}/pods/{instance}", {"metadata": {"labels": {ROLE: _role(instance, first)}}})
    if api.read(f"{core}/secrets/{name}-app") is None:
        for path, body in _surroundings(cluster):
            api.create(path, body)
    alive = [each for each in instances if each in existing and is_ready(existing[each])]
    wanted = status(instances, alive, first)
    seen = cluster.get("status") or {}
    if {key: seen.get(key) for key in wanted} != wanted:
        api.patch(f"{within(GROUP, 'clusters', cluster)}/status", {"status": wanted})


def primary(instances: list[str], pods: dict[str, Json], unfit: set[str]) -> str:
    """The instance that leads: the one that does, unless its machine is being emptied or gone."""
    fit = [
        name
        for name in instances
        if name in pods and is_ready(pods[name]) and pods[name]["spec"].get("nodeName") not in unfit
    ]
    led = [name for name in fit if pods[name]["metadata"]["labels"].get(ROLE) == "primary"]
    return (led or fit or instances)[0]


def status(instances: list[str], alive: list[str], first: str) -> Json:
    """What the real one reports."""
    whole = len(alive) == len(instances)
    return {
        "instances": len(instances),
        "readyInstances": len(alive),
        "currentPrimary": first,
        "phase": HEALTHY if whole else "Waiting for the instances to become active",
        "conditions": [condition("Ready", "ClusterIsReady" if whole else "ClusterIsNotReady", true=whole)],
    }


def is_ready(pod: Json) -> bool:
    """Whether a pod is Ready and not on its way out."""
    conditions = pod.get("status", {}).get("conditions") or []
    return not pod["metadata"].get("deletionTimestamp") and any(
        each["type"] == "Ready" and each["status"] == "True" for each in conditions
    )


def _role(instance: str, first: str) -> str:
    return "primary" if instance == first else "replica"


def _claim(cluster: Json, instance: str) -> Json:
    storage = cluster["spec"]["storage"]
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage["size"]}}}
    if storage.get("storageClass"):
        spec["storageClassName"] = storage["storageClass"]
    return _object("v1", "PersistentVolumeClaim", cluster, instance, spec=spec)


def _pod(cluster: Json, instance: str, first: str) -> Json:
    name = cluster["metadata"]["name"]
    labels = {CLUSTER: name, INSTANCE: instance, ROLE: _role(instance, first)}
    safe = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {
        "name": "postgres",
        "image": cluster["spec"].get("imageName", IMAGE),
        "securityContext": safe,
        "resources": cluster["spec"].get("resources") or {},
        "ports": [{"name": "postgresql", "containerPort": 5432}],
        "volumeMounts": [{"name": "pgdata", "mountPath": "/var/lib/postgresql/data"}],
    }
    apart = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {CLUSTER: name}}}
    spec = {
        "containers": [container],
        "securityContext": {"runAsNonRoot": True, "runAsUser": 26, "seccompProfile": {"type": "RuntimeDefault"}},
        "volumes": [{"name": "pgdata", "persistentVolumeClaim": {"claimName": instance}}],
        "affinity": {
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": apart}]
            }
        },
    }
    return _object("v1", "Pod", cluster, instance, labels=labels, spec=spec)


def _surroundings(cluster: Json) -> Iterator[tuple[str, Json]]:
    """Services, budgets and, last, the credentials, by the list that each goes into."""
    namespace, name = cluster["metadata"]["namespace"], cluster["metadata"]["name"]
    core, policy = f"/api/v1/namespaces/{namespace}", f"/apis/policy/v1/namespaces/{namespace}"
    for suffix, labels in (("rw", {ROLE: "primary"}), ("ro", {ROLE: "replica"}), ("r", {})):
        ports = {"selector": {CLUSTER: name, **labels}, "ports": [{"name": "postgres", "port": 5432}]}
        yield f"{core}/services", _object("v1", "Service", cluster, f"{name}-{suffix}", spec=ports)
    if cluster["spec"].get("enablePDB", True):
        replicas = cluster["spec"]["instances"] - 1
        # one replica alone may always go, as without a budget
        for suffix, role, least in (("", "replica", replicas - 1), ("-primary", "primary", 1)):
            if least > 0:
                spec = {"minAvailable": least, "selector": {"matchLabels": {CLUSTER: name, ROLE: role}}}
                budget = _object("policy/v1", "PodDisruptionBudget", cluster, f"{name}{suffix}", spec=spec)
                yield f"{policy}/poddisruptionbudgets", budget
    init = cluster["spec"].get("bootstrap", {})
    database = (init.get("initdb") or init.get("recovery") or {}).get("database", "app")
    password, host = secrets.token_urlsafe(24), f"{name}-rw"
    data = {
        "username": database, "password": password, "dbname": database, "host": host, "port": "5432",
        "uri": f"postgresql://{database}:{password}@{host}:5432/{database}",
    }  # fmt: skip
    coded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    yield f"{core}/secrets", _object("v1", "Secret", cluster, f"{name}-app", data=coded)


def _pooler(api: Objects, pooler: Json) -> None:
    namespace, name = pooler["metadata"]["namespace"], pooler["metadata"]["name"]
    labels = {"cnpg.io/poolerName": name}
    safe = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {"name": "pgbouncer", "image": "ghcr.io/cloudnative-pg/pgbouncer:1.25", "securityContext": safe}
    pod = {
        "containers": [container],
        "securityContext": {"runAsNonRoot": True, "runAsUser": 998, "seccompProfile": {"type": "RuntimeDefault"}},
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"replicas": pooler["spec"]["instances"], "selector": {"matchLabels": labels}, "template": template}
    if api.read(f"/api/v1/namespaces/{namespace}/services/{name}") is None:
        deployment = _object("apps/v1", "Deployment", pooler, name, spec=spec)
        api.create(f"/apis/apps/v1/namespaces/{namespace}/deployments", deployment)
        service = {"selector": labels, "ports": [{"name": "pgbouncer", "port": 5432}]}
        api.create(f"/api/v1/namespaces/{namespace}/services", _object("v1", "Service", pooler, name, spec=service))


def _object(version: str, kind: str, of: Json, name: str, *, labels: Json | None = None, **rest: Json) -> Json:
    metadata = {"name": name, "namespace": of["metadata"]["namespace"], "ownerReferences": owner(of)}
    return {"apiVersion": version, "kind": kind, "metadata": metadata | ({"labels": labels} if labels else {}), **rest}
