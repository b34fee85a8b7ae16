"""Argo CD: what its chart takes out of the module, and what it runs."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from rehearsal import charts, root_filesystems
from rehearsal.charts import crds
from rehearsal.programs import argocd, argocd_login

ROLE = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    """A module's manifests, as far as they are read."""

    def write(path: str, *things: dict[str, Any]) -> None:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump_all(things))

    for name in (*root_filesystems.ARGOCD, "redis"):
        pod = {"affinity": {}, "nodeSelector": {}, "containers": [{"name": name, "env": [{"name": "A", "value": "b"}]}]}
        spec = {"template": {"spec": pod}}
        write(f"base/{name}/argocd-{name}-deployment.yaml", {"kind": "Deployment", "spec": spec})
        write(f"base/{name}/argocd-{name}-role.yaml", {"kind": "Role", "rules": [ROLE]})
    write("base/application-controller-deployment/argocd-application-controller-deployment.yaml",
          {"kind": "Deployment", "spec": {"template": {"spec": {"containers": []}}}})  # fmt: skip
    write("cluster-rbac/server/argocd-server-clusterrole.yaml", {"kind": "ClusterRole", "rules": [ROLE, ROLE]})
    write("base/config/argocd-cm.yaml", {"metadata": {"name": "argocd-cm"}, "data": {"key": "value"}})
    write("base/config/argocd-rbac-cm.yaml", {"metadata": {"name": "argocd-rbac-cm"}})
    containers = [{"name": name} for name in ("secret-init", "config-init")]
    balancer = {"kind": "Deployment", "metadata": {"name": "argocd-redis-ha-haproxy"}}
    write("ha/namespace-install.yaml", {"kind": "Service", "metadata": {"name": "argocd-server"}},
          {"kind": "Service", "metadata": {"name": "argocd-redis-ha"}},
          balancer | {"spec": {"template": {"spec": {"initContainers": containers}}}})  # fmt: skip
    described = {"metadata": {"name": "applications.argoproj.io"}, "spec": {"description": "a {{name}} in braces"}}
    write("crds/application-crd.yaml", described)
    return tmp_path


def test_components_run_as_the_manifests_of_the_module_say(manifests: Path) -> None:
    found = argocd.components(manifests)
    assert found["configs"] == {"argocd-cm": {"key": "value"}, "argocd-rbac-cm": {}}
    assert found["components"].keys() == {*root_filesystems.ARGOCD, "redis"}
    assert found["components"]["server"] == {
        "pod": {"containers": [{"name": "server", "env": [{"name": "A", "value": "b"}]}]},
        "Role": [ROLE],
        "ClusterRole": [ROLE, ROLE],
    }
    assert found["components"]["application-controller"]["pod"]["containers"], "the other way to run it is not taken"


def test_redis_replicas_run_as_in_argo_cds_manifests(manifests: Path) -> None:
    service, balancer = argocd.components(manifests)["replicatedRedis"]
    assert [each["metadata"]["name"] for each in (service, balancer)] == ["argocd-redis-ha", "argocd-redis-ha-haproxy"]
    assert balancer["spec"]["template"]["spec"]["initContainers"] == [{"name": "config-init"}], "a job makes the Secret"


def test_real_crds_are_a_template_that_keeps_them_where_values_say_so(manifests: Path) -> None:
    text = argocd.definitions(manifests)
    assert text.startswith("{{- if .Values.crds.install }}\n")
    assert f'"{crds.RESOURCE_POLICY}": "{{{{ .Values.crds.keep | ternary "keep" "" }}}}"' in text
    assert 'a {{ "{{" }}name}} in braces' in text


def test_chart_asks_for_the_images_that_are_built() -> None:
    values = yaml.safe_load((charts.STAND_INS / "argo-cd/values.yaml").read_text())
    redis = values["redis-ha"]
    asked = [values["global"]["image"], values["redis"]["image"], redis["haproxy"]["image"]]
    built = [image.name for image in argocd.images(Path("/made"))]
    assert [f"{each['repository']}:{each['tag']}" for each in asked] == built
    assert redis["image"] == values["redis"]["image"]
    names = {values[part]["name"] for part in ("server", "repoServer", "controller", "applicationSet")}
    assert names == set(root_filesystems.ARGOCD)


def test_login_page_is_where_the_server_looks_for_files_of_its_web_ui(tmp_path: Path) -> None:
    (tmp_path / "app/assets").mkdir(parents=True)
    (tmp_path / "app/main.js").touch()
    (tmp_path / "app/assets/fonts.css").touch()
    image, *_ = argocd.images(Path("/made"), tmp_path)
    assert {path for path in image.files if path.startswith("/shared/")} == {
        "/shared/app/main.js",
        "/shared/app/assets/fonts.css",
    }


def test_npm_packages_of_the_login_page_are_locked() -> None:
    wanted = json.loads((argocd_login.SOURCE / "package.json").read_text())["dependencies"]
    locked = json.loads((argocd_login.SOURCE / "package-lock.json").read_text())["packages"]
    assert locked[""]["dependencies"] == wanted
    assert all(package["integrity"] for path, package in locked.items() if path)
