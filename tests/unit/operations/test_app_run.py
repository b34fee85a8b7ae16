"""`./homelab app run`: a Job like the app's pods, its log, its exit code and its end."""

from pathlib import Path
from typing import Any

import pytest

from components.app import server_waits
from components.app.settings import AppSettings
from operations.app import run as command
from tests.support.app_commands import APP, Shop, pod, template, workload

SHOP = AppSettings.model_validate({"name": "shop", "image": APP["image"], "postgres": APP["postgres"]})
NAME = "shop-run-x1"
POD = f"get pods --selector=job-name={NAME} *"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    found = Shop(tmp_path, monkeypatch)
    monkeypatch.setattr(command, "POLL_SECONDS", 0)
    found.kubectl.answer("create --filename=- --output=name", f"job.batch/{NAME}\n")
    found.kubectl.answer(f"delete job.batch/{NAME} --cascade=background --wait=false")
    return found


def run_pod(state: dict[str, Any], **status: Any) -> dict[str, Any]:
    found = pod("run-1", state=state)
    found["status"] |= status
    return found


def deployed(shop: Shop, **own: Any) -> None:
    found = template(**own)
    found["spec"] |= {
        "nodeSelector": {"storage": "true"},
        "initContainers": [{"name": "settings"}],
        "topologySpreadConstraints": [{}],
        "volumes": [
            {"name": "files", "configMap": {"name": "shop-files-1"}}, {"name": "scratch-0", "emptyDir": {}},
            {"name": "media", "nfs": {"server": "nas"}},
        ],
    }  # fmt: skip
    found["spec"]["containers"].append({"name": "exporter", "image": "exporter:1"})
    shop.kubectl.answer("get statefulset shop *", workload("StatefulSet", **found))
    shop.kubectl.answer("get deployment shop *", workload(**found))
    shop.kubectl.answer("get clusters.postgresql.cnpg.io shop-db *", {"spec": {"imageName": "postgresql:17"}})


def test_the_job_has_what_the_apps_container_has(shop: Shop) -> None:
    volumes = [{"name": name, "mountPath": f"/{name}"} for name in ("files", "scratch-0", "media")]
    deployed(
        shop, args=["--serve"], env=[{"name": "A", "value": "1"}], volumeMounts=volumes,
        readinessProbe={"httpGet": {}}, lifecycle={"preStop": {}}, ports=[{"containerPort": 80}],
    )  # fmt: skip
    shop.kubectl.answer_list(POD, run_pod({"terminated": {"exitCode": 0}}))
    shop.kubectl.answer("get pod run-1 *", run_pod({"terminated": {"exitCode": 0}}))
    shop.kubectl.answer("logs run-1 --follow", "done\n")
    done = shop.run("run", "--", "/bin/shop", "migrate", "--all")
    assert (done.exit_code, done.stderr) == (0, "")
    job = shop.kubectl.input
    assert job["metadata"] == {"generateName": "shop-run-", "labels": {"app.kubernetes.io/name": "shop-job"}}
    assert (job["spec"]["backoffLimit"], job["spec"]["ttlSecondsAfterFinished"]) == (0, 3600)
    assert job["spec"]["template"]["metadata"]["labels"] == job["metadata"]["labels"], "no Service leads to it"
    assert job["spec"]["template"]["spec"] == {
        "nodeSelector": {"storage": "true"},
        "restartPolicy": "Never",
        "initContainers": server_waits.init_containers(
            SHOP, {"database": "postgresql:17"}
        ),
        "containers": [
            {
                "name": "shop", "image": APP["image"], "env": [{"name": "A", "value": "1"}],
                "command": ["/bin/shop", "migrate", "--all"], "volumeMounts": volumes[:2],
            }
        ],
        "volumes": [
            {"name": "files", "configMap": {"name": "shop-files-1"}}, {"name": "scratch-0", "emptyDir": {}},
        ],
    }  # fmt: skip


def test_the_exit_code_is_that_of_the_command_and_the_job_is_deleted(shop: Shop) -> None:
    deployed(shop)
    shop.kubectl.answer_list(POD, once=True)
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "no such tag"}}
    shop.kubectl.answer_list(POD, run_pod(waiting), once=True)
    shop.kubectl.answer_list(POD, run_pod({"running": {}}))
    shop.kubectl.answer("logs run-1 --follow*")
    shop.kubectl.answer("get pod run-1 *", run_pod({"running": {}}), once=True)
    shop.kubectl.answer("get pod run-1 *", run_pod({"terminated": {"exitCode": 7}}))
    done = shop.run("run", "--", "false")
    assert done.exit_code == 7
    assert done.stderr.endswith("s  shop: ErrImagePull no such tag\n")
    logs = [call for call in shop.kubectl.calls if call.startswith("logs")]
    assert logs[0] == "logs run-1 --follow"
    assert logs[1].startswith("logs run-1 --follow --since-time=20"), "the stream ended before the command"
    assert shop.kubectl.calls[-1].startswith(f"delete job.batch/{NAME}")


