"""Argo CD, Helm and Kustomize from their Go modules, with Redis from Debian's packages."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import yaml

from rehearsal import go, root_filesystems
from rehearsal.cache import Recipe, code_of, obtain
from rehearsal.charts import crds
from rehearsal.images import Image
from rehearsal.programs import Program, WebUi, argocd_login
from rehearsal.recipes import SOURCES, sources

Json = dict[str, Any]

VERSION = "3.5.7"
IMAGE = f"quay.io/argoproj/argocd:v{VERSION}"
REDIS_IMAGE = "ecr-public.aws.com/docker/library/redis:8.0.2"
HAPROXY_IMAGE = "ecr-public.aws.com/docker/library/haproxy:3.0.11"
MODULE = "github.com/argoproj/argo-cd/v3"
SOURCE = SOURCES / "argo-cd"
INDEX = SOURCE / "dist/app/index.html"
COMMAND = "cmd/argocd/commands/admin/redis_initial_password.go"
"""Source file of the only `argocd` command that the chart runs; a build of all commands would be large."""
ROOTS = ("argocd.tar", "redis.tar", "haproxy.tar")
HAPROXY = ("/usr/sbin/haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg")
MANIFEST_FOLDERS = ("base", "cluster-rbac")
UNUSED_FOLDER = "application-controller-deployment"
"""Folder with a Deployment of the application controller. The chart uses a StatefulSet."""
HA_MANIFESTS = "ha/namespace-install.yaml"
"""Manifests with three replicas of Redis, Sentinel and HAProxy, like those of the chart's sub-chart `redis-ha`."""
TOOLS = {"helm": "helm.sh/helm/v4/cmd/helm", "kustomize": "sigs.k8s.io/kustomize/kustomize/v5"}
SCRIPTS = ("gpg-wrapper.sh", "git-verify-wrapper.sh")


def recipe() -> Recipe:
    """Recipe of Argo CD's programs, the images' root file systems, and the chart files with CRDs and pods."""

    def make(folder: Path) -> None:
        go.release()
        module = go.required(MODULE, SOURCE)
        overlay = {SOURCE / "password/password.go": module / COMMAND}
        version = {f"{MODULE}/common.version": VERSION}
        go.build(".", folder / "argocd", folder=SOURCE, variables=version, overlay=overlay, cgo=False)
        for name, package in TOOLS.items():
            go.build(package, folder / name, folder=SOURCE, cgo=False)
        for name in SCRIPTS:
            shutil.copyfile(module / "hack" / name, folder / name)
            (folder / name).chmod(0o755)
        manifests = module / "manifests"
        (folder / "chart/templates").mkdir(parents=True)
        (folder / "chart/components.json").write_text(json.dumps(components(manifests)))
        (folder / "chart/templates/crds.yaml").write_text(definitions(manifests))
        for name in ROOTS:
            os.link(obtain(roots, print) / name, folder / name)

    roots = root_filesystems.recipe()
    ingredients = (*sources(SOURCE), INDEX.read_bytes(), roots.folder.name.encode(), code_of(__file__))
    takes = "building from its Go module: 2 to 5 minutes on two cores"
    return Recipe("argo-cd", VERSION, ingredients, takes, make)


def images(folder: Path, login: Path | None = None) -> tuple[Image, ...]:
    """Return the image of all components of Argo CD, with the login page in `login`, and the images of Redis and of
    HAProxy, which balances the Redis replicas."""
    files = {f"/usr/local/bin/{name}": folder / name for name in ("argocd", *TOOLS, *SCRIPTS)}
    files |= argocd_login.files(login) if login else {}
    variables = {"USER": "argocd", "HOME": "/home/argocd", "GRPC_ENABLE_TXT_SERVICE_CONFIG": "false"}
    start = ("/usr/bin/tini", "--")
    return (
        Image(IMAGE, files, start, "999", folder / "argocd.tar", variables),
        Image(REDIS_IMAGE, {}, ("/usr/bin/redis-server",), "", folder / "redis.tar"),
        Image(HAPROXY_IMAGE, {}, HAPROXY, "99", folder / "haproxy.tar"),
    )


def definitions(manifests: Path) -> str:
    """Return a Helm template with Argo CD's own CRDs."""
    objects = [crd for file in sorted((manifests / "crds").glob("*-crd.yaml")) for crd in _objects(file)]
    return crds.template(objects, when="crds.install", keep="crds.keep")


def components(manifests: Path) -> Json:
    """Return the pod specs, RBAC rules and ConfigMaps of Argo CD's own manifests, for the stand-in chart."""
    files = sorted((manifests / "base/config").glob("*-cm.yaml"))
    config_maps = [config_map for file in files for config_map in _objects(file)]
    return {
        "components": {name: _component(manifests, name) for name in (*root_filesystems.ARGOCD, "redis")},
        "configs": {config_map["metadata"]["name"]: config_map.get("data", {}) for config_map in config_maps},
        "replicatedRedis": [
            _without_secret_init(manifest)
            for manifest in _objects(manifests / HA_MANIFESTS)
            if str(manifest["metadata"]["name"]).startswith("argocd-redis-ha")
        ],
    }


def _without_secret_init(manifest: Json) -> Json:
    """Remove the init container that creates Redis' password from a Deployment, because a Job of the chart does so."""
    if manifest["kind"] == "Deployment":
        pod = manifest["spec"]["template"]["spec"]
        pod["initContainers"] = [item for item in pod["initContainers"] if item["name"] != "secret-init"]
    return manifest


def _component(manifests: Path, name: str) -> Json:
    """Return the pod spec of one component, and its RBAC rules. The chart's values set affinity and node selector."""
    component: Json = {}
    files = sorted(file for folder in MANIFEST_FOLDERS for file in manifests.glob(f"{folder}/*/argocd-{name}-*.yaml"))
    for manifest in (item for file in files if file.parent.name != UNUSED_FOLDER for item in _objects(file)):
        if manifest["kind"] in ("Role", "ClusterRole"):
            component[manifest["kind"]] = manifest["rules"]
        elif manifest["kind"] in ("Deployment", "StatefulSet"):
            component["pod"] = manifest["spec"]["template"]["spec"]
    pod = {key: value for key, value in component["pod"].items() if key not in ("affinity", "nodeSelector")}
    return {**component, "pod": pod}


def _objects(file: Path) -> list[Json]:
    return list(yaml.load_all(file.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


PROGRAM = Program(
    ("argo-cd",),
    recipe,
    images,
    lambda folder: folder / "chart",
    WebUi("its login page, without Argo CD's other pages", lambda: argocd_login.recipe(MODULE, VERSION, SOURCE)),
)
