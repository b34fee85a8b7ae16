"""SeaweedFS: replicas by machines, its keys, who reaches it."""

import json
from typing import Any

import pytest

from components.kubernetes.manifest import BcryptHash, SecretTemplate
from components.platform.layer import LabContext
from components.settings.model import SecretRef
from tests.contracts.cases import plain
from tests.support.layer_fixtures import lab, layer, problems, values
from tests.support.recorder import config_of, record
from tests.support.settings_fixtures import ROOT

KEYS: dict[str, Any] = {"accessKey": {"secret": "id"}, "secretKey": {"secret": "key"}}
FILE = ROOT / "tests/settings/valid/storage.yaml"


def directory(found: LabContext) -> Any:
    (only,) = values("seaweedfs", found)["volume"]["dataDirs"]
    return only


def test_two_machines_keep_two_copies_on_volumes_without() -> None:
    found = lab(longhorn={}, seaweedfs=KEYS)
    given = values("seaweedfs", found)
    assert given["global"]["seaweedfs"]["enableReplication"] is True
    assert (given["volume"]["replicas"], given["master"]["replicas"]) == (2, 3)
    assert directory(found)["storageClass"] == "longhorn-single"
    assert given["filer"]["data"]["storageClass"] == "", "the filer is a single one: its class keeps replicas"


def test_one_machine_keeps_one_copy_on_the_default_class() -> None:
    found = lab("one-server", longhorn={}, seaweedfs=KEYS)
    given = values("seaweedfs", found)
    assert given["global"]["seaweedfs"]["enableReplication"] is False
    assert (given["volume"]["replicas"], given["master"]["replicas"]) == (1, 1)
    assert directory(found)["storageClass"] == ""


def test_key_is_json_that_seaweedfs_reads_and_a_new_one_restarts_it() -> None:
    found = lab(seaweedfs=KEYS)
    (secret,) = layer("seaweedfs", found).objects_before_charts()
    text = secret["stringData"]["seaweedfs_s3_config"]
    assert isinstance(text, SecretTemplate)
    (identity,) = json.loads(plain(text))["identities"]
    assert identity["credentials"] == [{"accessKey": "secret-id", "secretKey": "secret-key"}]
    filer = values("seaweedfs", found)["filer"]
    assert filer["s3"]["existingConfigSecret"] == secret["metadata"]["name"]
    assert BcryptHash(SecretRef(secret="key")) in filer["podAnnotations"].values()


def test_nobody_reaches_more_than_s3() -> None:
    policy = values("seaweedfs", lab(seaweedfs=KEYS))["networkPolicy"]
    assert policy == {"enabled": True, "extraIngress": [{"ports": [{"protocol": "TCP", "port": 8333}]}]}


def test_outside_comes_in_by_a_name_where_traefik_is() -> None:
    assert values("seaweedfs", lab(seaweedfs=KEYS))["s3"]["ingress"] == {"enabled": False}
    found = lab(traefik={}, certManager={}, seaweedfs=KEYS)
    ingress = values("seaweedfs", found)["s3"]["ingress"]
    assert ingress["host"] == f"s3.{found.cluster.domain}"
    assert ingress["tls"] == [{"secretName": "s3-tls", "hosts": [ingress["host"]]}]


def test_apps_learn_where_it_is() -> None:
    run = record(config_of(FILE))
    assert run.stack_outputs["objectStoreEndpoint"] == "http://seaweedfs-s3.seaweedfs.svc:8333"


@pytest.mark.parametrize(
    ("name", "given", "report"),
    [
        ("three-servers", {"buckets": ["one", "two", "one"]}, "buckets: lists a bucket twice; list each bucket once"),
        (
            "three-servers",
            {"host": "s3.example.com"},
            "host: needs traefik, which is disabled; add traefik: {} next to seaweedfs",
        ),
        (
            "options",
            {},
            ": needs a default StorageClass, but local-storage and longhorn are disabled; "
            "add longhorn: {} next to seaweedfs",
        ),
    ],
)
def test_what_is_wrong_is_reported(name: str, given: Any, report: str) -> None:
    assert problems("seaweedfs", lab(name, seaweedfs=KEYS | given)) == [report]
