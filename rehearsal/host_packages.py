"""Debian packages that the rehearsal needs on the host."""

import os
import shutil

from rehearsal import debian
from rehearsal.cache import Report
from rehearsal.shell import RehearsalError, run

PACKAGES = {
    "debootstrap": "debootstrap",
    "gpgv": "gpgv",
    "systemd-nspawn": "systemd-container",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "zstd": "zstd",
}


def missing() -> list[str]:
    """Return the Debian packages that contain the programs and the keyring that are missing on the host."""
    keyring = [] if any(file.is_file() for file in debian.KEYRINGS) else ["debian-archive-keyring"]
    return sorted({*keyring, *(package for program, package in PACKAGES.items() if not shutil.which(program))})


def ensure(report: Report) -> None:
    """Install missing Debian packages; without root permissions or apt-get, fail with the packages' names."""
    lacking = missing()
    if not lacking:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise RehearsalError(f"The rehearsal needs more Debian packages: install {', '.join(lacking)}.")
    report(f"installing {', '.join(lacking)}")
    environment = dict(os.environ) | {"DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *lacking]
    try:
        run(install, env=environment)
    except RehearsalError:
        run(["apt-get", "update", "--quiet"], env=environment)
        run(install, env=environment)
