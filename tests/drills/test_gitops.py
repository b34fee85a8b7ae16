"""Argo CD on a small lab: it deploys applications from Git and keeps them in sync. The tests depend on their order."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.labs import stack_document
from rehearsal import git, server
from rehearsal.programs import argocd
from rehearsal.root_filesystems import GIT_UID
from rehearsal.shell import run
from rehearsal.webhook import STAND_IN_IMAGE
from tests.rehearsal.rehearsed_lab import RehearsedLab, rehearse, wait_until

pytestmark = pytest.mark.drill

TIMEOUT = 240  # seconds on a busy computer: Argo CD polls Git every two to three minutes, unless it is refreshed
ADDRESS = "10.9.0.254"
"""This computer's address in the lab's LAN: the last one of the CIDR."""
PRIVATE = {"url": f"ssh://git@{ADDRESS}:{git.SSH_PORT}{git.PREFIX}private.git", "sshKey": {"secret": "key"}}
SECRET = {"secure": "v1:c2FtcGxl:c2FtcGxl"}


class Repository:
    """A Git repository of the lab, and a clone for changes."""

    def __init__(self, lab: RehearsedLab, name: str, folder: Path) -> None:
        self.lab, self.copy = lab, folder / name
        bare = lab.lab.folder / f"git/{name}.git"
        run(["git", "init", "--quiet", "--bare", "--initial-branch=main", bare])
        run(["git", "clone", "--quiet", bare, self.copy])
        self.url = f"http://{ADDRESS}:{server.HTTP_PORT}{git.PREFIX}{name}.git"

    def git(self, *arguments: str | Path) -> str:
        """Run Git in the clone, with a committer's name."""
        somebody = ["-c", "user.name=somebody", "-c", "user.email=somebody@lab.test"]
        return run(["git", *somebody, *arguments], cwd=self.copy)

    def push(self, **files: dict[str, Any] | None) -> None:
        """Write objects to the files `folder__name`, commit and push them; None removes a file."""
        for name, thing in files.items():
            path = self.copy / f"{name.replace('__', '/')}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink() if thing is None else path.write_text(yaml.safe_dump(thing))
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "change")
        self.publish()

    def publish(self) -> None:
        """Push the clone's commits."""
        self.git("push", "--quiet", "origin", "HEAD:main")

    def refresh_applications(self) -> None:
        """Make Argo CD refresh all applications now."""
        for name in self.lab.kubectl("get", "applications", "-n", "argocd", "-o", "name").split():
            self.lab.kubectl("annotate", "-n", "argocd", name, "--overwrite", "argocd.argoproj.io/refresh=normal")


def config_map(color: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"color": color}}


def sleeping_deployment() -> dict[str, Any]:
    labels = {"app": "web"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": STAND_IN_IMAGE}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": pod}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def argocd_settings(url: str, host_key: str) -> dict[str, Any]:
    """Build settings of the layer: two applications and an application set."""
    web, hidden = {"repository": url, "path": "web"}, {"repository": "private", "path": "."}
    folders = {"repository": url, "directories": ["sets/*"]}
    return {
        "knownHosts": [host_key],
        "applications": {"web": web, "hidden": hidden},
        "applicationSets": {"folders": folders},
    }


def repository_files() -> dict[str, dict[str, Any]]:
    """Build the files of three folders: plain manifests, a kustomization, and a Helm chart."""
    labels = [{"pairs": {"by": "kustomize"}}]
    return {
        "sets__plain__settings": config_map("green"),
        "sets__kustomized__settings": config_map("green"),
        "sets__kustomized__kustomization": {"resources": ["settings.yaml"], "labels": labels},
        "sets__chart__Chart": {"apiVersion": "v2", "name": "chart", "version": "1.0.0"},
        "sets__chart__values": {"color": "green"},
        "sets__chart__templates__settings": config_map("{{ .Values.color }}"),
    }


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    document = stack_document(1, 1)
    platform = {"argocd": {"repositories": {"private": PRIVATE}}}
    document["config"] |= {"homelab:platform": platform, "homelab:key": SECRET}
    with rehearse("gitops", document, tmp_path_factory.mktemp("gitops")) as found:
        yield found


