"""Tempo: how long traces are kept and where, the way from them to logs and back."""

import json
from typing import Any

from components.platform.layer import LabContext
from tests.support.layer_fixtures import lab, layer, problems, values

STORE: dict[str, Any] = {"bucket": "lab", "accessKey": {"secret": "id"}, "secretKey": {"secret": "key"}}


def source(key: str, found: LabContext) -> Any:
    (config,) = layer(key, found).objects_after_charts()
    (only,) = json.loads(config["data"][f"{key}.yaml"])["datasources"]
    return only


def test_traces_are_on_a_volume_and_go_after_their_days() -> None:
    given = values("tempo", lab(tempo={}))
    assert given["tempo"]["retention"] == "336h"
    assert given["tempo"]["storage"]["trace"]["backend"] == "local"
    assert given["persistence"] == {"enabled": True, "size": "10Gi"}
    assert layer("tempo", lab(tempo={})).outputs() == {"traces_endpoint": "http://tempo.tempo.svc:4318"}


def test_folder_of_a_folder_is_a_folder() -> None:
    found = lab(tempo={"store": "s3", "s3": STORE | {"path": "house/traces", "region": "eu-central-1"}})
    assert values("tempo", found)["tempo"]["storage"]["trace"]["s3"] == {
        "bucket": "lab",
        "region": "eu-central-1",
        "endpoint": "s3.eu-central-1.amazonaws.com",
        "insecure": False,
        "prefix": "house/traces",
    }
    assert "secret" not in json.dumps(values("tempo", found)["tempo"]["storage"])


def test_traces_and_logs_lead_to_each_other_where_there_are_both() -> None:
    both = lab(loki={}, tempo={}, monitoring={})
    (link,) = source("loki", both)["jsonData"]["derivedFields"]
    assert link["datasourceUid"] == source("tempo", both)["uid"]
    assert source("tempo", both)["jsonData"]["tracesToLogsV2"]["datasourceUid"] == source("loki", both)["uid"]
    assert source("tempo", lab(tempo={}, monitoring={}))["jsonData"] == {}
    assert not layer("tempo", lab(tempo={})).objects_after_charts()


def test_bucket_is_named() -> None:
    assert len(problems("tempo", lab(tempo={"store": "s3"}))) == 1
    assert not problems("tempo", lab(tempo={}))
