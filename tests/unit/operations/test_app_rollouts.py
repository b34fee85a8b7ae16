"""`./homelab app restart` and `rollback`: what Pulumi must not fight, and what cannot start again."""

from pathlib import Path
from typing import Any

import pytest

from tests.contracts import upstream
from tests.support.app_commands import APP, Shop, owned, template, workload

OLD = "registry.example.com/shop:1.0.0"
RESTARTED = {"kubectl.kubernetes.io/restartedAt": "2026"}
OTHERS = "To select one of these workloads, run `./homelab app {} --stack shop NAME`.\n"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return Shop(tmp_path, monkeypatch)


def replica_set(number: int, of: dict[str, Any], owner: str = "shop") -> dict[str, Any]:
    labels = {**of["metadata"]["labels"], "pod-template-hash": f"hash{number}"}
    made = {**of, "metadata": {**of["metadata"], "labels": labels}}
    revision = {"annotations": {"deployment.kubernetes.io/revision": str(number)}}
    return owned("ReplicaSet", f"{owner}-{number}", owner, metadata=revision, spec={"template": made})


def restarted(of: dict[str, Any]) -> dict[str, Any]:
    return {**of, "metadata": {**of["metadata"], "annotations": RESTARTED}}


def deployed(shop: Shop, *revisions: dict[str, Any], **current: Any) -> None:
    shop.kubectl.answer("get deployment shop *", workload(**current))
    shop.kubectl.answer_list("get replicasets --selector=app.kubernetes.io/name=shop *", *revisions)


def test_a_restart_leaves_nothing_that_pulumi_takes_over(shop: Shop) -> None:
    """The next update by Pulumi takes over fields of managers whose names begin with kubectl, and removes them."""
    shop.kubectl.answer("get deployment shop-queue *", workload(name="shop-queue"))
    shop.kubectl.answer("rollout *")
    done = shop.run("restart", "queue")
    assert done.exit_code == 0, done.output
    assert shop.kubectl.calls[1:] == [
        "rollout restart deployment/shop-queue --field-manager=homelab",
        "rollout status deployment/shop-queue --timeout=10m",
    ]
    assert done.stdout == (
        "Deployment shop-queue has been restarted. The stack file and Pulumi's state stay unchanged.\n"
        "Other workloads were not restarted: shop. " + OTHERS.format("restart")
    )


def test_a_restart_that_does_not_succeed(shop: Shop) -> None:
    shop.kubectl.answer("get deployment shop *", workload(), once=True)
    shop.kubectl.answer("get deployment shop *", "")
    shop.kubectl.answer("rollout restart *")
    shop.kubectl.answer("rollout status *", code=1)
    done = shop.run("restart")
    fix = "run `./homelab app status --stack shop` to see the reason"
    assert (done.exit_code, done.stderr) == (1, f"The new pods of Deployment shop are not ready: {fix}.\n")
    assert shop.run("restart").stderr == "Deployment shop does not exist: run `pulumi up --stack shop`.\n"
    named = "CronJob shop-backup has no long-running pods: use one of shop, queue.\n"
    assert shop.run("restart", "backup").stderr == named


def test_a_rollout_of_argo_is_restarted_by_its_own_field_and_not_rolled_back(shop: Shop) -> None:
    shop.change(strategy={"canary": {"steps": [{"weight": 50}]}})
    rollout = {"kind": "Rollout", "apiVersion": "argoproj.io/v1alpha1"}
    upstream.need(rollout)
    fields = upstream.object_schema(rollout["apiVersion"], "Rollout")["properties"]
    assert "restartAt" in fields["spec"]["properties"]
    assert "restartedAt" in fields["status"]["properties"]
    shop.kubectl.answer("get rollouts.argoproj.io shop *", workload("Rollout"))
    shop.kubectl.answer("patch *")
    shop.kubectl.answer("wait *")
    assert shop.run("restart").exit_code == 0
    patch, wait = shop.kubectl.calls[-2:]
    moment = patch.partition('"restartAt":"')[2].partition('"')[0]
    spec = f'{{"spec":{{"restartAt":"{moment}"}}}}'
    assert patch == f"patch rollouts.argoproj.io shop --type=merge --patch={spec} --field-manager=homelab"
    condition = f"--for=jsonpath={{.status.restartedAt}}={moment}"
    assert wait == f"wait rollouts.argoproj.io/shop {condition} --timeout=10m"
    assert shop.run("rollback").stderr == (
        "Argo Rollouts manages Rollout shop, and controls the steps of a rollback: run `kubectl argo rollouts "
        "undo shop -n shop`, or write the previous image into the stack file and run `pulumi up`.\n"
    )