def test_a_command_that_does_not_start_is_explained_and_deleted(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "START_SECONDS", -1)
    deployed(shop)
    shop.kubectl.answer_list(POD, once=True)
    shop.kubectl.answer_list(POD, run_pod({"waiting": {"reason": "ErrImagePull", "message": "no such tag"}}))
    done = shop.run("run", "--", "x")
    none = "The command has not started after -1 s: Kubernetes has created no pod.\n"
    assert (done.exit_code, done.stderr) == (1, none)
    assert "after -1 s: shop: ErrImagePull no such tag.\n" in shop.run("run", "--", "x").stderr
    assert len([call for call in shop.kubectl.calls if call.startswith("delete")]) == 2


def test_a_pod_that_is_gone_or_evicted(shop: Shop) -> None:
    deployed(shop)
    shop.kubectl.answer_list(POD, run_pod({"running": {}}))
    shop.kubectl.answer("logs *")
    shop.kubectl.answer("get pod run-1 *", "", once=True)
    shop.kubectl.answer("get pod run-1 *", run_pod({}, phase="Failed", containerStatuses=[]))
    gone = "Kubernetes deleted the pod run-1 before the command ended, for example in a drain.\n"
    assert shop.run("run", "--", "x").stderr == gone
    assert shop.run("run", "--", "x").exit_code == 1


def test_ctrl_c_deletes_the_job(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> str:
        raise KeyboardInterrupt

    deployed(shop)
    monkeypatch.setattr(command, "_started_pod", interrupt)
    assert shop.run("run", "--", "x").exit_code == 130
    assert shop.kubectl.calls[-1].startswith(f"delete job.batch/{NAME}")


def test_the_job_waits_for_each_server_with_the_image_of_the_server(shop: Shop) -> None:
    shop.change(valkey={})
    deployed(shop)
    valkey = {"spec": {"containers": [{"image": "valkey:8.1"}]}}
    shop.kubectl.answer("get statefulset shop-valkey *", {"spec": {"template": valkey}})
    shop.kubectl.answer_list(POD, run_pod({"terminated": {"exitCode": 0}}))
    shop.kubectl.answer("get pod run-1 *", run_pod({"terminated": {"exitCode": 0}}))
    shop.kubectl.answer("logs *")
    assert shop.run("run", "--", "x").exit_code == 0
    init = shop.kubectl.input["spec"]["template"]["spec"]["initContainers"]
    assert [(each["name"], each["image"]) for each in init] == [("database", "postgresql:17"), ("valkey", "valkey:8.1")]


def test_a_server_that_does_not_exist_is_reported(shop: Shop) -> None:
    shop.change(valkey={})
    deployed(shop)
    shop.kubectl.answer("get statefulset shop-valkey *", "")
    done = shop.run("run", "--", "x")
    assert done.stderr == "The server shop-valkey does not exist: run `pulumi up --stack shop`.\n"
    assert not [call for call in shop.kubectl.calls if call.startswith("create")]


def test_a_volume_is_mounted_on_the_node_of_the_app(shop: Shop) -> None:
    shop.change(volumes={"data": {"path": "/data", "size": "1Gi"}})
    deployed(shop)
    shop.kubectl.answer_list(POD, run_pod({"terminated": {"exitCode": 0}}))
    shop.kubectl.answer("get pod run-1 *", run_pod({"terminated": {"exitCode": 0}}))
    shop.kubectl.answer("logs *")
    assert shop.run("run", "--volume", "data", "--", "ls", "/data").exit_code == 0
    spec = shop.kubectl.input["spec"]["template"]["spec"]
    assert spec["volumes"][-1] == {"name": "data", "persistentVolumeClaim": {"claimName": "data-shop-0"}}
    assert spec["containers"][0]["volumeMounts"] == [{"name": "data", "mountPath": "/data"}]
    (near,) = spec["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert near["labelSelector"]["matchLabels"] == {"app.kubernetes.io/name": "shop"}


def test_a_volume_that_another_pod_cannot_mount_is_refused(shop: Shop) -> None:
    one = {"path": "/data", "size": "1Gi", "accessMode": "ReadWriteOncePod"}
    shop.change(volumes={"data": one, "each": {"path": "/each", "size": "1Gi", "perPod": True}})
    done = shop.run("run", "--volume", "data", "--", "ls")
    assert done.stderr == (
        "--volume data: only the app's own pod can mount this volume, because its access mode is ReadWriteOncePod; "
        "omit the option\n"
    )
    done = shop.run("run", "--volume", "each", "--", "ls")
    assert done.stderr == "--volume each: is a separate volume for each replica; remove it, or remove perPod\n"
    assert shop.run("run").exit_code == 2, "no command"
    assert shop.kubectl.calls == []
