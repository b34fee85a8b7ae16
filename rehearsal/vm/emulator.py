"""QEMU and the tools for a virtual machine's disks, from Debian's packages in the rehearsal's cache."""

from pathlib import Path

from rehearsal import debian
from rehearsal.cache import Recipe, Report, obtain
from rehearsal.machine_specs import HOST_ARCHITECTURE

ARCH = "arm64"
"""The architecture of all virtual machines."""
PACKAGES = ("qemu-system-arm", "qemu-user", "e2fsprogs", "dosfstools", "mtools", "kmod")
MOUNTED = "/home"
"""Where QEMU and the tools see the folder that they work in."""
MEMORY_MIB = 1024
CACHE_MIB = 256  # QEMU's cache of translated instructions, which could otherwise grow to 1 GiB
MEMORY_BYTES = (MEMORY_MIB + CACHE_MIB) << 20
CONSOLE = "ttyAMA0"
# QEMU uses the first accelerator that works
HARDWARE = ("-accel", "kvm", "-accel", "tcg", "-cpu", "max")
EMULATED = ("-accel", f"tcg,thread=multi,tb-size={CACHE_MIB}", "-cpu", "cortex-a72")


def ensure(report: Report) -> Path:
    """Return the root file system with QEMU and the tools."""
    return obtain(recipe(), report) / "system"


def recipe() -> Recipe:
    """Recipe of a Debian root file system with QEMU and the tools: 300 MB."""
    return debian.programs("qemu", PACKAGES, "from Debian's packages, a minute")


def command(system: Path, folder: Path, *words: str) -> list[str]:
    """Return the command line that runs a program of `system`, which sees `folder` as MOUNTED."""
    return debian.chroot_command(system, folder, MOUNTED, *words)


def machine_command(system: Path, folder: Path, command_line: str) -> list[str]:
    """Return the command line that boots the virtual machine in `folder` until its power-off or its next reboot.

    `folder` contains `kernel`, `initrd` and `disk`.
    """
    return command(
        system, folder,
        "qemu-system-aarch64", "-nodefaults", "-display", "none", "-no-reboot",
        "-machine", "virt", *(HARDWARE if HOST_ARCHITECTURE == ARCH else EMULATED),
        "-smp", "2", "-m", str(MEMORY_MIB),
        "-kernel", f"{MOUNTED}/kernel", "-initrd", f"{MOUNTED}/initrd", "-append", command_line,
        "-chardev", f"file,id=console,path={MOUNTED}/console.log,append=on", "-serial", "chardev:console",
        "-device", "virtio-rng-pci",
        *drive("disk"),
    )  # fmt: skip


def drive(file: str) -> list[str]:
    """Return QEMU's options for a disk with the content of `file`, which becomes the next of vda, vdb, …."""
    option = f"file={MOUNTED}/{file},if=none,id={file},format=raw,cache=writeback,discard=unmap"
    return ["-drive", option, "-device", f"virtio-blk-pci,drive={file}"]
