"""Ceph by Rook: only the disks that are named, as many replicas as machines, and nothing wiped that no one named."""

from typing import Any

import pytest

from components.platform.resource_requests import total_requests
from tests.contracts import objects, upstream
from tests.contracts.cases import CASES, Case
from tests.support.layer_fixtures import lab, layer, problems

ONE, TWO, PLACE = "/dev/disk/by-id/ata-one", "/dev/disk/by-id/ata-two", "/dev/disk/by-path/pci-0000:00:17.0-ata-1"
OWN = [case for case in CASES if case.key == "rookCeph"]


def given(*nodes: str, **more: Any) -> dict[str, Any]:
    return {"devices": {node: {"devices": [ONE, TWO]} for node in nodes}} | more


def cluster(found: Any) -> Any:
    return layer("rookCeph", found).values()["rook-ceph-cluster"]


def drivers_of(found: Any) -> Any:
    drivers: Any = layer("rookCeph", found).values()["ceph-csi-drivers"]
    return drivers["drivers"]


@pytest.mark.parametrize("case", OWN, ids=lambda case: case.name)
def test_specs_are_what_the_crds_take(case: Case) -> None:
    values = case.values["rook-ceph-cluster"]
    specs = {"CephCluster": [{"spec": values["cephClusterSpec"]}]}
    specs |= {"CephBlockPool": values["cephBlockPools"], "CephFilesystem": values["cephFileSystems"]}
    specs |= {"CephObjectStore": values["cephObjectStores"]}
    for kind, made in specs.items():
        for each in made:
            metadata = {"name": "x", "namespace": "rook-ceph"}
            found = {"apiVersion": "ceph.rook.io/v1", "kind": kind, "metadata": metadata, "spec": each["spec"]}
            upstream.need(found)
            assert list(objects.problems(found)) == [], kind


def test_drivers_are_what_the_crd_takes() -> None:
    (case,) = [case for case in OWN if case.name == "rookCeph-everything"]
    for name, driver in case.values["ceph-csi-drivers"]["drivers"].items():
        spec = {key: value for key, value in driver.items() if key not in ("name", "enabled")}
        metadata = {"name": driver.get("name", name), "namespace": "rook-ceph"}
        found = {"apiVersion": "csi.ceph.io/v1", "kind": "Driver", "metadata": metadata, "spec": spec}
        upstream.need(found)
        assert list(objects.problems(found)) == [], name


def test_no_disk_is_used_but_those_that_are_named() -> None:
    storage = cluster(lab(rookCeph=given("d", "e")))["cephClusterSpec"]["storage"]
    devices = [{"name": ONE}, {"name": TWO}]
    nodes = [{"name": "d", "devices": devices}, {"name": "e", "devices": devices}]
    assert storage == {"useAllNodes": False, "useAllDevices": False, "nodes": nodes}


@pytest.mark.parametrize(("nodes", "replicas"), [("a", 1), ("ab", 2), ("abc", 3), ("abcde", 3)])
def test_replicas_are_as_many_as_machines_for_them(nodes: str, replicas: int) -> None:
    values = cluster(lab(rookCeph=given(*nodes, object=True)))
    (block,), (files,), (store,) = (values[f"ceph{kind}"] for kind in ("BlockPools", "FileSystems", "ObjectStores"))
    pools = [block["spec"], files["spec"]["metadataPool"], *files["spec"]["dataPools"]]
    pools += [store["spec"]["metadataPool"], store["spec"]["dataPool"]]
    assert {pool["replicated"]["size"] for pool in pools} == {replicas}
    assert {pool["replicated"]["requireSafeReplicaSize"] for pool in pools} == {replicas > 1}
    assert f"osd_pool_default_size = {replicas}\n" in f"{values['configOverride']}\n"


@pytest.mark.parametrize(("name", "node", "mons", "mgrs"), [("one-server", "solo", 1, 1), ("three-servers", "a", 3, 2)])
def test_monitors_are_three_where_there_are_three_machines(name: str, node: str, mons: int, mgrs: int) -> None:
    spec = cluster(lab(name, rookCeph=given(node)))["cephClusterSpec"]
    assert (spec["mon"]["count"], spec["mgr"]["count"]) == (mons, mgrs)


def test_disks_come_before_ceph_and_are_never_taken_back() -> None:
    found = layer("rookCeph", lab(rookCeph=given("d", "e", wipe={"e": [TWO]})))
    first, second, whole = found.host_services()
    assert (first.node, second.node, whole.node) == ("d", "e", "")
    assert first.variables == {"DEVICES": f"{ONE} {TWO}", "WIPE": ""}
    assert second.variables == {"DEVICES": f"{ONE} {TWO}", "WIPE": TWO}
    assert (first.undo, first.runs_last, whole.undo, whole.runs_last) == (
        (),
        False,
        ("rook-ceph/delete-cluster.sh",),
        True,
    )
    assert whole.variables["DISKS"] == "4"


def test_snapshots_are_there_where_something_takes_them() -> None:
    alone, beside = lab(rookCeph=given("a")), lab(snapshotController={}, rookCeph=given("a"))
    assert layer("rookCeph", alone).objects_after_charts() == ()
    classes = layer("rookCeph", beside).objects_after_charts()
    drivers = drivers_of(beside)
    assert [each["driver"] for each in classes] == [drivers["rbd"]["name"], drivers["cephfs"]["name"]]
    for found, policy in ((alone, "none"), (beside, "volumeSnapshot")):
        drivers = drivers_of(found)
        assert {drivers[kind]["snapshotPolicy"] for kind in ("rbd", "cephfs")} == {policy}


def test_memory_of_ceph_counts_when_a_lab_is_too_small() -> None:
    assert total_requests(cluster(lab(rookCeph=given("a")))).memory_mib == 2 * 512 + 2048


@pytest.mark.parametrize(
    ("settings", "report"),
    [
        ({}, "devices: is empty; add a node and its devices"),
        (given("x"), "devices.x: is not a node of the cluster; use a name from cluster.nodes"),
        (given("a", wipe={"b": [ONE]}), "wipe.b.0: is not a disk of this node; add the disk to devices.b"),
        (
            given("a", wipe={"a": [ONE, PLACE]}),
            "wipe.a.1: is not a disk of this node; add the disk to devices.a",
        ),
        (
            {"devices": {"a": {"devices": [PLACE]}}, "wipe": {"a": [PLACE]}},
            "wipe.a.0: is the name of a slot, which can contain another disk later; "
            "use the disk's name below /dev/disk/by-id/ in wipe and devices",
        ),
    ],
)
def test_what_is_wrong_is_reported(settings: Any, report: str) -> None:
    assert problems("rookCeph", lab(rookCeph=settings)) == [report]
