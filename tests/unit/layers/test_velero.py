"""Velero: where backups go, what they hold; snapshots of volumes, which it moves there."""

from typing import Any

import pytest

from components.kubernetes.manifest import SecretTemplate, is_custom_resource
from components.settings.model import SecretRef
from tests.support.layer_fixtures import lab, layer, problems, values

STORE: dict[str, Any] = {"bucket": "lab", "accessKey": {"secret": "id"}, "secretKey": {"secret": "key"}}
GIVEN: dict[str, Any] = {"password": {"secret": "password"}, "s3": STORE}


def on(**given: Any) -> Any:
    return lab(longhorn={}, snapshotController={}, velero=GIVEN | given)


def test_backups_of_everything_go_to_the_bucket_every_day() -> None:
    given = values("velero", on())
    (place,) = given["configuration"]["backupStorageLocation"]
    assert (place["bucket"], place["config"]) == ("lab", {"region": "us-east-1"})
    assert given["configuration"]["defaultSnapshotMoveData"] is True
    template = given["schedules"]["daily"]["template"]
    assert template["includedNamespaces"] == ["*"]
    assert "monitoring" in template["excludedNamespaces"]
    assert template["ttl"] == "336h0m0s"


def test_services_other_than_amazons_are_spoken_to_as_they_understand() -> None:
    (place,) = values("velero", on(s3=STORE | {"endpoint": "http://nas.lan:9000", "path": "a/b"}))["configuration"][
        "backupStorageLocation"
    ]
    assert (place["prefix"], place["config"]["s3Url"]) == ("a/b", "http://nas.lan:9000")
    assert place["config"]["s3ForcePathStyle"] == "true"


def test_keys_and_password_are_secrets_of_their_own() -> None:
    made = {each["metadata"]["name"]: each["stringData"] for each in layer("velero", on()).objects_before_charts()}
    assert made["velero-repo-credentials"] == {"repository-password": SecretRef(secret="password")}
    name = values("velero", on())["credentials"]["existingSecret"]
    keys = made[name]["cloud"]
    assert isinstance(keys, SecretTemplate)
    assert keys.template == "[default]\naws_access_key_id={}\naws_secret_access_key={}\n"
    assert keys.parts == (SecretRef(secret="id"), SecretRef(secret="key"))


def test_crds_are_ours() -> None:
    given = values("velero", on())
    assert (given["upgradeCRDs"], given["cleanUpCRDs"]) == (False, False)
    assert layer("velero", on()).charts_with_crds_folder == ("velero",)


def test_volumes_of_longhorn_have_a_class_that_velero_finds() -> None:
    (made,) = layer("snapshotController", on()).objects_after_charts()
    assert is_custom_resource(made), "or nothing would wait for its CRD"
    assert made["driver"] == "driver.longhorn.io"
    assert made["metadata"]["labels"] == {"velero.io/csi-volumesnapshot-class": "true"}
    assert not layer("snapshotController", lab(snapshotController={})).objects_after_charts()


@pytest.mark.parametrize(("name", "count"), [("three-servers", 2), ("one-server", 1)])
def test_controllers_follow_the_machines(name: str, count: int) -> None:
    given = values("snapshotController", lab(name, snapshotController={}))["controller"]
    assert (given["replicaCount"], bool(given["pdb"])) == (count, count > 1)


def test_what_is_wrong_is_reported() -> None:
    assert not problems("velero", on())
    without = lab(snapshotController={}, velero={"password": {"secret": "password"}})
    assert problems("velero", without) == [
        "s3: is missing, and the platform has no objectStore; "
        "set a bucket here, or a bucket for all layers under homelab:platform.objectStore"
    ]
    both = {"a": {"namespaces": ["shop", "loki"]}}
    assert problems("velero", on(schedules=both)) == [
        "schedules.a.namespaces: lists loki, which exclude also lists; remove it from one of them"
    ]
