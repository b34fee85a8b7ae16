"""Longhorn: replicas by machines, disks by label, its classes, backups."""

from typing import Any

import pytest
from pydantic import ValidationError

from components.layers.longhorn import Longhorn, LonghornSettings
from components.platform.layer import LabContext
from components.settings.model import SecretRef
from stacks.settings import LabStack
from tests.support.layer_fixtures import lab, layer, problems, values
from tests.support.recorder import config_of, record
from tests.support.settings_fixtures import ROOT

FILE = ROOT / "tests/settings/valid/three-servers.yaml"
STORE: dict[str, Any] = {"bucket": "lab", "accessKey": {"secret": "id"}, "secretKey": {"secret": "key"}}
DISK = {"node.longhorn.io/create-default-disk": "true"}


def on(labels: dict[str, Any], taints: dict[str, Any], given: dict[str, Any]) -> LabContext:
    """Longhorn on the lab of five, with labels and taints by node."""
    found = LabStack.read(FILE).cluster
    nodes = tuple(
        node.model_copy(update={"labels": labels.get(node.name, {}), "taints": tuple(taints.get(node.name, ()))})
        for node in found.nodes
    )
    settings = LonghornSettings.model_validate(given)
    return LabContext(found.model_copy(update={"nodes": nodes}), {"longhorn": settings})


def test_volumes_have_three_copies_and_databases_one() -> None:
    found = lab(longhorn={})
    given = values("longhorn", found)
    assert given["persistence"]["defaultClass"] is True
    assert given["persistence"]["defaultClassReplicaCount"] == 3
    assert given["persistence"]["volumeBindingMode"] == "WaitForFirstConsumer"
    assert given["defaultSettings"]["defaultReplicaCount"] == "3"
    assert given["defaultSettings"]["createDefaultDiskLabeledNodes"] == "false"
    assert given["defaultSettings"]["deletingConfirmationFlag"] == "true"
    assert "defaultBackupStore" not in given
    (single,) = layer("longhorn", found).objects_after_charts()
    assert (single["kind"], single["metadata"]["name"]) == ("StorageClass", "longhorn-single")
    assert single["parameters"]["numberOfReplicas"] == "1"
    assert single["volumeBindingMode"] == "WaitForFirstConsumer"
    assert layer("longhorn", found).outputs() == {
        "storage_classes": ["longhorn", "longhorn-single"],
        "shared_storage_classes": ["longhorn", "longhorn-single"],
        "storage_class": "longhorn",
        "database_storage_class": "longhorn-single",
    }
    assert not layer("longhorn", found).objects_before_charts()
    assert not problems("longhorn", found)


def test_settings_are_texts_as_longhorn_stores_them() -> None:
    assert {type(value) for value in values("longhorn", lab(longhorn={}))["defaultSettings"].values()} == {str}


@pytest.mark.parametrize(
    ("labels", "taints", "given", "replicas"),
    [
        ({}, {}, {}, 3),
        ({}, {name: ["a=b:NoSchedule"] for name in "abc"}, {}, 2),
        ({}, {name: ["a=b:NoExecute"] for name in "abcd"}, {}, 1),
        ({}, {name: ["a=b:PreferNoSchedule"] for name in "abcde"}, {}, 3),
        ({name: {"storage": "true"} for name in "de"}, {}, {"storageNodes": {"storage": "true"}}, 2),
        ({name: {"storage": "true"} for name in "de"}, {}, {"storageNodes": {"storage": "true"}, "replicas": 1}, 1),
        ({}, {}, {"replicas": 5}, 5),
    ],
)
def test_replicas_follow_the_machines(labels: Any, taints: Any, given: Any, replicas: int) -> None:
    found = on(labels, taints, given)
    said = values("longhorn", found)
    assert said["persistence"]["defaultClassReplicaCount"] == replicas
    assert said["defaultSettings"]["defaultReplicaCount"] == str(replicas)
    assert not problems("longhorn", found)


@pytest.mark.parametrize(("name", "count"), [("three-servers", 2), ("one-server", 1)])
def test_controllers_follow_the_machines(name: str, count: int) -> None:
    assert set(values("longhorn", lab(name, longhorn={}))["csi"].values()) == {count}


