"""Argo CD from its Go module; Redis, Git and an SSH server from Debian's packages."""

import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from rehearsal import git, go
from rehearsal.cache import Recipe
from rehearsal.charts import crds
from rehearsal.images import Image
from rehearsal.programs import Program, debian
from rehearsal.programs.debian import Tree
from rehearsal.recipes import SOURCES

VERSION = "3.5.7"
REDIS = "8.0.2"
MODULE = "github.com/argoproj/argo-cd/v3"
SOURCE = SOURCES / "argo-cd"
COMMAND = "cmd/argocd/commands/admin/redis_initial_password.go"
"""All of the command line that the chart runs; the rest of it is large."""
SCRIPTS = ("gpg-wrapper.sh", "git-verify-wrapper.sh")
PARTS = ("server", "repo-server", "application-controller", "applicationset-controller")
PACKAGES = ("git", "openssh-client", "openssh-server", "gpg", "gpg-agent", "redis-server", "tini")
GIT = (
    *(f"usr/bin/{name}" for name in ("sh", "git", "git-receive-pack", "git-shell", "git-upload-pack")),
    *(f"usr/lib/git-core/git-{name}" for name in ("http-backend", "remote-http", "remote-https")),
)
ROOT = "root:x:0:0::/:/bin/sh"
TREES = {
    "argocd": Tree(
        (*GIT, *(f"usr/bin/{name}" for name in ("cat", "cp", "gpg", "gpg-agent", "gpgconf", "ln", "ssh", "tini"))),
        (ROOT, "argocd:x:999:999::/home/argocd:/bin/sh"),
        folders=("home/argocd", *(f"app/config/{name}" for name in ("ssh", "tls", "gpg/source", "gpg/keys"))),
        links={
            "etc/ssh/ssh_known_hosts": "/app/config/ssh/ssh_known_hosts",
            **{f"usr/local/bin/argocd-{part}": "argocd" for part in PARTS},
        },
    ),
    "redis": Tree(("usr/bin/redis-server", "usr/bin/redis-cli"), (ROOT, "redis:x:999:999::/:/bin/sh")),
    "git-server": Tree(
        (*GIT, "usr/sbin/sshd", "usr/lib/openssh/sshd-auth", "usr/lib/openssh/sshd-session"),
        (ROOT, f"git:x:0:0::{git.INSIDE}:/usr/bin/git-shell", "sshd:x:998:998::/run/sshd:/bin/false"),
        folders=(git.INSIDE.removeprefix("/"), "run/sshd", "dev", "proc"),
        files={"etc/gitconfig": "[safe]\n\tdirectory = *\n"},
    ),
}
"""The images' roots, and what the lab's Git server runs in."""


def recipe() -> Recipe:
    """The program, the trees, and what the chart takes out of the module: CRDs, and how each part runs."""

    def make(folder: Path) -> None:
        go.release()
        module = go.required(MODULE, SOURCE)
        overlay = {SOURCE / "password/password.go": module / COMMAND}
        version = {f"{MODULE}/common.version": VERSION}
        go.build(".", folder / "argocd", folder=SOURCE, variables=version, overlay=overlay, cgo=False)
        for name in SCRIPTS:
            shutil.copyfile(module / "hack" / name, folder / name)
            (folder / name).chmod(0o755)
        manifests = module / "manifests"
        (folder / "parts.json").write_text(json.dumps(parts(manifests)))
        (folder / "crds.yaml").write_text(definitions(manifests))
        _trees(folder)

    ingredients = (*(file.read_bytes() for file in sorted(SOURCE.glob("*.*"))), repr(TREES), debian.RELEASE)
    takes = "building from its Go module: 10 minutes on two cores"
    return Recipe("argo-cd", VERSION, ingredients, takes, make)


def images(folder: Path) -> tuple[Image, ...]:
    """The image of all parts of Argo CD, and that of Redis."""
    files = {f"/usr/local/bin/{name}": folder / name for name in ("argocd", *SCRIPTS)}
    variables = {"USER": "argocd", "HOME": "/home/argocd", "GRPC_ENABLE_TXT_SERVICE_CONFIG": "false"}
    name, start = f"quay.io/argoproj/argocd:v{VERSION}", ("/usr/bin/tini", "--")
    redis = f"ecr-public.aws.com/docker/library/redis:{REDIS}"
    return (
        Image(name, files, start, "999", folder / "argocd.tar", variables),
        Image(redis, {}, ("/usr/bin/redis-server",), "", folder / "redis.tar"),
    )


def files(folder: Path) -> dict[str, str]:
    """What joins the chart that stands in."""
    made = {"templates/crds.yaml": "crds.yaml", "parts.json": "parts.json"}
    return {path: (folder / name).read_text() for path, name in made.items()}


def definitions(manifests: Path) -> str:
    """The real CRDs, as a template."""
    found = [each for file in sorted((manifests / "crds").glob("*-crd.yaml")) for each in _objects(file)]
    return crds.template(found, when="crds.install", keep="crds.keep")


def parts(manifests: Path) -> dict[str, Any]:
    """How Argo CD's own manifests run each part: its pod, what it may do; and what is in their ConfigMaps."""
    configs = [each for file in sorted((manifests / "base/config").glob("*-cm.yaml")) for each in _objects(file)]
    return {
        "parts": {name: _part(manifests, name) for name in (*PARTS, "redis")},
        "configs": {each["metadata"]["name"]: each.get("data", {}) for each in configs},
    }


def _part(manifests: Path, name: str) -> dict[str, Any]:
    """The pod of one part, and the rules of its roles; where it is placed is the chart's."""
    found: dict[str, Any] = {}
    files = sorted(manifests.glob(f"base/[!a]*/argocd-{name}-*.yaml"))
    files += sorted(manifests.glob(f"base/application*-controller/argocd-{name}-*.yaml"))
    files += sorted(manifests.glob(f"base/application-controller-roles/argocd-{name}-*.yaml"))
    files += sorted(manifests.glob(f"cluster-rbac/*/argocd-{name}-*.yaml"))
    for each in (each for file in files for each in _objects(file)):
        if each["kind"] in ("Role", "ClusterRole"):
            found[each["kind"]] = each["rules"]
        elif each["kind"] in ("Deployment", "StatefulSet"):
            found["pod"] = each["spec"]["template"]["spec"]
    placed = {"affinity", "nodeSelector"}
    return {**found, "pod": {key: value for key, value in found["pod"].items() if key not in placed}}


def _objects(file: Path) -> list[dict[str, Any]]:
    return list(yaml.load_all(file.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def _trees(folder: Path) -> None:
    """Pack the images' trees; the Git server's stays a folder."""
    work = folder / "debian"
    work.mkdir()
    system = debian.unpack(PACKAGES, work)
    for name, tree in TREES.items():
        target = folder / git.TREE if name == git.TREE else work / name
        debian.plant(tree, system, target)
        if name != git.TREE:
            debian.pack(target, folder / f"{name}.tar")
    shutil.rmtree(work)


PROGRAM = Program(charts=("argo-cd",), recipe=recipe, images=images, files=files)
