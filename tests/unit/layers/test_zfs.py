"""ZFS: pools on named disks of named machines."""

from typing import Any

import pytest
from pydantic import ValidationError

from components.layers.zfs import ZfsSettings
from tests.support.layer_fixtures import lab, layer, problems, values
from tests.support.recorder import config_of, record
from tests.support.settings_fixtures import ROOT

FILE = ROOT / "tests/settings/valid/storage.yaml"

ONE, TWO = "/dev/disk/by-id/ata-one", "/dev/disk/by-id/ata-two"


def pools(**given: Any) -> dict[str, Any]:
    return {"pools": given}


def test_pool_is_made_on_its_machines_and_never_undone() -> None:
    found = lab(zfs=pools(d={"devices": [ONE, TWO], "raid": "mirror"}, e={"devices": [ONE]}) | {"pool": "tank"})
    first, second = layer("zfs", found).host_services()
    assert (first.node, second.node) == ("d", "e")
    assert first.variables == {"POOL": "tank", "DEVICES": f"{ONE} {TWO}", "RAID": "mirror"}
    assert (first.undo, second.undo) == ((), ())
    storage, snapshots = layer("zfs", found).objects_after_charts()
    assert storage["parameters"]["poolname"] == "tank"
    assert snapshots["driver"] == storage["provisioner"]


def test_classes_of_snapshots_have_no_spec_and_are_made_as_they_are() -> None:
    made = record(config_of(FILE)).resource("zfs-volumesnapshotclass-zfs")
    assert made.type == "kubernetes:snapshot.storage.k8s.io/v1:VolumeSnapshotClass"
    assert made.plain["driver"] == "zfs.csi.openebs.io"
    assert made.plain["metadata"] == {"name": "zfs"}


def test_driver_runs_where_a_pool_is() -> None:
    found = lab(zfs=pools(d={"devices": [ONE]}))
    selector = values("zfs", found)["zfsNode"]["nodeSelector"]
    labels = {node.name: layer("zfs", found).node_labels(node) for node in found.cluster.nodes}
    assert labels == {"a": {}, "b": {}, "c": {}, "d": selector, "e": {}}


def test_nothing_is_promised_that_no_template_of_the_chart_reads() -> None:
    assert not [part for part in values("zfs", lab(zfs={})).values() if "resources" in part]


@pytest.mark.parametrize("device", ["/dev/sda", "ata-one", "/dev/disk/by-id/../../sda", "/dev/disk/by-id/a b"])
def test_names_of_disks_that_do_not_last_are_refused(device: str) -> None:
    with pytest.raises(ValidationError, match="is not a persistent name of a disk"):
        ZfsSettings.model_validate(pools(a={"devices": [device]}))


@pytest.mark.parametrize(
    ("given", "report"),
    [
        ({}, "pools: is empty; add a node and its devices"),
        (pools(x={"devices": [ONE]}), "pools.x: is not a node of the cluster; use a name from cluster.nodes"),
        (pools(a={"devices": []}), "pools.a: is empty; add a device, or remove the node"),
        (pools(a={"devices": [ONE, ONE]}), "pools.a: lists a device twice; list each device once"),
        (
            pools(a={"devices": [ONE], "raid": "mirror"}),
            "pools.a.raid: is mirror, which needs two devices or more; add a device, or use none",
        ),
    ],
)
def test_what_is_wrong_is_reported(given: Any, report: str) -> None:
    assert problems("zfs", lab(zfs=given)) == [report]


def test_one_snapshot_controller_is_enough() -> None:
    found = lab(snapshotController={}, zfs=pools(a={"devices": [ONE]}))
    conflict = "conflicts with snapshotController: zfs includes a snapshot controller; keep one of them"
    conflict = "conflicts with snapshotController: zfs includes a snapshot controller; keep one of them"
    assert problems("zfs", found) == [f": {conflict}"]
