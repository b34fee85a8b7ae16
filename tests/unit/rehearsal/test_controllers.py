"""The rehearsal's operators on an API in memory: what each does, and that it waits for its chart."""

from pathlib import Path
from typing import Any

import pytest

from rehearsal.controllers import longhorn
from rehearsal.controllers.api import with_kind
from rehearsal.controllers.run import reconcilers
from tests.support.kubernetes_api import InMemoryApi, Json

WORKLOADS = {
    "longhorn": ("longhorn-system", "longhorn-driver-deployer"),
}


def put(api: InMemoryApi, group: str, plural: str, name: str, namespace: str = "", **rest: Any) -> Json:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **rest.pop("metadata", {})}
    place = f"namespaces/{namespace}/" if namespace else ""
    kind = rest.pop("kind", plural)
    api.create(f"/{group}/{place}{plural}", {"apiVersion": group, "kind": kind, "metadata": metadata, **rest})
    return api.named(plural, name)


@pytest.fixture
def api() -> InMemoryApi:
    """A cluster with two nodes, in which every chart runs."""
    memory = InMemoryApi()
    for namespace, name in WORKLOADS.values():
        put(memory, "apis/apps/v1", "deployments", name, namespace, status={"readyReplicas": 1})
    for name, address in (("a", "10.0.0.1"), ("b", "10.0.0.2")):
        conditions = [{"type": "Ready", "status": "True"}]
        addresses = [{"type": "InternalIP", "address": address}]
        put(memory, "api/v1", "nodes", name, spec={}, status={"conditions": conditions, "addresses": addresses})
    return memory


def test_every_operator_is_run(tmp_path: Path) -> None:
    assert reconcilers(tmp_path).keys() == {*WORKLOADS, "lets_encrypt"}


@pytest.mark.parametrize("name", WORKLOADS)
def test_nothing_is_done_before_the_chart_runs(name: str, api: InMemoryApi, tmp_path: Path) -> None:
    _, workload = WORKLOADS[name]
    api.named("deployments", workload)["status"] = {"readyReplicas": 0}
    claim(api, "placed", **{longhorn.SELECTED_NODE: "a"})
    before = str(api.objects)
    reconcilers(tmp_path)[name](api)
    assert str(api.objects) == before


def claim(api: InMemoryApi, name: str, **annotations: str) -> Json:
    spec = {
        "storageClassName": "longhorn",
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    }
    metadata = {"annotations": annotations}
    return put(api, "api/v1", "persistentvolumeclaims", name, "shop", spec=spec, status={"phase": "Pending"},
               metadata=metadata)  # fmt: skip


def test_longhorn_makes_its_class_and_volumes_and_forgets_them(api: InMemoryApi, tmp_path: Path) -> None:
    text = "{metadata: {name: longhorn}, provisioner: driver.longhorn.io, volumeBindingMode: WaitForFirstConsumer}"
    put(api, "api/v1", "configmaps", "longhorn-storageclass", "longhorn-system", data={"storageclass.yaml": text})
    claim(api, "waits")
    placed = claim(api, "placed", **{longhorn.SELECTED_NODE: "a"})
    for _ in range(3):
        longhorn.reconcile(api, tmp_path)
    assert api.names("persistentvolumes") == api.names("volumes") == [longhorn.volume_name(placed)]
    volume = api.named("persistentvolumes", longhorn.volume_name(placed))
    assert volume["spec"]["claimRef"]["uid"] == placed["metadata"]["uid"]
    assert volume["spec"]["local"]["path"] == f"{longhorn.MOUNT_POINT}/{longhorn.volume_name(placed)}"
    (content,) = tmp_path.iterdir()
    assert content.name == longhorn.volume_name(placed)
    volume["status"] = {"phase": "Released"}
    api.delete("/api/v1/namespaces/shop/persistentvolumeclaims/placed")
    longhorn.reconcile(api, tmp_path)
    assert api.names("persistentvolumes") == api.names("volumes") == []
    assert not content.exists()


def test_objects_of_a_list_are_whole() -> None:
    pods = {"apiVersion": "v1", "kind": "PodList", "items": [{"metadata": {"name": "x"}}]}
    assert with_kind(pods) == [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}]
