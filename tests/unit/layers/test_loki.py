"""Loki: how long logs are kept and where, Grafana's way to them."""

import json
from dataclasses import replace
from typing import Any

import pytest

from components.kubernetes.manifest import BcryptHash
from components.platform.layer import LabContext
from components.platform.object_store import ObjectStoreSettings
from components.settings.model import SecretRef
from tests.support.layer_fixtures import lab, layer, problems, values

STORE: dict[str, Any] = {"bucket": "lab", "accessKey": {"secret": "id"}, "secretKey": {"secret": "key"}}


def source(found: LabContext) -> Any:
    (config,) = layer("loki", found).objects_after_charts()
    assert config["metadata"]["labels"] == {"grafana_datasource": "1"}
    (only,) = json.loads(config["data"]["loki.yaml"])["datasources"]
    return only


def test_logs_are_on_a_volume_and_go_after_their_days() -> None:
    given = values("loki", lab(loki={"retentionDays": 7}))
    assert given["loki"]["limits_config"]["retention_period"] == "168h"
    assert given["loki"]["compactor"] == {"retention_enabled": True, "delete_request_store": "filesystem"}
    assert given["loki"]["storage"] == {"type": "filesystem"}
    assert given["singleBinary"]["persistence"] == {"enabled": True, "size": "10Gi"}
    assert not layer("loki", lab(loki={})).objects_before_charts()


def test_keys_of_the_bucket_are_in_no_value() -> None:
    found = lab(loki={"store": "s3", "s3": STORE | {"endpoint": "http://nas.lan:9000", "path": "house/logs.d"}})
    given = values("loki", found)
    assert given["loki"]["storage"]["object_store"] == {
        "type": "s3",
        "storage_prefix": "house-logs-d",
        "s3": {"endpoint": "nas.lan:9000", "insecure": True, "region": "us-east-1"},
    }
    (secret,) = layer("loki", found).objects_before_charts()
    assert secret["stringData"] == {
        "AWS_ACCESS_KEY_ID": SecretRef(secret="id"),
        "AWS_SECRET_ACCESS_KEY": SecretRef(secret="key"),
    }
    assert given["singleBinary"]["extraEnvFrom"] == [{"secretRef": {"name": secret["metadata"]["name"]}}]
    assert given["singleBinary"]["podAnnotations"] == {"homelab/s3-key": BcryptHash(SecretRef(secret="key"))}


def test_a_bucket_to_share_is_used_when_it_is_asked_for() -> None:
    shared = ObjectStoreSettings.model_validate(STORE | {"path": "house"})
    for given, kept in (({}, "filesystem"), ({"store": "s3"}, "s3")):
        found = replace(lab(loki=given), shared_object_store=shared)
        assert values("loki", found)["loki"]["storage"]["type"] == kept
        assert not problems("loki", found)
    assert values("loki", found)["loki"]["storage"]["object_store"]["storage_prefix"] == "house-loki"


def test_grafana_finds_the_logs_and_from_them_the_traces() -> None:
    assert not layer("loki", lab(loki={})).objects_after_charts()
    assert source(lab(loki={}, monitoring={}))["jsonData"] == {}
    assert source(lab(loki={}, monitoring={}))["url"] == "http://loki.loki.svc:3100"


@pytest.mark.parametrize(
    ("given", "report"),
    [
        ({"s3": STORE}, "s3: has no effect with store: volume; use store: s3, or remove s3"),
        (
            {"store": "s3"},
            "s3: is missing, and the platform has no objectStore; "
            "set a bucket here, or a bucket for all layers under homelab:platform.objectStore",
        ),
    ],
)
def test_what_is_wrong_is_reported(given: dict[str, Any], report: str) -> None:
    assert problems("loki", lab(loki=given)) == [report]
    assert not problems("loki", lab(loki={}))


def test_its_volume_needs_a_class() -> None:
    found = lab(loki={})
    k3s = found.cluster.k3s.model_copy(update={"disable": ("local-storage",)})
    (report,) = problems("loki", LabContext(found.cluster.model_copy(update={"k3s": k3s}), found.layers))
    assert report.startswith(": has no StorageClass: local-storage and longhorn are disabled")
