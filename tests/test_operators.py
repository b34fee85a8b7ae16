"""The rehearsal's operators on an API in memory: what each does, and that it waits for its chart."""

import base64
from typing import Any

import pytest

from rehearsal.operators import argocd, cloudnative_pg, longhorn
from rehearsal.operators.api import whole
from rehearsal.operators.run import OPERATORS
from tests.kubernetes import Json, Memory

WORKLOADS = {
    "longhorn": ("longhorn-system", "longhorn-driver-deployer"),
    "cloudnative_pg": ("cnpg-system", "cloudnative-pg"),
    "argocd": ("argocd", "argo-cd-argocd-application-controller"),
}


def put(api: Memory, group: str, plural: str, name: str, namespace: str = "", **rest: Any) -> Json:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **rest.pop("metadata", {})}
    place = f"namespaces/{namespace}/" if namespace else ""
    kind = rest.pop("kind", plural)
    api.create(f"/{group}/{place}{plural}", {"apiVersion": group, "kind": kind, "metadata": metadata, **rest})
    return api.named(plural, name)


@pytest.fixture
def api() -> Memory:
    """A cluster with two nodes, in which every chart runs."""
    memory = Memory()
    for namespace, name in WORKLOADS.values():
        put(memory, "apis/apps/v1", "deployments", name, namespace, status={"readyReplicas": 1})
    for name, address in (("a", "10.0.0.1"), ("b", "10.0.0.2")):
        conditions = [{"type": "Ready", "status": "True"}]
        addresses = [{"type": "InternalIP", "address": address}]
        put(memory, "api/v1", "nodes", name, spec={}, status={"conditions": conditions, "addresses": addresses})
    return memory


def test_every_operator_is_run() -> None:
    assert OPERATORS.keys() == WORKLOADS.keys()


@pytest.mark.parametrize("name", WORKLOADS)
def test_nothing_is_done_before_the_chart_runs(name: str, api: Memory) -> None:
    _, workload = WORKLOADS[name]
    api.named("deployments", workload)["status"] = {"readyReplicas": 0}
    put(api, "apis/argoproj.io/v1alpha1", "applications", "x", "argocd", spec={})
    before = str(api.objects)
    OPERATORS[name](api)
    assert str(api.objects) == before


def claim(api: Memory, name: str, **annotations: str) -> Json:
    spec = {
        "storageClassName": "longhorn",
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    }
    metadata = {"annotations": annotations}
    return put(api, "api/v1", "persistentvolumeclaims", name, "shop", spec=spec, status={"phase": "Pending"},
               metadata=metadata)  # fmt: skip


def test_longhorn_makes_its_class_and_volumes_and_forgets_them(api: Memory) -> None:
    text = "{metadata: {name: longhorn}, provisioner: driver.longhorn.io, volumeBindingMode: WaitForFirstConsumer}"
    put(api, "api/v1", "configmaps", "longhorn-storageclass", "longhorn-system", data={"storageclass.yaml": text})
    claim(api, "waits")
    placed = claim(api, "placed", **{longhorn.SELECTED: "a"})
    for _ in range(3):
        longhorn.reconcile(api)
    assert api.names("persistentvolumes") == api.names("volumes") == [longhorn.name(placed)]
    volume = api.named("persistentvolumes", longhorn.name(placed))
    assert volume["spec"]["claimRef"]["uid"] == placed["metadata"]["uid"]
    volume["status"] = {"phase": "Released"}
    api.delete("/api/v1/namespaces/shop/persistentvolumeclaims/placed")
    longhorn.reconcile(api)
    assert api.names("persistentvolumes") == api.names("volumes") == []


def test_objects_of_a_list_are_whole() -> None:
    pods = {"apiVersion": "v1", "kind": "PodList", "items": [{"metadata": {"name": "x"}}]}
    assert whole(pods) == [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}]


def database(api: Memory) -> Json:
    spec = {"instances": 3, "storage": {"size": "1Gi", "storageClass": "longhorn-single"}}
    spec |= {"bootstrap": {"initdb": {"database": "shop"}}}
    return put(api, "apis/postgresql.cnpg.io/v1", "clusters", "db", "shop", kind="Cluster", spec=spec)


def run_pods(api: Memory) -> None:
    for key, pod in list(api.objects.items()):
        if key[1] == "pods":
            pod["status"] = {"conditions": [{"type": "Ready", "status": "True"}]}
            pod["spec"]["nodeName"] = "a" if pod["metadata"]["name"].endswith("-1") else "b"


def test_database_becomes_healthy_with_all_that_belongs_to_it(api: Memory) -> None:
    cluster = database(api)
    cloudnative_pg.reconcile(api)
    assert cluster["status"]["conditions"][0]["status"] == "False"
    run_pods(api)
    cloudnative_pg.reconcile(api)
    assert (cluster["status"]["phase"], cluster["status"]["readyInstances"]) == (cloudnative_pg.HEALTHY, 3)
    assert api.names("pods") == api.names("persistentvolumeclaims") == ["db-1", "db-2", "db-3"]
    assert api.names("services") == ["db-rw", "db-ro", "db-r"]
    assert api.names("poddisruptionbudgets") == ["db", "db-primary"]
    budgets = [api.named("poddisruptionbudgets", name)["spec"]["minAvailable"] for name in ("db", "db-primary")]
    assert budgets == [1, 1]
    data = {key: base64.b64decode(value).decode() for key, value in api.named("secrets", "db-app")["data"].items()}
    assert data["uri"] == f"postgresql://shop:{data['password']}@db-rw:5432/shop"


def test_primary_moves_off_a_machine_that_is_emptied(api: Memory) -> None:
    database(api)
    cloudnative_pg.reconcile(api)
    run_pods(api)
    cloudnative_pg.reconcile(api)
    assert api.named("pods", "db-1")["metadata"]["labels"][cloudnative_pg.ROLE] == "primary"
    api.named("nodes", "a")["spec"]["unschedulable"] = True
    cloudnative_pg.reconcile(api)
    roles = [api.named("pods", f"db-{n}")["metadata"]["labels"][cloudnative_pg.ROLE] for n in (1, 2, 3)]
    assert roles == ["replica", "primary", "replica"]


def test_pool_of_connections_has_pods_and_a_name(api: Memory) -> None:
    put(api, "apis/postgresql.cnpg.io/v1", "poolers", "db-pooler", "shop", spec={"instances": 2})
    cloudnative_pg.reconcile(api)
    assert api.named("deployments", "db-pooler")["spec"]["replicas"] == 2
    assert "db-pooler" in api.names("services")


def test_application_is_in_sync_until_it_is_deleted(api: Memory) -> None:
    spec = {"source": {"targetRevision": "v1"}}
    found = put(api, "apis/argoproj.io/v1alpha1", "applications", "x", "argocd", spec=spec,
                metadata={"finalizers": ["resources-finalizer.argocd.argoproj.io"]})  # fmt: skip
    argocd.reconcile(api)
    assert found["status"]["sync"] == {"status": "Synced", "revision": "v1"}
    found["metadata"]["deletionTimestamp"] = "now"
    argocd.reconcile(api)
    assert "finalizers" not in found["metadata"]
