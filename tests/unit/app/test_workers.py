"""Workers of an app: other commands with the app's settings, which nobody connects to."""

from typing import Any

from tests.graph.test_app import waits_for
from tests.support.app_stacks import created, objects, pod_spec, run_fixture
from tests.support.recorder import Recording
from tests.unit.app.test_network import allowed

HOME = run_fixture("home")


def worker_spec(recording: Recording, name: str) -> Any:
    return objects(recording)[f"Deployment/{name}"]["spec"]


def test_a_worker_has_what_the_app_has_and_says_what_differs() -> None:
    (app, _), found = pod_spec(HOME, "home")["containers"], worker_spec(HOME, "home-queue")
    pod = found["template"]["spec"]
    (container,) = pod["containers"]
    assert (container["name"], container["image"], container["args"]) == ("queue", app["image"], ["queue"])
    assert (container["env"], container["securityContext"]) == (app["env"], app["securityContext"])
    assert container["resources"] == {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "128Mi"}}
    for shared in (
        "securityContext",
        "nodeSelector",
        "tolerations",
        "imagePullSecrets",
        "automountServiceAccountToken",
    ):
        assert pod[shared] == pod_spec(HOME, "home")[shared], shared
    assert (found["replicas"], worker_spec(HOME, "home-scheduler")["replicas"]) == (2, 1)


def test_only_listed_volumes_are_mounted() -> None:
    workers = {"queue": {"args": ["queue"], "volumes": ["media", "cache"]}, "scheduler": {"args": ["scheduler"]}}
    found = run_fixture("home", workers=workers)
    queue, scheduler = (worker_spec(found, f"home-{name}")["template"]["spec"] for name in workers)
    own = {"secret-files", "scratch-0", "shared-memory"}
    assert {each["name"] for each in queue["volumes"]} == own | {"media", "cache"}
    mounts = {each["name"]: each for each in queue["containers"][0]["volumeMounts"]}
    assert mounts["media"] == {"name": "media", "mountPath": "/media", "readOnly": True}
    assert {each["name"] for each in scheduler["volumes"]} == own


def test_probes_and_the_end_of_a_pod_are_the_workers_own() -> None:
    queue, scheduler = (worker_spec(HOME, f"home-{name}")["template"]["spec"] for name in ("queue", "scheduler"))
    (container,), (plain,) = queue["containers"], scheduler["containers"]
    assert container["livenessProbe"] == {
        "exec": {"command": ["/bin/check", "queue"]}, "periodSeconds": 20, "failureThreshold": 3,
    }  # fmt: skip
    assert container["lifecycle"] == {"preStop": {"exec": {"command": ["/bin/drain"]}}}
    assert not {"readinessProbe", "startupProbe", "ports"} & container.keys()
    assert not {"livenessProbe", "readinessProbe", "lifecycle", "ports"} & plain.keys()
    assert (queue["terminationGracePeriodSeconds"], scheduler["terminationGracePeriodSeconds"]) == (600, 120)


def test_a_service_does_not_lead_to_workers_and_workers_do_not_share_pods() -> None:
    found = objects(HOME)
    selectors = [found[f"Deployment/home-{name}"]["spec"]["selector"]["matchLabels"] for name in ("queue", "scheduler")]
    assert selectors[0] != selectors[1]
    for selector, name in zip(selectors, ("queue", "scheduler"), strict=True):
        labels = found[f"Deployment/home-{name}"]["spec"]["template"]["metadata"]["labels"]
        assert labels == selector == {"app.kubernetes.io/name": "home-worker", "app.kubernetes.io/component": name}
        for service in (each for key, each in found.items() if key.startswith("Service/")):
            assert not service["spec"]["selector"].items() <= labels.items()


def test_workers_connect_to_where_the_app_may_and_nobody_connects_to_them() -> None:
    found = objects(run_fixture("home", postgres={"size": "1Gi"}, allow={"internet": True}))
    policy = found["NetworkPolicy/home-worker"]["spec"]
    assert (policy["ingress"], policy["egress"]) == ([], found["NetworkPolicy/home"]["spec"]["egress"])
    assert policy["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "home-worker"}
    assert "from home-worker 5432" in allowed(found["NetworkPolicy/home-db"])
    plain = objects(run_fixture("home", postgres={"size": "1Gi"}, workers={}))
    assert "NetworkPolicy/home-worker" not in plain
    assert "from home-worker 5432" not in allowed(plain["NetworkPolicy/home-db"])


def test_several_pods_are_spread_and_drained_one_by_one() -> None:
    found = objects(HOME)
    labels = found["Deployment/home-queue"]["spec"]["selector"]
    budget = found["PodDisruptionBudget/home-queue"]["spec"]
    assert budget == {"maxUnavailable": 1, "selector": labels}
    assert "PodDisruptionBudget/home-scheduler" not in found, "it would block every drain"
    (spread,) = found["Deployment/home-queue"]["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert spread["labelSelector"] == labels


def test_workers_start_like_the_pods_after_the_job_before() -> None:
    assert "Job" in waits_for(HOME, "home-queue", "Deployment")
    assert "StatefulSet" not in waits_for(HOME, "home-queue", "Deployment")


def test_a_worker_that_must_not_run_twice_is_stopped_first() -> None:
    assert worker_spec(HOME, "home-scheduler")["strategy"] == {"type": "Recreate"}
    assert "strategy" not in worker_spec(HOME, "home-queue")
    (made,) = (each for each in created(HOME) if each.name == "home-scheduler")
    assert made.replaced_by_deletion, "the API server refuses a change of the strategy's type"


def test_a_database_may_be_called_worker_in_an_app_without_workers() -> None:
    database = {"name": "worker", "size": "1Gi"}
    assert "Cluster/home-worker" in objects(run_fixture("home", postgres=database, workers={}))
