"""An app's access to its nodes: devices, GPUs and the nodes' network."""

import gc
from typing import Any

import pulumi
import pytest

from components.app import host_network
from stacks.settings import AppStack, SettingsError
from tests.support.app_stacks import OUTPUTS, objects, outputs_without, pod_spec, run_fixture
from tests.support.recorder import Recording

PLAIN: dict[str, Any] = {
    "hostNetwork": False, "devices": [], "gpu": None, "patches": [], "volumes": {}, "supplementalGroups": [],
}  # fmt: skip
STICK = {"path": "/dev/ttyUSB0", "node": "d"}


def gpu_platform() -> dict[str, Any]:
    """The outputs of a platform whose node d has an NVIDIA GPU."""
    labels = {"nvidia.com/gpu.present": "true"}
    a, b, d = OUTPUTS["nodes"]
    return OUTPUTS | {"nodes": [a, b, d | {"labels": labels, "arch": "amd64"}]}


def run(**changes: Any) -> Recording:
    return run_fixture("hub", **PLAIN | changes)


def workload(recording: Recording) -> Any:
    found = objects(recording)
    return found.get("StatefulSet/hub") or found["Deployment/hub"]


def level(recording: Recording) -> str:
    return str(objects(recording)["Namespace/hub"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"])


def test_devices_are_mounted_into_the_apps_own_container() -> None:
    pod = pod_spec(run_fixture("hub"), "hub")
    sources = {each["name"]: each.get("hostPath") for each in pod["volumes"]}
    assert sources["device-0"] == {"path": "/dev/serial/by-id/usb-0001:if00", "type": "CharDevice"}
    assert sources["device-1"] == {"path": "/dev/dri", "type": "Directory"}
    own, sidecar = pod["containers"]
    mounts = {each["name"]: each["mountPath"] for each in own["volumeMounts"]}
    assert (mounts["device-0"], mounts["device-1"]) == ("/dev/ttyUSB0", "/dev/dri")
    assert own["securityContext"] == {"privileged": True, "readOnlyRootFilesystem": True}
    assert not any(each["name"].startswith("device-") for each in sidecar["volumeMounts"])
    assert "privileged" not in sidecar["securityContext"], "a container without devices needs no privileges"


def test_a_block_device_is_what_it_is_said_to_be() -> None:
    pod = pod_spec(run(devices=[{"path": "/dev/sda", "type": "BlockDevice", "node": "d"}]), "hub")
    assert pod["volumes"][-1]["hostPath"] == {"path": "/dev/sda", "type": "BlockDevice"}


def test_a_job_gets_no_device_and_no_network_of_the_node() -> None:
    job = objects(run_fixture("hub"))["CronJob/hub-backup"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert not {"hostNetwork", "dnsPolicy", "runtimeClassName"} & job.keys()
    assert not [each for each in job["volumes"] if each["name"].startswith("device-")]
    assert "privileged" not in job["containers"][0]["securityContext"]


@pytest.mark.parametrize(
    ("changes", "kind", "replicas"),
    [
        ({}, "Deployment", 3),
        ({"devices": [STICK]}, "StatefulSet", 1),
        ({"devices": [STICK | {"shared": True}]}, "Deployment", 3),
        ({"hostNetwork": True}, "Deployment", 1),
        ({"gpu": {}}, "Deployment", 1),
    ],
)
def test_two_pods_never_open_the_same_device(changes: dict[str, Any], kind: str, replicas: int) -> None:
    found = workload(run(**changes))
    assert (found["kind"], found["spec"]["replicas"]) == (kind, replicas)


@pytest.mark.parametrize("changes", [{"hostNetwork": True}, {"gpu": {}}])
def test_an_old_pod_releases_ports_and_gpus_before_a_new_one_starts(changes: dict[str, Any]) -> None:
    strategy = workload(run(**changes))["spec"]["strategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    assert "strategy" not in workload(run())["spec"]


def test_a_device_pins_the_app_to_its_node() -> None:
    assert pod_spec(run(devices=[STICK]), "hub")["nodeSelector"] == {"kubernetes.io/hostname": "d"}
    assert pod_spec(run(devices=[{"path": "/dev/dri"}], nodes={"storage": "true"}), "hub")["nodeSelector"] == {
        "storage": "true"
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "restricted"),
        ({"gpu": {"vendor": "amd"}}, "restricted"),
        ({"podSecurity": "baseline"}, "baseline"),
        ({"devices": [STICK]}, "privileged"),
        ({"hostNetwork": True}, "privileged"),
    ],
)
def test_the_pod_security_level_follows(changes: dict[str, Any], expected: str) -> None:
    assert level(run(**changes)) == expected


def test_pods_in_the_network_of_their_node_still_find_services() -> None:
    pod = pod_spec(run(hostNetwork=True), "hub")
    assert (pod["hostNetwork"], pod["dnsPolicy"]) == (True, "ClusterFirstWithHostNet")
    assert not {"hostNetwork", "dnsPolicy"} & pod_spec(run(), "hub").keys()


def test_that_network_policies_do_not_apply_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, *_: said.append(text))
    run()
    assert said == []
    run(hostNetwork=True)
    assert said == [
        "homelab:app.hostNetwork: NetworkPolicies do not apply to the app's pods: each host that reaches the app's "
        "node can connect to TCP 8123, UDP 5353, and the app can connect to every address that the node reaches"
    ]


@pytest.mark.parametrize(
    ("vendor", "resource"), [("nvidia", "nvidia.com/gpu"), ("intel", "gpu.intel.com/i915"), ("amd", "amd.com/gpu")]
)
def test_gpus_are_resources_of_the_vendors_device_plugin(vendor: str, resource: str) -> None:
    pod = pod_spec(run(gpu={"vendor": vendor, "count": 2}, outputs=gpu_platform()), "hub")
    own, sidecar = pod["containers"]
    assert own["resources"]["limits"] == {"memory": "128Mi", resource: 2}
    assert sidecar["resources"]["limits"] == {"memory": "128Mi"}
    assert pod.get("runtimeClassName") == ("nvidia" if vendor == "nvidia" else None)


@pytest.mark.filterwarnings("ignore:coroutine 'Output", "ignore:coroutine 'Resource")
@pytest.mark.parametrize(
    ("changes", "outputs", "line"),
    [
        (
            {"gpu": {}},
            outputs_without("gpuResources"),
            "gpu: needs homelab:platform.gpu, which does not provide gpuResources; enable this setting in stack lab",
        ),
        (
            {"gpu": {}, "arch": "arm64"},
            gpu_platform(),
            "arch: fits no node of the platform: a lacks the label nvidia.com/gpu.present=true, b lacks",
        ),
        (
            {"gpu": {}, "tolerations": []},
            gpu_platform(),
            "tolerations: fits no node of the platform: a lacks the label nvidia.com/gpu.present=true, b lacks",
        ),
        (
            {"devices": [STICK | {"node": "x"}]},
            OUTPUTS,
            "devices[0].node: is not a node of the platform; use one of: a",
        ),
        (
            {"hostNetwork": True, "replicas": 4},
            OUTPUTS,
            "replicas: requests 4 pods, but with hostNetwork each of the 3 matching nodes runs one pod; use 3 or less",
        ),
        (
            {"hostNetwork": True, "autoscaling": {"max": 4}},
            OUTPUTS,
            "autoscaling.max: requests 4 pods, but with hostNetwork each of the 3 matching nodes runs one pod; use 3",
        ),
        (
            {"devices": [STICK]},
            OUTPUTS | {"podSecurityLevels": ["restricted"]},
            "devices: needs the Pod Security level privileged, which the platform does not allow for apps; set",
        ),
        (
            {"podSecurity": "baseline"},
            OUTPUTS | {"podSecurityLevels": ["restricted"]},
            "podSecurity: needs the Pod Security level baseline, which the platform does not allow for apps; set",
        ),
    ],
)
def test_what_the_platform_lacks_is_named(changes: dict[str, Any], outputs: dict[str, Any], line: str) -> None:
    with pytest.raises(pulumi.RunError) as caught:
        run(**changes, outputs=outputs)
    (found,) = str(caught.value).splitlines()[1:]
    assert found.startswith(f"  homelab:app.{line}")
    gc.collect()


def test_gpus_of_other_vendors_need_no_layer() -> None:
    """The platform does not know the device plugins that its users install."""
    run(gpu={"vendor": "intel"}, outputs=outputs_without("gpuResources"))


def test_metrics_are_open_in_the_network_of_the_node_too() -> None:
    config: dict[str, Any] = {"platform": "lab", "image": "shop:1", "hostNetwork": True}
    with pytest.raises(SettingsError) as caught:
        AppStack.parse({"app": config | {"metrics": {"port": 10250}}}, set(), "shop")
    assert str(caught.value) == (
        "homelab:app.metrics.port: is a port of Kubernetes on the nodes; choose another port, or remove hostNetwork"
    )
    app = AppStack.parse({"app": config | {"metrics": {"port": 9000}}}, set(), "shop").app
    assert "can connect to TCP 8080, TCP 9000, and" in next(host_network.warnings(app))
