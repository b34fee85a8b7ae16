"""`./homelab app`: which app, with which kubeconfig, and what is said when there is none."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

import cli
from operations import pulumi_stack
from tests.support.app_commands import APP, KUBECONFIG, Shop, pod
from tests.support.app_stacks import kubeconfig


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    found = Shop(tmp_path, monkeypatch)
    found.kubectl.answer_list("get pods *", pod())
    found.kubectl.answer("logs *", "hello\n")
    return found


def test_kubectl_gets_the_kubeconfig_of_app_stacks_in_a_file_of_its_own(shop: Shop) -> None:
    done = shop.run("logs")
    assert done.exit_code == 0, done.output
    assert (shop.kubectl.kubeconfig, shop.kubectl.mode, shop.kubectl.namespace) == (KUBECONFIG, "600", "shop")
    (asked,) = shop.pulumi.calls
    assert asked == "stack output --json --show-secrets --stack lab --non-interactive"


def test_outputs_in_a_secret_are_used_instead_of_the_platforms_stack(shop: Shop) -> None:
    shop.change(platformOutputs={"secret": "platform"})
    shop.pulumi.set_secret(json.dumps({"appKubeconfig": KUBECONFIG}))
    done = shop.run("logs")
    assert done.exit_code == 0, done.output
    assert shop.kubectl.kubeconfig == KUBECONFIG
    (asked,) = shop.pulumi.calls
    assert asked.startswith("config get homelab:platform --config-file")
    shop.pulumi.set_secret("nonsense")
    reason = "the secret is not the output of `./homelab platform`; set the secret again"
    assert shop.run("logs").stderr == f"homelab:app.platformOutputs of stack shop: {reason}\n"


def test_a_platform_without_a_valid_kubeconfig_is_told(shop: Shop) -> None:
    shop.pulumi.set_outputs(version="0.2.0")
    done = shop.run("logs")
    fix = "run `pulumi up --stack lab`"
    assert (done.exit_code, done.stderr) == (1, f"Stack lab has no kubeconfig for app stacks yet: {fix}.\n")
    shop.pulumi.set_outputs(appKubeconfig=kubeconfig(left=-1))
    assert "The kubeconfig of app stacks expired on 20" in shop.run("logs").stderr
    assert shop.kubectl.calls == []


def test_without_a_stack_the_only_app_of_the_project_is_used(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulumi_stack, "PROJECT_FOLDER", tmp_path)
    (tmp_path / "Pulumi.lab.yaml").write_text("config:\n  homelab:cluster: {}\n")
    (tmp_path / "Pulumi.broken.yaml").write_text("config: [")
    assert CliRunner().invoke(cli.app, ["app", "logs"]).exit_code == 0
    (tmp_path / "Pulumi.blog.yaml").write_text(shop.file.read_text())
    done = CliRunner().invoke(cli.app, ["app", "logs"])
    assert (done.exit_code, done.stderr) == (1, "Name the app's stack with --stack: blog, shop.\n")
    for file in ("blog", "shop"):
        (tmp_path / f"Pulumi.{file}.yaml").unlink()
    done = CliRunner().invoke(cli.app, ["app", "logs"])
    none = "the project has no stack file with homelab:app or homelab:apps"
    assert done.stderr == f"Name the app's stack with --stack: {none}.\n"
    done = CliRunner().invoke(cli.app, ["app", "logs", "--stack", "lab"])
    assert done.stderr == "Stack lab describes a cluster, not an app: name the app's stack with --stack.\n"


def test_one_of_several_apps_is_named(shop: Shop) -> None:
    document = yaml.safe_load(shop.file.read_text())
    app = document["config"].pop("homelab:app")
    apps = {"platform": app.pop("platform"), "shop": app, "blog": {"image": "blog:1"}}
    shop.file.write_text(yaml.safe_dump({"config": {"homelab:apps": apps}}, sort_keys=False))
    assert shop.run("logs").stderr == "Stack shop has several apps. Name the app with --app: shop, blog.\n"
    done = shop.run("logs", "--app", "blog")
    assert (done.stderr, shop.kubectl.namespace) == (
        "The pods of Deployment blog have no container blog: use shop, proxy.\n",
        "blog",
    )


def test_another_app_is_refused(shop: Shop) -> None:
    assert shop.run("logs", "--app", "shop").exit_code == 0
    done = shop.run("logs", "--app", "blog")
    assert (done.exit_code, done.stderr) == (1, "Stack shop has no app blog. Its apps are: shop.\n")
    shop.change(image="shop")
    assert "homelab:app.image: needs a digest" in shop.run("logs").stderr


def test_what_kubectl_says_is_shown_with_a_fix(shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shop.kubectl.answer("get deployment *", err="Error from server (Forbidden): no\n", code=1, once=True)
    done = shop.run("restart")
    assert (done.exit_code, done.stderr) == (
        1,
        "`kubectl get deployment` failed: Error from server (Forbidden): no\nThe command needs the RBAC rights and the "
        "namespace that homelab creates: run `pulumi up --stack lab`, then `pulumi up --stack shop`.\n",
    )
    shop.kubectl.answer("get deployment *", err="Unable to connect to the server: timeout\n", code=1)
    assert shop.run("restart").stderr.endswith("timeout\nRun `./homelab doctor` to check the Kubernetes API.\n")
    (tmp_path / "pulumi/cat").symlink_to(shutil.which("cat") or "")
    monkeypatch.setenv("PATH", f"{tmp_path}/pulumi")
    without = shop.run("restart")
    assert without.stderr.startswith("`kubectl` is not installed: install kubectl (https://kubernetes.io/docs/")


def test_a_part_that_the_app_does_not_have_is_named(shop: Shop) -> None:
    assert shop.run("logs", "mail").stderr == "App shop has no mail: use one of shop, queue, backup, before.\n"
    shop.change(**dict.fromkeys(("workers", "cron", "before")))
    assert set(APP) > {"workers"}
    assert shop.run("logs", "queue").stderr == "App shop has no queue: use one of shop.\n"
