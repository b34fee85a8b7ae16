"""Builds the root file system of the simulated machines: a small Debian system, which the cache stores."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rehearsal.cache import code_of
from rehearsal.debian import debootstrap
from rehearsal.shell import RehearsalError, run

RELEASE = "bookworm"
# All packages that homelab would install, because simulated machines have no route to Debian's mirror
PACKAGES = {
    "system": "systemd,systemd-sysv,systemd-timesyncd,dbus,sudo,procps,kmod,python3-minimal,openssh-server",
    "network": "iproute2,iputils-ping,iptables,ipset,conntrack,keepalived,haproxy,ca-certificates,curl",
    "containers": "runc,containernetworking-plugins",
    "storage": "nfs-common,open-iscsi",
}
FILES = Path(__file__).with_name("machine-files")
CNI_PLUGINS = Path(__file__).with_name("cni")

Report = Callable[[str], None]


def ensure(report: Report, further: Sequence[str] = ()) -> Path:
    """Return the folder with the machines' root file system; the first call downloads Debian's packages in a minute.

    `further` are names of packages that this root file system has in addition to `PACKAGES`.
    """
    packages = ",".join((*PACKAGES.values(), *further))
    debian = _cached(f"debian-{RELEASE}-{_digest(packages.encode())}", report, lambda root: _bootstrap(root, packages))
    recipe = [code_of(__file__), debian.name.encode()]
    for file in _files(FILES) + _files(CNI_PLUGINS):
        recipe += [f"{file.name} {file.stat().st_mode:o}".encode(), file.read_bytes()]
    return _cached(f"machine-image-{_digest(*recipe)}", report, lambda root: _customize(debian, root))


def _cache() -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "homelab"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


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
    """Return the folder `name` in the cache; if the folder is missing, `build` fills a new folder."""
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


def _bootstrap(root: Path, packages: str) -> None:
    command = debootstrap(f"--include={packages}", RELEASE, root)
    with (_cache() / "debootstrap.log").open("w") as log:
        try:
            run(command, log=log)
        except RehearsalError as error:
            raise RehearsalError(
                f"Debian's packages for the simulated machines could not be downloaded: {error}. "
                f"Read {log.name}, check that this computer reaches Debian's mirror, then start again."
            ) from error
    shutil.rmtree(root / "var/cache/apt/archives", ignore_errors=True)


def _customize(debian: Path, root: Path) -> None:
    """Copy the system in `debian` to `root`, add the rehearsal's files, and remove the identity of the machine."""
    run(["cp", "--archive", "--reflink=auto", f"{debian}/.", root])
    shutil.copytree(FILES, root, dirs_exist_ok=True)
    plugins = root / "usr/lib/cni"
    for plugin in _files(CNI_PLUGINS):
        shutil.copy(plugin, plugins)
    # K3s finds the plugins on PATH, and containerd in /opt/cni/bin
    (root / "opt/cni").mkdir(parents=True)
    (root / "opt/cni/bin").symlink_to("/usr/lib/cni")
    for plugin in plugins.iterdir():
        (root / "usr/local/bin" / plugin.name).symlink_to(f"/usr/lib/cni/{plugin.name}")
    # without /etc/machine-id, systemd uses the machine ID of D-Bus
    for name in ("etc/machine-id", "var/lib/dbus/machine-id", "etc/ssh/ssh_host_*"):
        for identity in root.glob(name):
            identity.unlink()
    _units(root, "enable", "systemd-networkd", "ssh", "network-card", "container-host")
    _units(root, "disable", "haproxy")  # Debian's own configuration would start it everywhere
    _units(root, "mask", "systemd-firstboot.service", "run-rpc_pipefs.mount")


def _units(root: Path, verb: str, *units: str) -> None:
    run(["systemctl", f"--root={root}", "--quiet", verb, *units])
