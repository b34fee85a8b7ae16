"""Runs programs of the virtual machines' architecture on this computer, in QEMU."""

from pathlib import Path

from rehearsal.machine_specs import HOST_ARCHITECTURE
from rehearsal.shell import run
from rehearsal.vm import emulator

INTERPRETER = "usr/bin/qemu-aarch64"
NAME = "homelab-aarch64"
# Linux' binfmt_misc: magic number and mask of aarch64 programs; with F, the interpreter also runs inside a chroot
MAGIC = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
# newer kernels forget the registration with the last mount, others keep it for all programs of this computer
ENTER_SCRIPT = """
root=$1 name=$2 line=$3 script=$4
if [ -n "$line" ]; then
  registry=/proc/sys/fs/binfmt_misc
  mount -t binfmt_misc binfmt_misc "$registry"
  forget() { [ ! -e "$registry/$name" ] || echo -1 >"$registry/$name"; }
  forget
  trap forget EXIT
  printf %s "$line" >"$registry/register"
fi
chroot "$root" /bin/sh -euc "$script"
"""
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}


def run_script(tools: Path, root: Path, script: str) -> None:
    """Run a shell script in the root file system `root` of the architecture; `tools` has the emulator."""
    line = "" if HOST_ARCHITECTURE == emulator.ARCH else f":{NAME}:M::{MAGIC}:{MASK}:{tools / INTERPRETER}:F"
    enter = ["unshare", "--mount", "--propagation=private", "sh", "-euc", ENTER_SCRIPT, "enter"]
    run([*enter, root, NAME, line, script], env=ENVIRONMENT)