@pytest.fixture(scope="module")
def apps(lab: RehearsedLab, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(lab, "apps", tmp_path_factory.mktemp("copies"))


@pytest.fixture(scope="module")
def private(lab: RehearsedLab, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(lab, "private", tmp_path_factory.mktemp("private"))


def status(lab: RehearsedLab, name: str) -> dict[str, Any]:
    found = json.loads(lab.kubectl("get", "application", "-n", "argocd", name, "-o", "json"))
    state: dict[str, Any] = found.get("status", {})
    return state


def is_in_sync(lab: RehearsedLab, name: str, revision: str) -> bool:
    found = status(lab, name)
    sync, health = found.get("sync", {}), found.get("health", {})
    return (sync.get("status"), sync.get("revision"), health.get("status")) == ("Synced", revision.strip(), "Healthy")


def wait_until_deployed(lab: RehearsedLab, name: str, repository: Repository) -> None:
    """Wait until an application is healthy and in sync with the repository's latest commit."""
    revision = repository.git("rev-parse", "HEAD")
    wait_until(lambda: is_in_sync(lab, name, revision), f"{name} is in sync with {revision}", TIMEOUT)


def color(lab: RehearsedLab, namespace: str) -> str:
    found = lab.kubectl("get", "configmap", "-n", namespace, "settings", "--ignore-not-found", "-o", "json")
    return str(json.loads(found)["data"]["color"]) if found else ""


def test_an_application_deploys_its_repository(lab: RehearsedLab, apps: Repository, private: Repository) -> None:
    assert lab.lab.address == ADDRESS
    host_key = (lab.lab.folder / "git/ssh_host_ed25519_key.pub").read_text().rsplit(maxsplit=1)[0]
    lab.document["config"]["homelab:platform"]["argocd"] |= argocd_settings(
        apps.url, f"[{ADDRESS}]:{git.SSH_PORT} {host_key}"
    )
    lab.reopen()
    apps.push(web__settings=config_map("green"), web__sleeper=sleeping_deployment(), **repository_files())
    private.push(settings=config_map("blue"))
    lab.up()
    wait_until_deployed(lab, "web", apps)
    assert color(lab, "web") == "green"


def test_its_programs_run(lab: RehearsedLab) -> None:
    pods = json.loads(lab.kubectl("get", "pods", "-n", "argocd", "-o", "json"))["items"]
    images = {container["image"] for pod in pods for container in pod["spec"]["containers"]}
    assert images == {argocd.IMAGE, argocd.REDIS_IMAGE}


def test_the_git_server_runs_without_root(lab: RehearsedLab) -> None:
    processes = [Path("/proc", str(pid)) for pid in lab.lab.netns.processes()]
    users = {process.stat().st_uid for process in processes if b"sshd" in (process / "cmdline").read_bytes()}
    assert users == {GIT_UID}


def test_second_up_changes_nothing(lab: RehearsedLab) -> None:
    lab.up_changes_nothing()


def test_a_manual_change_is_reverted(lab: RehearsedLab) -> None:
    lab.kubectl("patch", "configmap", "-n", "web", "settings", "-p", '{"data":{"color":"red"}}')
    wait_until(lambda: color(lab, "web") == "green", "the change is reverted", TIMEOUT)
    lab.kubectl("delete", "deployment", "-n", "web", "web")
    wait_until(lambda: lab.kubectl("get", "deployment", "-n", "web", "web"), "the Deployment is recreated", TIMEOUT)


def test_objects_deleted_from_git_are_pruned_and_a_revert_restores_them(lab: RehearsedLab, apps: Repository) -> None:
    apps.push(web__settings=None)
    apps.refresh_applications()
    wait_until(lambda: color(lab, "web") == "", "the ConfigMap is pruned", TIMEOUT)
    wait_until_deployed(lab, "web", apps)
    apps.git("revert", "--no-edit", "HEAD")
    apps.publish()
    apps.refresh_applications()
    wait_until(lambda: color(lab, "web") == "green", "the ConfigMap is recreated", TIMEOUT)
    wait_until_deployed(lab, "web", apps)


def test_an_application_set_creates_one_application_per_folder(lab: RehearsedLab, apps: Repository) -> None:
    for name in ("plain", "kustomized", "chart"):
        wait_until_deployed(lab, name, apps)
        assert color(lab, name) == "green"
    label = ["get", "configmap", "-n", "kustomized", "settings", "-o", "jsonpath={.metadata.labels.by}"]
    assert lab.kubectl(*label) == "kustomize"


def test_admin_logs_in_to_the_api(lab: RehearsedLab) -> None:
    assert "token" in log_in(lab)


def test_private_repository_is_read_over_ssh(lab: RehearsedLab, private: Repository) -> None:
    wait_until_deployed(lab, "hidden", private)
    assert color(lab, "hidden") == "blue"


def log_in(lab: RehearsedLab) -> dict[str, str]:
    """Log in to Argo CD's API, which counts logins in Redis; return the API's answer."""
    found = json.loads(lab.kubectl("get", "secret", "-n", "argocd", "argocd-initial-admin-secret", "-o", "json"))
    password = base64.b64decode(found["data"]["password"]).decode()
    service = ["get", "service", "-n", "argocd", "argo-cd-argocd-server", "-o", "jsonpath={.spec.clusterIP}"]
    body = json.dumps({"username": "admin", "password": password})
    curl = (
        f"curl -sk --fail -H 'Content-Type: application/json' --data @- https://{lab.kubectl(*service)}/api/v1/session"
    )
    answer: dict[str, str] = json.loads(lab.run_as_root("s1", f"{curl} <<'END'\n{body}\nEND"))
    return answer
