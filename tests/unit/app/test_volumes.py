"""Volumes of an app: what they become, and that an app has no more pods than they bear."""

import gc
from typing import Any

import pulumi
import pytest

from stacks.homelab import host_requirements_of
from stacks.settings import AppStack
from tests.support.app_stacks import OUTPUTS, created, kinds, objects, outputs_without, pod_spec, run_fixture
from tests.support.cluster_fixtures import cluster
from tests.support.recorder import Recording

DATA = {"data": {"path": "/data", "size": "1Gi"}}
SHARE = {"media": {"path": "/media", "nfs": {"server": "nas.lan", "path": "/media"}}}


def runs(**changes: Any) -> tuple[str, int]:
    """Kind and number of the pods of an app that names no number."""
    found = run_fixture("home", workers={}, **changes)
    (each,) = (each.plain for each in created(found) if each.plain["kind"] in ("Deployment", "StatefulSet"))
    assert ("PodDisruptionBudget" in kinds(found)) == (each["spec"]["replicas"] > 1)
    return each["kind"], int(each["spec"]["replicas"])


@pytest.mark.parametrize(
    ("volumes", "kind", "pods"),
    [
        ({}, "Deployment", 3),
        (DATA, "StatefulSet", 1),
        ({"data": DATA["data"] | {"perPod": True}}, "StatefulSet", 3),
        ({"data": DATA["data"] | {"shared": True}}, "Deployment", 3),
        (SHARE, "StatefulSet", 1),
        ({"media": SHARE["media"] | {"shared": True}}, "Deployment", 3),
        ({"media": SHARE["media"] | {"readOnly": True}}, "Deployment", 3),
        ({"old": {"path": "/old", "claim": "old"}}, "StatefulSet", 1),
        ({"old": {"path": "/old", "claim": "old", "readOnly": True}}, "StatefulSet", 1),
        ({"cache": {"path": "/cache", "size": "16Mi", "memory": True}}, "Deployment", 3),
        (DATA | {"more": {"path": "/more", "size": "1Gi", "perPod": True}}, "StatefulSet", 1),
    ],
)
def test_an_app_has_no_more_pods_than_its_volumes_bear(volumes: Any, kind: str, pods: int) -> None:
    assert runs(volumes=volumes) == (kind, pods)


def test_the_claim_of_the_first_pod_keeps_its_name() -> None:
    """Apps that had three pods, each with its own, go on with that of the first; the claims of the others stay."""
    spec = objects(run_fixture("home", volumes=DATA))["StatefulSet/home"]["spec"]
    assert spec["serviceName"] == "home"
    assert [each["metadata"]["name"] for each in spec["volumeClaimTemplates"]] == ["data"]
    assert "persistentVolumeClaimRetentionPolicy" not in spec, "claims of pods that are gone stay"


def test_volumes_of_all_kinds() -> None:
    spec = objects(run_fixture("home"))["StatefulSet/home"]["spec"]
    (template,) = spec["volumeClaimTemplates"]
    assert template["spec"]["accessModes"] == ["ReadWriteOncePod"]
    sources = {each.pop("name"): each for each in pod_spec(run_fixture("home"), "home")["volumes"]}
    assert {name: each for name, each in sources.items() if name in ("media", "old", "disk", "cache")} == {
        "media": {"nfs": {"server": "nas.lan", "path": "/volume1/media"}},
        "old": {"persistentVolumeClaim": {"claimName": "data-home-0"}},
        "disk": {"hostPath": {"path": "/srv/disk", "type": "Directory"}},
        "cache": {"emptyDir": {"medium": "Memory", "sizeLimit": "32Mi"}},
    }
    mounts = {each["name"]: each for each in pod_spec(run_fixture("home"), "home")["containers"][0]["volumeMounts"]}
    assert mounts["media"] == {"name": "media", "mountPath": "/media", "readOnly": True}


def test_a_folder_of_a_machine_pins_the_app_to_it() -> None:
    assert pod_spec(run_fixture("home"), "home")["nodeSelector"]["kubernetes.io/hostname"] == "d"
    assert "kubernetes.io/hostname" not in pod_spec(run_fixture("home", volumes=DATA), "home")["nodeSelector"]