def test_a_rollback_skips_restarts_and_says_what_the_next_up_does(shop: Shop) -> None:
    current = restarted(template())
    deployed(
        shop, replica_set(2, template(OLD)), replica_set(3, template()), replica_set(4, current),
        replica_set(9, template("other:1"), owner="other"), **current,
    )  # fmt: skip
    shop.kubectl.answer("rollout *")
    done = shop.run("rollback")
    assert done.exit_code == 0, done.output
    assert shop.kubectl.calls[-2:] == [
        "rollout undo deployment/shop --to-revision=2", "rollout status deployment/shop --timeout=10m",
    ]  # fmt: skip
    first, second, third = done.stdout.splitlines()
    assert first == f"Deployment shop runs revision 2 again, with the image {OLD} instead of {APP['image']}."
    assert second == (
        "The stack file still describes the newer version, which the next change of these pods by `pulumi up`, or "
        "`pulumi up --refresh --stack shop`, deploys again. To keep the previous version, write it into the stack "
        "file. The rollback did not change the database."
    )
    assert f"{third}\n" == "Other workloads keep their version: queue. " + OTHERS.format("rollback")


def test_without_an_earlier_version_nothing_is_rolled_back(shop: Shop) -> None:
    deployed(shop, replica_set(1, template()), replica_set(2, restarted(template())), **template())
    assert shop.run("rollback").stderr == (
        "Deployment shop has no previous version: all revisions that Kubernetes keeps have the current version. "
        "Write the wanted image into the stack file, and run `pulumi up`.\n"
    )
    assert not [call for call in shop.kubectl.calls if "undo" in call]


def test_a_version_whose_files_are_gone_is_refused(shop: Shop) -> None:
    old = template(OLD, env=[
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "shop-secrets-1", "key": "KEY"}}},
        {"name": "PGUSER", "valueFrom": {"secretKeyRef": {"name": "shop-db-app", "key": "username"}}},
        {"name": "MAYBE", "valueFrom": {"configMapKeyRef": {"name": "maybe", "key": "x", "optional": True}}},
        {"name": "PLAIN", "value": "1"},
    ])  # fmt: skip
    old["spec"]["volumes"] = [
        {"name": "files", "configMap": {"name": "shop-files-1"}}, {"name": "scratch-0", "emptyDir": {}},
        {"name": "secret-files", "secret": {"secretName": "shop-secrets-1"}},
    ]  # fmt: skip
    old["spec"]["imagePullSecrets"] = [{"name": "shop-pull-1"}]
    deployed(shop, replica_set(1, old), **template())
    asked = "get secret/shop-pull-1 configmap/shop-files-1 secret/shop-secrets-1 secret/shop-db-app "
    shop.kubectl.answer(asked + "--ignore-not-found --output=name", "secret/shop-db-app\nsecret/shop-pull-1\n")
    done = shop.run("rollback")
    assert (done.exit_code, done.stderr) == (
        1,
        "The pods of revision 1 need configmap/shop-files-1, secret/shop-secrets-1, which `pulumi up` deleted after a "
        "change of files or secrets. Put the previous settings back into the stack file, and run `pulumi up --stack "
        "shop`.\n",
    )
    assert not [call for call in shop.kubectl.calls if "undo" in call]


def test_a_stateful_set_is_rolled_back_by_its_controller_revisions(shop: Shop) -> None:
    shop.change(volumes={"data": {"path": "/data", "size": "1Gi"}}, workers=None)
    shop.kubectl.answer("get statefulset shop *", workload("StatefulSet"))
    old = {**template(), "$patch": "replace"}
    old["spec"] = {"containers": [{"name": "shop", "image": APP["image"], "args": ["--old"]}]}
    found = [
        owned("ControllerRevision", f"shop-{number}", "shop", revision=number, data={"spec": {"template": each}})
        for number, each in ((4, old), (5, {**template(), "$patch": "replace"}))
    ]
    shop.kubectl.answer_list("get controllerrevisions --selector=app.kubernetes.io/name=shop *", *found)
    shop.kubectl.answer("rollout *")
    done = shop.run("rollback")
    assert done.exit_code == 0, done.output
    assert "rollout undo statefulset/shop --to-revision=4" in shop.kubectl.calls
    assert f"runs revision 4 again, with the same image, {APP['image']}.\n" in done.stdout
    assert "Other workloads" not in done.stdout
