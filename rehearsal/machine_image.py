"""The system every simulated machine starts from: a small Debian, built once and kept."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rehearsal.debian import debootstrap
from rehearsal.shell import RehearsalError, run

RELEASE = "bookworm"
# Everything the program would install: the machines have no network to install it from.
PACKAGES = {
    "system": "systemd,systemd-sysv,systemd-timesyncd,dbus,sudo,procps,kmod,python3-minimal,openssh-server",
    "network": "iproute2,iputils-ping,iptables,ipset,conntrack,keepalived,haproxy,ca-certificates,curl",
    "containers": "runc,containernetworking-plugins",
    "storage": "nfs-common,open-iscsi",
}
MACHINE_FILES = Path(__file__).with_name("machine-files")
CONTAINER_FILES = Path(__file__).with_name("container-files")
"""Files of every simulated machine, and files that make a container look and behave like a machine."""
CNI_PLUGINS = Path(__file__).with_name("cni")

Report = Callable[[str], None]


def ensure(report: Report) -> Path:
    """The image's root folder; the first time Debian is fetched for it, which takes about a minute."""
    debian = _cached(f"debian-{RELEASE}-{_digest(','.join(PACKAGES.values()).encode())}", report, _bootstrap)
    recipe = [Path(__file__).read_bytes(), debian.name.encode()]
    for folder in (MACHINE_FILES, CONTAINER_FILES, CNI_PLUGINS):
        recipe += described(folder)
    return _cached(f"machine-image-{_digest(*recipe)}", report, lambda root: _furnish(debian, root))


def _cache() -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "homelab"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def described(folder: Path) -> list[bytes]:
    """Return names, modes and contents of a folder's files, as ingredients of what contains the files."""
    files = ((f"{file.name} {file.stat().st_mode:o}".encode(), file.read_bytes()) for file in _files(folder))
    return [part for parts in files for part in parts]


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts)


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


@contextmanager
def _only_one_builder() -> Iterator[None]:
    with (_cache() / "machine-image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _cached(name: str, report: Report, build: Callable[[Path], None]) -> Path:
    """The folder `name` in the cache; when it is not there, what `build` makes of an empty one."""
    folder = _cache() / name
    with _only_one_builder():
        if folder.exists():
            return folder
        report(f"building {name} for the simulated machines")
        unfinished = _cache() / "machine-image.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o755)
        build(unfinished)
        unfinished.rename(folder)
    return folder


def _bootstrap(root: Path) -> None:
    command = debootstrap(f"--include={','.join(PACKAGES.values())}", RELEASE, root)
    with (_cache() / "debootstrap.log").open("w") as log:
        try:
            run(command, log=log)
        except RehearsalError as error:
            raise RehearsalError(
                f"Debian could not be fetched for the simulated machines ({error}). "
                "Its mirror is needed once: look at the log, then start again."
            ) from error
    shutil.rmtree(root / "var/cache/apt/archives", ignore_errors=True)


def _furnish(debian: Path, root: Path) -> None:
    run(["cp", "--archive", "--reflink=auto", f"{debian}/.", root])
    add_files(root, MACHINE_FILES, CONTAINER_FILES)
    _units(root, "enable", "systemd-networkd", "ssh", "network-card", "container-host")
    _units(root, "disable", "haproxy")  # Debian's own configuration would start it everywhere
    _units(root, "mask", "systemd-firstboot.service", "run-rpc_pipefs.mount")


def add_files(root: Path, *folders: Path) -> None:
    """Add our own files, take away what every machine must have of its own."""
    for folder in folders:
        shutil.copytree(folder, root, dirs_exist_ok=True)
    plugins = root / "usr/lib/cni"
    for plugin in _files(CNI_PLUGINS):
        shutil.copy(plugin, plugins)
    # K3s looks for the plugins on PATH, containerd in /opt/cni/bin
    (root / "opt/cni").mkdir(parents=True)
    (root / "opt/cni/bin").symlink_to("/usr/lib/cni")
    for plugin in plugins.iterdir():
        (root / "usr/local/bin" / plugin.name).symlink_to(f"/usr/lib/cni/{plugin.name}")
    # systemd takes D-Bus' machine id over where it has none of its own
    for name in ("etc/machine-id", "var/lib/dbus/machine-id", "etc/ssh/ssh_host_*"):
        for identity in root.glob(name):
            identity.unlink()


def _units(root: Path, verb: str, *units: str) -> None:
    run(["systemctl", f"--root={root}", "--quiet", verb, *units])
