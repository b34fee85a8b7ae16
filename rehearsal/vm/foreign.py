"""Runs the programs of the virtual machines' architecture on this computer, in QEMU."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rehearsal.machine_specs import HOST_ARCHITECTURE
from rehearsal.shell import RehearsalError
from rehearsal.vm import emulator

INTERPRETER = "usr/bin/qemu-aarch64"
NAME = "homelab-aarch64"
# Linux' binfmt_misc: magic number and mask of aarch64 programs; with F, the interpreter also runs inside a chroot
MAGIC = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
# the mount is private; the registration is global, so an earlier one, which a killed build left, is replaced
REGISTRATION = """
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
cd /proc/sys/fs/binfmt_misc
[ ! -e "$1" ] || echo -1 >"$1"
[ -z "$2" ] || printf %s "$2" >register
"""


@contextmanager
def programs(tools: Path) -> Iterator[None]:
    """Let Linux run programs of the architecture during the `with` block; `tools` is the emulator's root folder."""
    if HOST_ARCHITECTURE == emulator.ARCH:
        yield
        return
    _register(f":{NAME}:M::{MAGIC}:{MASK}:{tools / INTERPRETER}:F")
    try:
        yield
    finally:
        _register("")


def _register(line: str) -> None:
    command = ["unshare", "--mount", "--propagation=private", "sh", "-euc", REGISTRATION, "register", NAME, line]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RehearsalError(
            f"Linux cannot run programs for {emulator.ARCH} in QEMU ({done.stderr.strip()}): "
            "load the kernel module binfmt_misc."
        )
