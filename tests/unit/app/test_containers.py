"""Containers of an app beside its own: in its pods, before a new version, and by a schedule."""

from typing import Any

from tests.graph.test_app import waits_for
from tests.support.app_stacks import created, objects, pod_spec, run_app, run_fixture
from tests.support.recorder import Recording
from tests.support.settings_fixtures import ROOT
from tests.unit.app.test_network import allowed

ONE: dict[str, Any] = {"data": {"path": "/data", "size": "1Gi"}}
NOTHING: dict[str, Any] = {"sidecars": {}, "initContainers": {}, "before": None, "cron": {}}


def job(recording: Recording) -> Any:
    (found,) = (each.plain for each in created(recording) if each.plain["kind"] == "Job")
    return found


def test_containers_of_the_pod_have_what_the_app_has_and_say_what_differs() -> None:
    found = pod_spec(run_fixture("home"), "home")
    own, sidecar = found["containers"]
    (prepares,) = found["initContainers"]
    assert [own["name"], sidecar["name"], prepares["name"]] == ["home", "metrics", "settings"]
    assert (sidecar["image"], sidecar["args"]) == ("registry.example.com/exporter:1.0.0", ["--all"])
    assert sidecar["resources"]["limits"] == {"memory": "32Mi"}
    assert (prepares["image"], prepares["command"]) == (own["image"], ["/bin/prepare"])
    for each in (sidecar, prepares):
        for shared in ("env", "volumeMounts", "securityContext"):
            assert each[shared] == own[shared]
        assert not {"ports", "readinessProbe", "lifecycle"} & each.keys()
    assert "initContainers" not in pod_spec(run_fixture("shop-dev"), "shop-dev")


def test_what_runs_before_a_new_version_is_made_anew_with_it_and_waited_for() -> None:
    found = run_fixture("home")
    assert "name" not in job(found)["metadata"], "another version is another job"
    assert job(found)["metadata"]["annotations"] == {"pulumi.com/replaceUnready": "true"}
    assert "Job" in waits_for(found, "home", "StatefulSet")
    assert "StatefulSet" not in waits_for(found, "home-before", "Job")
    (before,) = (each for each in created(found) if each.plain["kind"] == "Job")
    assert before.replaced_by_deletion, "two of them never run beside each other"
    assert before.plain["spec"]["activeDeadlineSeconds"] == 30 * 60, "it does not go on after `up` gave up"
    spec = job(found)["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert (container["command"], spec["restartPolicy"]) == (["/bin/migrate"], "Never")
    assert {"name": "STEP", "value": "all"} in container["env"]
    names = {each["name"] for each in spec["volumes"]}
    assert names == {"secret-files", "scratch-0", "shared-memory"}, "the old version may have the others"


def test_a_service_does_not_lead_to_jobs() -> None:
    found = objects(run_fixture("home"))
    selector = found["Service/home"]["spec"]["selector"]
    for spec in (job(run_fixture("home"))["spec"], found["CronJob/home-backup"]["spec"]["jobTemplate"]["spec"]):
        assert spec["template"]["metadata"]["labels"] != selector
    assert found["Deployment/home" if "Deployment/home" in found else "StatefulSet/home"]


def test_jobs_may_connect_to_where_the_app_may() -> None:
    database = {"postgres": {"size": "1Gi"}, "allow": {"internet": True}}
    found = objects(run_fixture("home", **database))
    egress = found["NetworkPolicy/home"]["spec"]["egress"]
    policy = found["NetworkPolicy/home-job"]
    assert (policy["spec"]["egress"], policy["spec"]["ingress"]) == (egress, [])
    assert policy["spec"]["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "home-job"}
    assert "from home-job 5432" in allowed(found["NetworkPolicy/home-db"])
    pooled = objects(run_fixture("home", postgres={"size": "1Gi", "pooler": {}}))
    assert "from home-job 5432" in allowed(pooled["NetworkPolicy/home-db-pooler"])
    plain = objects(run_fixture("home", **database, **NOTHING))
    assert plain["NetworkPolicy/home-job"] == policy, "`./homelab app run` makes Jobs of any app"
    assert "from home-job 5432" in allowed(plain["NetworkPolicy/home-db"])


def test_a_schedule() -> None:
    spec = objects(run_fixture("home"))["CronJob/home-backup"]["spec"]
    assert (spec["schedule"], spec["timeZone"], spec["concurrencyPolicy"]) == ("0 3 * * *", "Europe/Berlin", "Replace")
    assert spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] == 3600
    plain = objects(run_fixture("home", cron={"tidy": {"schedule": "0 * * * *", "args": ["tidy"]}}))[
        "CronJob/home-tidy"
    ]["spec"]
    assert plain["concurrencyPolicy"] == "Forbid"
    assert not {"timeZone", "activeDeadlineSeconds"} & {*plain, *plain["jobTemplate"]["spec"]}


def test_a_volume_of_the_apps_pod_is_reached_on_its_machine() -> None:
    cron = {"backup": {"schedule": "0 3 * * *", "args": ["backup"], "volumes": ["data"]}}
    found = objects(run_fixture("home", volumes=ONE, cron=cron))["CronJob/home-backup"]
    spec = found["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (volume,) = (each for each in spec["volumes"] if each["name"] == "data")
    assert volume["persistentVolumeClaim"] == {"claimName": "data-home-0"}
    (near,) = spec["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert near["labelSelector"]["matchLabels"] == {"app.kubernetes.io/name": "home"}
    mounts = {each["name"]: each["mountPath"] for each in spec["containers"][0]["volumeMounts"]}
    assert mounts["data"] == "/data"
    shared = objects(run_fixture("home", volumes={"data": ONE["data"] | {"shared": True}}, cron=cron))[
        "CronJob/home-backup"
    ]
    assert "affinity" not in shared["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def test_an_app_without_them_has_none() -> None:
    names = objects(run_app(ROOT / "tests/settings/apps/shop-dev.yaml"))
    assert not [name for name in names if name.startswith(("Job", "CronJob"))]