def test_machines_with_the_labels_are_told_to_longhorn() -> None:
    labels = {"a": {"storage": "false"}, "d": {"storage": "true", "rack": "1"}, "e": {"storage": "true"}}
    found = on(labels, {"e": ["a=b:NoSchedule"]}, {"storageNodes": {"storage": "true"}})
    told = {node.name: layer("longhorn", found).node_labels(node) for node in found.cluster.nodes}
    assert told == {"a": {}, "b": {}, "c": {}, "d": DISK, "e": {}}
    assert values("longhorn", found)["defaultSettings"]["createDefaultDiskLabeledNodes"] == "true"
    everywhere = on(labels, {}, {})
    assert not any(layer("longhorn", everywhere).node_labels(node) for node in everywhere.cluster.nodes)


def test_machines_get_the_label_and_the_packages() -> None:
    config = config_of(FILE)
    config["cluster"]["nodes"][4]["labels"] = {"storage": "true"}
    run = record(config | {"platform": {"longhorn": {"storageNodes": {"storage": "true"}}}})
    wanted = "node.longhorn.io/create-default-disk=true\nstorage=true"
    assert run.resource("e-roll").plain["variables"]["LABELS"] == wanted
    assert run.resource("d-roll").plain["variables"]["LABELS"] == ""
    assert set(Longhorn.host_requirements.packages) <= set(
        run.resource("d-prepare").plain["variables"]["PACKAGES"].split()
    )


def test_backups_go_to_the_bucket_by_a_job_for_every_volume() -> None:
    s3 = STORE | {"endpoint": "http://nas.lan:9000/", "region": "eu-central-1", "path": "lab/volumes"}
    found = lab(longhorn={"backup": {"s3": s3, "schedule": "5 4 * * 0", "retain": 3}})
    store = values("longhorn", found)["defaultBackupStore"]
    assert store["backupTarget"] == "s3://lab@eu-central-1/lab/volumes/"
    (secret,) = layer("longhorn", found).objects_before_charts()
    assert secret["metadata"] == {"name": store["backupTargetCredentialSecret"], "namespace": "longhorn-system"}
    assert secret["stringData"] == {
        "AWS_ACCESS_KEY_ID": SecretRef(secret="id"),
        "AWS_SECRET_ACCESS_KEY": SecretRef(secret="key"),
        "AWS_ENDPOINTS": "http://nas.lan:9000",
    }
    job = layer("longhorn", found).objects_after_charts()[1]["spec"]
    assert (job["task"], job["groups"], job["cron"], job["retain"]) == ("backup", ["default"], "5 4 * * 0", 3)


def test_backups_to_amazon() -> None:
    found = lab(longhorn={"backup": {"s3": STORE}})
    assert values("longhorn", found)["defaultBackupStore"]["backupTarget"] == "s3://lab@us-east-1/"
    (secret,) = layer("longhorn", found).objects_before_charts()
    assert "AWS_ENDPOINTS" not in secret["stringData"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"region": "eu central"}, "is not a region"),
        ({"path": "/lab"}, "is not a folder of a bucket"),
        ({"path": "lab//x"}, "is not a folder of a bucket"),
        ({"endpoint": "nas.lan:9000"}, "is not an http or https URL"),
    ],
)
def test_buckets_are_checked(change: dict[str, str], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        LonghornSettings.model_validate({"backup": {"s3": STORE | change}})


@pytest.mark.parametrize(
    ("taints", "given", "report"),
    [
        (
            {},
            {"replicas": 6},
            "replicas: exceeds the number of storage nodes (5); use at most 5, or add storage nodes",
        ),
        (
            {},
            {"storageNodes": {"disk": "ssd"}},
            "storageNodes: matches no untainted node; add the labels of storageNodes to nodes in cluster.nodes",
        ),
        (
            {name: ["a:NoSchedule"] for name in "abcde"},
            {},
            ": needs an untainted node; remove the taints of a node, or use the effect PreferNoSchedule",
        ),
        (
            {},
            {"backup": {}},
            "backup.s3: is missing, and the platform has no objectStore; "
            "set a bucket here, or a bucket for all layers under homelab:platform.objectStore",
        ),
    ],
)
def test_what_is_wrong_is_reported(taints: Any, given: Any, report: str) -> None:
    assert problems("longhorn", on({}, taints, given)) == [report]
