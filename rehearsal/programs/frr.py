"""MetalLB's BGP mode: frr-k8s from its Go module, and FRR from Debian packages."""

import shutil
from pathlib import Path

from rehearsal import debian, go
from rehearsal.cache import Recipe, code_of, obtain
from rehearsal.debian import RootFilesystem
from rehearsal.images import Image
from rehearsal.programs import Program, metallb

MODULE = "github.com/metallb/frr-k8s"
VERSION = "0.0.25"
"""Version that the go.mod and the chart of MetalLB require."""
FRR_K8S = f"quay.io/metallb/frr-k8s:v{VERSION}"
FRR = "quay.io/frrouting/frr:10.4.3"
"""Image name in the chart. The image contains Debian's FRR, which is 10.3 in trixie."""
COMMANDS = {
    "frr-k8s": "frr-k8s-controller",
    "frr-metrics": "metrics",
    "frr-status": "status",
    "statuscleaner": "statuscleaner",
}
"""Names of the programs in the image of frr-k8s, and of their packages below `cmd` in the Go module."""
RELOADER = "frr-reloader.sh"
PACKAGES = ("frr", "frr-pythontools", "tini")
DAEMONS = ("bfdd", "bgpd", "mgmtd", "staticd", "watchfrr", "zebra")
"""FRR's daemons that the chart enables, and the daemons that FRR always starts."""
FRR_USER, FRR_GROUP, VTY_GROUP = 100, 101, 102
"""User and groups of FRR in the official image; the chart copies FRR's configuration files as this user."""
_SCRIPTS = ("frr-reload.py", "frrcommon.sh", "watchfrr.sh")
_TOOLS = (
    "bash", "cat", "chmod", "chown", "cp", "date", "dirname", "env", "flock", "grep", "id", "install", "mkdir",
    "python3", "rm", "sed", "sh", "sleep", "tini", "touch", "vtysh",
)  # fmt: skip
_PYTHON = "usr/lib/python3.13"
_GROUPS = {"root": "0:", "frr": f"{FRR_GROUP}:", "frrvty": f"{VTY_GROUP}:frr"}
_START = """#!/bin/bash
# starts FRR's daemons, like the script `docker-start` of the official image
log_success_msg() { echo "$@"; }
log_warning_msg() { echo "$@" >&2; }
log_failure_msg() { echo "$@" >&2; }
source /usr/lib/frr/frrcommon.sh
exec /usr/lib/frr/watchfrr $(daemon_list)
"""
_PAM = "auth sufficient pam_rootok.so\naccount sufficient pam_rootok.so\n"


def recipe() -> Recipe:
    """Recipe of frr-k8s' programs and reloader script, and of both root file systems."""

    def make(folder: Path) -> None:
        go.release()
        origin = obtain(metallb.source(), print)
        for program, package in COMMANDS.items():
            go.build(f"{MODULE}/cmd/{package}", folder / program, folder=origin, cgo=False)
        shutil.copyfile(go.required(MODULE, origin) / "cmd/reloader" / RELOADER, folder / RELOADER)
        work = folder / "work"
        work.mkdir()
        system = debian.unpack(PACKAGES, work)
        root_filesystems = _root_filesystems(system)
        for name, rootfs in root_filesystems.items():
            debian.assemble(rootfs, system, work / name)
        script = work / "frr/usr/lib/frr/docker-start"
        script.write_text(_START)
        script.chmod(0o755)
        for name in root_filesystems:
            debian.pack(work / name, folder / f"{name}.tar")
        shutil.rmtree(work)

    ingredients = (metallb.source().folder.name, code_of(__file__), code_of(debian.__file__))
    return Recipe("frr-k8s", VERSION, ingredients, "building from its Go module: 2 minutes on two cores", make)


def images(folder: Path) -> tuple[Image, ...]:
    """Return the images of frr-k8s and FRR, which the chart runs as root."""
    files = {f"/{name}": folder / name for name in (*COMMANDS, RELOADER)}
    return (
        Image(FRR_K8S, files, ("/frr-k8s",), root=folder / "shell.tar"),
        Image(FRR, {}, ("/usr/bin/tini", "--", "/usr/lib/frr/docker-start"), root=folder / "frr.tar"),
    )


def _root_filesystems(system: Path) -> dict[str, RootFilesystem]:
    """Describe the root file systems of FRR's image and of frr-k8s' image, whose init containers copy files."""
    (pam,) = system.glob("usr/lib/*/security/pam_rootok.so")
    root = "root:x:0:0::/:/bin/sh"
    frr = (
        *(f"usr/lib/frr/{name}" for name in (*DAEMONS, *_SCRIPTS)),
        *(f"usr/bin/{name}" for name in _TOOLS),
        str(pam.relative_to(system)),  # vtysh asks PAM whether it runs as root
        "usr/share/yang",
        _PYTHON,
    )
    return {
        "frr": RootFilesystem(
            frr,
            (root, f"frr:x:{FRR_USER}:{FRR_GROUP}::/:/bin/sh"),
            folders=("etc/frr", "etc/pam.d", "run/frr", "var/lib/frr", "var/log/frr", "var/tmp/frr"),
            files={
                "etc/group": "".join(f"{name}:x:{rest}\n" for name, rest in _GROUPS.items()),
                "etc/pam.d/frr": _PAM,
            },
            links={"var/run": "../run", "usr/sbin/tini": "../bin/tini"},
        ),
        "shell": RootFilesystem(("usr/bin/cp", "usr/bin/sh"), (root,)),
    }


PROGRAM = Program(("metallb",), recipe, images)
