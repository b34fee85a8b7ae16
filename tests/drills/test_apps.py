"""A typical home app on one machine: volumes, privileges, ports, containers. Its image is a stand-in that sleeps."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from bench.labs import stack_document
from rehearsal.shell import RehearsalError
from tests.drills.measurements import Recorder, timed
from tests.drills.stack_files import write_stack_file
from tests.rehearsal.rehearsed_lab import RehearsedLab, diagnostics, rehearse, wait_until

pytestmark = pytest.mark.drill

ADDRESS = "10.9.0.210"
SECRETS = ("apiKey", "registryPassword")
PLATFORM: dict[str, Any] = {"metallb": {"addresses": ["10.9.0.200-10.9.0.220"]}}
APP: dict[str, Any] = {
    "platform": "apps",
    "image": "registry.example.com/home:1.0.0",
    "replicas": 2,
    "volumes": {
        "data": {"path": "/data", "size": "16Mi", "perPod": True},
        "cache": {"path": "/cache", "size": "16Mi", "memory": True},
    },
    "user": 0,
    "group": 100,
    "supplementalGroups": [44],
    "writableRoot": True,
    "capabilities": ["CHOWN", "SETUID", "SETGID"],
    "secretFiles": {"/etc/home/key.pem": {"secret": "apiKey"}},
    "imagePullSecret": {"username": "me", "password": {"secret": "registryPassword"}},
    "nodes": {"storage": "true"},
    "tolerations": ["dedicated=storage:NoSchedule"],
    "probes": {"readiness": {"command": ["/bin/check"], "delay": 1, "timeout": 2}, "liveness": {"grpc": True}},
    "gracePeriod": 20,
    "stop": ["/bin/save"],
    "sharedMemory": "16Mi",
    "port": 1883,
    "ports": {"mqtt": {"port": 1883}, "dns": {"port": 53, "protocol": "UDP"}},
    "loadBalancer": {"address": ADDRESS, "from": ["10.9.0.0/24"]},
    "sidecars": {"exporter": {"image": "registry.example.com/exporter:1.0.0", "memory": "16Mi"}},
    "initContainers": {"settings": {"command": ["/bin/prepare"]}},
    "before": {"command": ["/bin/migrate"]},
    "cron": {"backup": {"schedule": "0 3 * * *", "timeZone": "Europe/Berlin", "command": ["/bin/backup"]}},
    "discard": True,
}
MEDIA: dict[str, Any] = {
    "image": "ghcr.io/stefanprodan/podinfo:6.9.2", "port": 9898, "replicas": 1, "cpu": "10m", "memory": "32Mi",
    "probes": {"readiness": {"path": "/readyz"}},
}  # fmt: skip
APPS: dict[str, Any] = {
    "platform": "apps",
    "sabnzbd": MEDIA | {"allow": {"from": ["sonarr"]}},
    "sonarr": MEDIA,
    "radarr": MEDIA | {"allow": {"to": [{"namespace": "sabnzbd"}]}},
}
"""Several apps in one stack. Both sonarr and radarr may leave for sabnzbd, which lets only sonarr in."""
VOLUMES = """
mkdir -p /srv/disk
for name in data-home-0 data-home-1; do
  mkdir -p "/srv/$name"
  k3s kubectl delete persistentvolume "$name" --ignore-not-found
  k3s kubectl apply -f - <<END
{
  "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "$name"},
  "spec": {
    "capacity": {"storage": "16Mi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "local-path",
    "hostPath": {"path": "/srv/$name"}, "claimRef": {"namespace": "home", "name": "$name"}
  }
}
END
done
"""
"""K3s' StorageClass creates no volumes here, because its provisioner is a stand-in that sleeps. A volume cannot be used
again after its claim is deleted, so each run replaces the volumes."""

INSIDE_THE_CONTAINER = """
for file in $(grep -lE 'POD' /proc/[0-9]*/cgroup); do
  process=${file%/cgroup}
  test -e "$process/root/dev/hub" || continue
  stat -c %t:%T "$process/root/dev/hub"
  grep nas.lan "$process/root/etc/hosts"
  readlink "$process/ns/net" /proc/1/ns/net
  exit
done
exit 1
"""
"""Prints what a process of the app's container sees. The stand-in image contains no shell."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    folder = tmp_path_factory.mktemp("apps")
    document = stack_document(1, 0, apps={"podSecurity": "baseline"})
    document["config"]["homelab:platform"] = PLATFORM
    document["config"]["homelab:cluster"]["nodes"][0]["labels"] = {"storage": "true"}
    file = folder / "Pulumi.home.yaml"
    write_stack_file(file, *SECRETS, app=APP)
    media = folder / "Pulumi.media.yaml"
    write_stack_file(media, apps=APPS)
    with rehearse("apps", document, folder, apps=[file, media]) as found:
        found.up()
        found.run_as_root("s1", VOLUMES)
        yield found


def change(lab: RehearsedLab, **settings: Any) -> dict[str, Any]:
    """Write the app's stack file with changed settings; None removes a setting."""
    file, _ = lab.apps
    app = {key: value for key, value in {**APP, **settings}.items() if value is not None}
    write_stack_file(file, *SECRETS, app=app)
    lab.reopen()
    return app


def get_object(lab: RehearsedLab, kind: str, name: str = "home") -> Any:
    return json.loads(lab.kubectl("get", kind, "-n", "home", name, "-o", "json"))


def object_names(lab: RehearsedLab, kind: str) -> set[str]:
    listed = json.loads(lab.kubectl("get", kind, "-n", "home", "-o", "json"))["items"]
    return {each["metadata"]["name"] for each in listed if "deletionTimestamp" not in each["metadata"]}


def running_pods(lab: RehearsedLab) -> list[Any]:
    selector = ("-l", "app.kubernetes.io/name=home", "-o", "json")
    return list(json.loads(lab.kubectl("get", "pods", "-n", "home", *selector))["items"])


def test_the_app_is_deployed_and_runs(lab: RehearsedLab, record: Recorder) -> None:
    with timed(record, "an app with sidecar, jobs, ports and volumes"):
        lab.up(engine=lab.app_engine("home"))
    assert {each["metadata"]["name"] for each in running_pods(lab)} == {"home-0", "home-1"}
    for pod in running_pods(lab):
        states = pod["status"]["containerStatuses"]
        assert {each["name"] for each in states} == {"home", "exporter"}
        assert all(each["ready"] for each in states), states
        assert pod["spec"]["nodeName"] == "s1"


def test_the_namespace_has_the_required_pod_security_level(lab: RehearsedLab) -> None:
    labels = json.loads(lab.kubectl("get", "namespace", "home", "-o", "json"))["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "baseline"
    assert lab.app_engine("home").outputs()["podSecurity"] == "baseline"


def test_the_job_before_a_version_has_succeeded(lab: RehearsedLab) -> None:
    jobs = json.loads(lab.kubectl("get", "jobs", "-n", "home", "-o", "json"))["items"]
    (job,) = (each for each in jobs if each["metadata"]["name"].startswith("home-before"))
    assert job["status"]["succeeded"] == 1


def test_the_scheduled_job_runs(lab: RehearsedLab) -> None:
    assert get_object(lab, "cronjob", "home-backup")["spec"]["timeZone"] == "Europe/Berlin"
    lab.kubectl("create", "job", "-n", "home", "now", "--from=cronjob/home-backup")
    wait_until(lambda: get_object(lab, "job", "now")["status"].get("succeeded") == 1, "the job ends")
    lab.kubectl("delete", "job", "-n", "home", "now")


def test_the_load_balancer_has_the_requested_address(lab: RehearsedLab) -> None:
    service = get_object(lab, "service", "home-lb")
    assert service["status"]["loadBalancer"]["ingress"][0]["ip"] == ADDRESS
    assert {(each["port"], each["protocol"]) for each in service["spec"]["ports"]} == {(1883, "TCP"), (53, "UDP")}


def test_second_up_changes_nothing(lab: RehearsedLab) -> None:
    assert " unchanged\n" in lab.up("--expect-no-changes", engine=lab.app_engine("home"))


def test_a_single_writer_keeps_the_claims_of_other_replicas(lab: RehearsedLab) -> None:
    volumes = {**APP["volumes"], "data": {"path": "/data", "size": "16Mi"}}
    change(lab, volumes=volumes, replicas=None)
    lab.up(engine=lab.app_engine("home"))
    wait_until(lambda: [each["metadata"]["name"] for each in running_pods(lab)] == ["home-0"], "one pod stays")
    assert object_names(lab, "persistentvolumeclaims") == {"data-home-0", "data-home-1"}
    change(lab, volumes=volumes)
    code, said = lab.pulumi("up", "--yes", "--skip-preview", engine=lab.app_engine("home"))
    assert code != 0
    reason = "homelab:app.replicas: requests several pods, but only one pod may mount volumes.data"
    assert reason in said, diagnostics(said)


def mounted_folders(lab: RehearsedLab) -> list[str]:
    """Return the folders of nodes that the app's pods mount."""
    volumes = [volume for pod in running_pods(lab) for volume in pod["spec"]["volumes"]]
    return [volume["hostPath"]["path"] for volume in volumes if "hostPath" in volume]


def test_rights_beyond_the_platforms_limit_are_refused(lab: RehearsedLab) -> None:
    disk = "/srv/disk"
    volume = {"path": "/disk", "hostPath": {"node": "s1", "path": disk}}
    change(lab, volumes={**APP["volumes"], "disk": volume}, replicas=1)
    code, said = lab.pulumi("up", "--yes", "--skip-preview", engine=lab.app_engine("home"))
    assert code != 0
    assert "homelab:app.volumes.disk.hostPath: needs the Pod Security level privileged" in said, diagnostics(said)
    assert "disk" not in json.dumps(get_object(lab, "statefulset")["spec"]["template"]), "no changes were made"
    lab.cluster["apps"] = {"podSecurity": "privileged"}
    lab.reopen()
    lab.up()
    lab.up(engine=lab.app_engine("home"))
    # Pulumi sometimes ends before the StatefulSet's controller has seen the change
    wait_until(lambda: disk in mounted_folders(lab), "a pod with the folder of the node runs")
    (pod,) = running_pods(lab)
    assert pod["spec"]["nodeSelector"]["kubernetes.io/hostname"] == "s1"


def test_a_device_the_network_of_the_node_and_a_patch(lab: RehearsedLab) -> None:
    pod_patch = {"spec": {"hostAliases": [{"ip": "192.168.1.9", "hostnames": ["nas.lan"]}]}}
    change(
        lab,
        replicas=None,
        loadBalancer=None,
        hostNetwork=True,
        devices=[{"path": "/dev/null", "mountPath": "/dev/hub", "node": "s1"}],
        patches=[{"kind": "StatefulSet", "patch": {"spec": {"template": pod_patch}}}],
    )
    said = lab.up(engine=lab.app_engine("home"))
    assert "NetworkPolicies do not apply to the app's pods" in said, diagnostics(said)
    (pod,) = running_pods(lab)
    assert pod["status"]["podIP"] == pod["status"]["hostIP"]
    uid = pod["metadata"]["uid"]
    facts = lab.run_as_root("s1", INSIDE_THE_CONTAINER.replace("POD", f"pod({uid}|{uid.replace('-', '_')})"))
    device, hosts, network, machine = facts.splitlines()
    assert device == "1:3", "the device is the machine's /dev/null"
    assert hosts.split() == ["192.168.1.9", "nas.lan"]
    assert network == machine, "the pod is in the network namespace of its machine"
    assert " unchanged\n" in lab.up("--expect-no-changes", engine=lab.app_engine("home"))


def test_a_patch_that_the_api_server_refuses_fails_in_the_preview(lab: RehearsedLab) -> None:
    """The app's namespace exists, so the API server checks the patched object in a dry run."""
    change(lab, patches=[{"kind": "StatefulSet", "patch": {"spec": {"updateStrategy": {"type": "Sideways"}}}}])
    code, said = lab.pulumi("preview", engine=lab.app_engine("home"))
    assert code != 0
    assert "Sideways" in said, diagnostics(said)


def test_placement_without_a_matching_node_is_refused(lab: RehearsedLab) -> None:
    change(lab, nodes={"storage": "false"})
    code, said = lab.pulumi("up", "--yes", "--skip-preview", engine=lab.app_engine("home"))
    assert code != 0
    reason = "homelab:app.nodes: fits no node of the platform: s1 lacks the label storage=false"
    assert reason in said, diagnostics(said)


def test_destroy_deletes_the_whole_app(lab: RehearsedLab) -> None:
    change(lab)
    lab.pulumi_succeeds("destroy", "--yes", engine=lab.app_engine("home"))
    assert "namespace/home" not in lab.kubectl("get", "namespaces", "-o", "name")


def reaches(lab: RehearsedLab, client: str, server: str) -> bool:
    """Whether a pod of one app gets an answer from the Service of another app."""
    address = lab.kubectl("get", "service", "-n", server, server, "-o", "jsonpath={.spec.clusterIP}")
    ask = f"curl -fsS --max-time 5 http://{address}/healthz"
    try:
        return "OK" in lab.run_in_pod(client, f"app.kubernetes.io/name={client}", ask)
    except RehearsalError as error:
        if not re.search("timed out|Failed to connect", str(error)):
            raise
        return False


def test_an_app_reaches_another_app_of_its_stack_if_the_other_app_allows_it(
    lab: RehearsedLab, record: Recorder
) -> None:
    engine = lab.app_engine("media")
    with timed(record, "three apps in one stack"):
        lab.up(engine=engine)
    names = ["sabnzbd", "sonarr", "radarr"]
    outputs: Any = engine.outputs()
    assert outputs == {"apps": {each: {"namespace": each, "podSecurity": "restricted", "urls": []} for each in names}}
    # K3s enforces NetworkPolicies some time after pods start
    wait_until(lambda: not reaches(lab, "radarr", "sabnzbd"), "the third app cannot connect", 60)
    wait_until(lambda: not reaches(lab, "sabnzbd", "sonarr"), "the server cannot connect back", 60)
    wait_until(lambda: reaches(lab, "sonarr", "sabnzbd"), "the allowed app can connect", 60)
    assert " unchanged\n" in lab.up("--expect-no-changes", engine=engine)


def test_an_app_leaves_its_stack_and_the_others_stay(lab: RehearsedLab) -> None:
    _, file = lab.apps
    remaining = {name: settings for name, settings in APPS.items() if name != "radarr"}
    write_stack_file(file, apps=remaining)
    lab.reopen()
    lab.up(engine=lab.app_engine("media"))
    namespaces = lab.kubectl("get", "namespaces", "-o", "name").splitlines()
    assert "namespace/radarr" not in namespaces
    assert {"namespace/sabnzbd", "namespace/sonarr"} <= set(namespaces)
    assert reaches(lab, "sonarr", "sabnzbd")


def test_a_stack_of_several_apps_refuses_the_key_of_one_app_before(lab: RehearsedLab) -> None:
    """And changes nothing, because the app's objects would be adopted under new names and deleted as the old ones."""
    change(lab)
    lab.run_as_root("s1", VOLUMES)
    lab.up(engine=lab.app_engine("home"))
    file, _ = lab.apps
    write_stack_file(file, apps={"platform": "apps", "home": MEDIA})
    lab.reopen()
    code, said = lab.pulumi("up", "--yes", "--skip-preview", engine=lab.app_engine("home"))
    assert code != 0
    assert "homelab:apps: this stack deployed the app home with homelab:app" in said, diagnostics(said)
    assert object_names(lab, "statefulsets") == {"home"}
