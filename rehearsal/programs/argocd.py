"""Argo CD, Helm and Kustomize from their Go modules, with Redis from Debian's packages."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import yaml

from rehearsal import go, trees
from rehearsal.cache import Recipe, obtain
from rehearsal.charts import crds
from rehearsal.images import Image
from rehearsal.programs import Program, WebUi, argocd_login
from rehearsal.recipes import SOURCES, sources

VERSION = "3.5.7"
IMAGE = f"quay.io/argoproj/argocd:v{VERSION}"
REDIS_IMAGE = "ecr-public.aws.com/docker/library/redis:8.0.2"
HAPROXY_IMAGE = "ecr-public.aws.com/docker/library/haproxy:3.0.11"
MODULE = "github.com/argoproj/argo-cd/v3"
SOURCE = SOURCES / "argo-cd"
INDEX = SOURCE / "dist/app/index.html"
COMMAND = "cmd/argocd/commands/admin/redis_initial_password.go"
"""All of the command line that the chart runs; the rest of it is large."""
ROOTS = ("argocd.tar", "redis.tar", "haproxy.tar")
HAPROXY = ("/usr/sbin/haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg")
KINDS, OTHER = ("base", "cluster-rbac"), "application-controller-deployment"
"""Folders of the module's manifests, and a way to run the controller that the chart does not take."""
COPIES = "ha/namespace-install.yaml"
"""Manifests with three copies of Redis, Sentinel and HAProxy, as the chart's sub-chart has them."""
TOOLS = {"helm": "helm.sh/helm/v4/cmd/helm", "kustomize": "sigs.k8s.io/kustomize/kustomize/v5"}
SCRIPTS = ("gpg-wrapper.sh", "git-verify-wrapper.sh")


def recipe() -> Recipe:
    """The program, the roots of the images, and what the chart takes out of the module: CRDs, how each part runs."""

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
        (folder / "chart/parts.json").write_text(json.dumps(parts(manifests)))
        (folder / "chart/templates/crds.yaml").write_text(definitions(manifests))
        for name in ROOTS:
            os.link(obtain(roots, print) / name, folder / name)

    roots = trees.recipe()
    ingredients = (*sources(SOURCE), INDEX.read_bytes(), roots.folder.name.encode(), Path(__file__).read_bytes())
    takes = "building from its Go module: 2 to 5 minutes on two cores"
    return Recipe("argo-cd", VERSION, ingredients, takes, make)


def images(folder: Path, login: Path | None = None) -> tuple[Image, ...]:
    """The image of all parts of Argo CD, with the built login page in the folder `login`, and those of Redis and of the
    HAProxy in front of its copies."""
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
    """The real CRDs, as a template."""
    found = [each for file in sorted((manifests / "crds").glob("*-crd.yaml")) for each in _objects(file)]
    return crds.template(found, when="crds.install", keep="crds.keep")


def parts(manifests: Path) -> dict[str, Any]:
    """How Argo CD's own manifests run each part: its pod, what it may do; and what is in their ConfigMaps."""
    configs = [each for file in sorted((manifests / "base/config").glob("*-cm.yaml")) for each in _objects(file)]
    return {
        "parts": {name: _part(manifests, name) for name in (*trees.ARGOCD, "redis")},
        "configs": {each["metadata"]["name"]: each.get("data", {}) for each in configs},
        "redisCopies": [_copy(each) for each in _objects(manifests / COPIES) if _is_of_copies(each)],
    }


def _is_of_copies(thing: dict[str, Any]) -> bool:
    return str(thing["metadata"]["name"]).startswith("argocd-redis-ha")


def _copy(thing: dict[str, Any]) -> dict[str, Any]:
    """An object of Redis' copies, without the container that makes the password: a job of the chart does that."""
    if thing["kind"] == "Deployment":
        pod = thing["spec"]["template"]["spec"]
        pod["initContainers"] = [each for each in pod["initContainers"] if each["name"] != "secret-init"]
    return thing


def _part(manifests: Path, name: str) -> dict[str, Any]:
    """The pod of one part, and the rules of its roles; where it is placed is the chart's."""
    found: dict[str, Any] = {}
    files = sorted(file for kind in KINDS for file in manifests.glob(f"{kind}/*/argocd-{name}-*.yaml"))
    files = [file for file in files if file.parent.name != OTHER]
    for each in (each for file in files for each in _objects(file)):
        if each["kind"] in ("Role", "ClusterRole"):
            found[each["kind"]] = each["rules"]
        elif each["kind"] in ("Deployment", "StatefulSet"):
            found["pod"] = each["spec"]["template"]["spec"]
    placed = {"affinity", "nodeSelector"}
    return {**found, "pod": {key: value for key, value in found["pod"].items() if key not in placed}}


def _objects(file: Path) -> list[dict[str, Any]]:
    return list(yaml.load_all(file.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


PROGRAM = Program(
    ("argo-cd",),
    recipe,
    images,
    lambda folder: folder / "chart",
    WebUi("its login page, without Argo CD's other pages", lambda: argocd_login.recipe(MODULE, VERSION, SOURCE)),
)
