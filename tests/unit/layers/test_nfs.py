"""NFS: where the server is, and its class."""

from typing import Any

import pytest

from tests.support.layer_fixtures import lab, layer, problems, values
from tests.support.recorder import config_of, record
from tests.support.settings_fixtures import ROOT

FILE = ROOT / "tests/settings/valid/three-servers.yaml"
NAS = {"external": {"address": "nas.lan", "path": "/volume1"}}


def test_two_controllers_which_listen_on_their_machines_are_on_two_machines() -> None:
    given = values("nfs", lab(nfs=NAS))["controller"]
    assert given["replicas"] == 2
    assert [*given["affinity"]] == ["nodeAffinity", "podAntiAffinity"], "the chart reads none without the first"
    ((rule,),) = given["affinity"]["podAntiAffinity"].values()
    assert rule["topologyKey"] == "kubernetes.io/hostname"


def test_server_of_your_own() -> None:
    found = lab(nfs=NAS)
    (made,) = layer("nfs", found).objects_after_charts()
    assert made["parameters"] == {"server": "nas.lan", "share": "/volume1"}
    assert layer("nfs", found).host_services() == ()
    assert not problems("nfs", found)


def test_each_additional_server_has_its_class() -> None:
    more = {"media": {"address": "10.0.0.9", "path": "/media"}, "old": {"address": "nas.lan", "path": "/volume2"}}
    found = lab(nfs=NAS | {"additional": more})
    made = {each["metadata"]["name"]: each["parameters"] for each in layer("nfs", found).objects_after_charts()}
    assert made == {
        "nfs": {"server": "nas.lan", "share": "/volume1"},
        "nfs-media": {"server": "10.0.0.9", "share": "/media"},
        "nfs-old": {"server": "nas.lan", "share": "/volume2"},
    }
    assert layer("nfs", found).outputs()["shared_storage_classes"] == ["nfs", "nfs-media", "nfs-old"]


def test_machine_as_server_is_open_to_the_machines() -> None:
    found = lab(nfs={"server": {"node": "e"}})
    (made,) = layer("nfs", found).objects_after_charts()
    addresses = {node.name: node.address for node in found.cluster.nodes}
    assert made["parameters"] == {"server": addresses["e"], "share": "/srv/nfs"}
    (service,) = layer("nfs", found).host_services()
    assert (service.node, service.runs_last) == ("e", False)
    assert service.variables == {"FOLDER": "/srv/nfs", "CLIENTS": " ".join(addresses.values())}


def test_controllers_follow_the_machines() -> None:
    assert values("nfs", lab(nfs=NAS))["controller"]["replicas"] == 2
    assert values("nfs", lab("one-server", nfs=NAS))["controller"]["replicas"] == 1


@pytest.mark.parametrize(
    ("beside", "classes"),
    [({}, ["local-path", "nfs"]), ({"longhorn": {}}, ["longhorn", "longhorn-single", "nfs"])],
)
def test_classes_of_all_layers_are_there_for_apps(beside: Any, classes: list[str]) -> None:
    run = record(config_of(FILE) | {"platform": {"nfs": NAS, **beside}})
    assert run.stack_outputs["storageClasses"] == classes
    assert run.stack_outputs["storageClass"] == classes[0]


ONE = ": needs exactly one of external and server; add one, or keep one of them"


@pytest.mark.parametrize(
    ("given", "reports"),
    [
        ({}, [ONE]),
        (NAS | {"server": {"node": "e"}}, [ONE]),
        (
            {"server": {"node": "x"}},
            ["server.node: is not a node of the cluster; use a name from cluster.nodes"],
        ),
    ],
)
def test_what_is_wrong_is_reported(given: Any, reports: list[str]) -> None:
    assert problems("nfs", lab(nfs=given)) == reports