@pytest.mark.parametrize(("volumes", "protected"), [(SHARE, False), ({"old": {"path": "/old", "claim": "old"}}, True)])
def test_what_goes_with_the_namespace_is_protected(volumes: Any, protected: bool) -> None:
    (namespace,) = (each for each in created(run_fixture("home", volumes=volumes)) if each.plain["kind"] == "Namespace")
    assert namespace.protected is protected


@pytest.mark.filterwarnings("ignore:coroutine 'Output", "ignore:coroutine 'Resource")
@pytest.mark.parametrize(
    ("volumes", "outputs", "line"),
    [
        (
            SHARE,
            outputs_without("nfsClient"),
            r"volumes\.media\.nfs: needs homelab:cluster\.apps\.nfs, which does not provide",
        ),
        (
            {"data": DATA["data"] | {"accessMode": "ReadWriteMany"}},
            OUTPUTS | {"sharedStorageClasses": []},
            r"volumes\.data\.storageClass: needs homelab:platform\.longhorn, which does not provide sharedStorage",
        ),
    ],
)
def test_what_the_platform_lacks_is_named(volumes: Any, outputs: dict[str, Any], line: str) -> None:
    with pytest.raises(pulumi.RunError, match=line):
        run_fixture("home", volumes=volumes, outputs=outputs)
    gc.collect()


@pytest.mark.filterwarnings("ignore:coroutine 'Output", "ignore:coroutine 'Resource")
@pytest.mark.parametrize("spec", [{}, {"volumeClaimTemplates": []}])
def test_a_volume_that_a_statefulset_cannot_get_is_refused(monkeypatch: pytest.MonkeyPatch, spec: Any) -> None:
    """Its pods would end for the new version and not come again: they mount what no template makes."""
    made_up = lambda _, request: {"spec": spec} if request.type.endswith(":StatefulSet") else {}  # noqa: E731
    monkeypatch.setattr(Recording, "_made", made_up)
    with pytest.raises(
        pulumi.RunError, match=r"homelab:app\.volumes\.data: cannot be added to an existing StatefulSet; "
    ):
        run_fixture("shop-dev", volumes=SHARE | DATA)
    gc.collect()


@pytest.mark.parametrize(("nfs", "packages"), [(True, ("nfs-common",)), (False, ())])
def test_machines_have_an_nfs_client_where_apps_may_mount_shares(nfs: bool, packages: tuple[str, ...]) -> None:
    assert host_requirements_of([], cluster("three-servers", apps={"nfs": nfs})).packages == packages


def test_only_apps_with_devices_reserve_names_for_devices() -> None:
    """A volume that exists cannot change its name."""
    config = {"platform": "lab", "image": "shop:1", "volumes": {"device-0": {"path": "/data", "size": "1Gi"}}}
    assert "device-0" in AppStack.parse({"app": config}, set(), "shop").app.volumes


def test_a_volume_is_mounted_several_times() -> None:
    recording = run_fixture("cache")
    worker = objects(recording)["Deployment/cache-queue"]["spec"]["template"]["spec"]
    for container in (pod_spec(recording, "cache")["containers"][0], worker["containers"][0]):
        assert [each for each in container["volumeMounts"] if each["name"] == "data"] == [
            {"name": "data", "mountPath": "/data", "subPath": "app/data"},
            {"name": "data", "mountPath": "/config", "subPath": "app/config"},
            {"name": "data", "mountPath": "/public", "readOnly": True},
        ]


def test_all_mounts_of_a_read_only_volume_are_read_only() -> None:
    share = {"path": "/a", "readOnly": True, "nfs": {"server": "nas.lan", "path": "/a"}, "mounts": [{"path": "/b"}]}
    (container,) = pod_spec(run_fixture("shop-dev", volumes={"share": share}), "shop-dev")["containers"]
    mounts = [each for each in container["volumeMounts"] if each["name"] == "share"]
    assert [each["readOnly"] for each in mounts] == [True, True]
