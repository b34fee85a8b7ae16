"""A simulated machine that is a virtual machine, with a kernel, boot command line and disk of its own."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from rehearsal import disk
from rehearsal.disk import Specification
from rehearsal.machine import Machine
from rehearsal.namespace import BRIDGE
from rehearsal.paths import PROJECT
from rehearsal.shell import run
from rehearsal.vm import cpio, firmware

DATA = "var/lib/rancher"
# before the program starts, so that a machine runs from the moment that it is switched on
JOIN_SCRIPT = 'for group in $1; do echo $$ >"$group/cgroup.procs"; done; shift; exec "$@"'


class VirtualMachine(Machine):
    """A simulated machine that QEMU runs."""

    boot_seconds = 600  # an emulated machine needs half a minute, and minutes on a busy computer

    @staticmethod
    def create_disk(folder: Path, spec: Specification) -> None:
        """Create a disk, a boot partition, and an archive of the files that the machine has before its first boot."""
        image = Path((folder / "image").read_text())
        run(["cp", "--sparse=always", "--reflink=auto", image / "disk", folder / "disk"])
        root = folder / "first-boot"
        (root / "first-boot").mkdir(parents=True)
        disk.write_files(folder, spec, root / "first-boot")
        _name_interface(spec, root / "first-boot")
        boot_files = root / "first-boot/boot/firmware"
        firmware.create_partition(image / "tools", folder, boot_files / firmware.COMMAND_LINE)
        shutil.rmtree(boot_files.parent)
        (folder / "first-boot.cpio").write_bytes(cpio.pack(root))
        shutil.rmtree(root)

    @staticmethod
    def remove_disk(folder: Path) -> None:
        """Remove the disk and the boot partition."""
        for name in ("disk", firmware.PARTITION):
            (folder / name).unlink()

    def provision(self, furnishing: Path) -> None:
        """Make the kernel and the initial file system, which adds the files of `furnishing` at the next boot."""
        if self.running:
            return
        image = Path((self.folder / "image").read_text())
        if not (self.folder / "kernel").exists():
            shutil.copyfile(image / "kernel", self.folder / "kernel")
        root = self.folder / "every-boot"
        shutil.copytree(furnishing, root / "every-boot" / DATA)
        archives = ((image / "initrd").read_bytes(), (self.folder / "first-boot.cpio").read_bytes(), cpio.pack(root))
        (self.folder / "initrd").write_bytes(b"".join(archives))
        shutil.rmtree(root)

    def boot(self, groups: Sequence[Path]) -> None:
        """Start the firmware, which starts QEMU, in the cgroups `groups`."""
        start: list[str | Path] = [sys.executable, "-m", firmware.__name__, self.id, self.folder, BRIDGE]
        command: list[str | Path] = ["sh", "-euc", JOIN_SCRIPT, "join", " ".join(map(str, groups)), *start]
        self.namespace.start(command, self.folder / "console.log", cwd=PROJECT)

    def on_data_disk(self, path: str) -> Path:
        """Fail, because the files of a virtual machine are in the file system on its disk."""
        raise NotImplementedError(f"{self.name} is a virtual machine: read /var/lib/rancher/{path} through SSH.")

    def _booting(self) -> bool:
        """Return False, because the SSH server of a virtual machine starts when logins are allowed."""
        return False


def _name_interface(spec: Specification, root: Path) -> None:
    link = f"[Match]\nMACAddress={firmware.mac_address(spec.address)}\n\n[Link]\nName={spec.interface}\n"
    (root / "etc/systemd/network/10-lan.link").write_text(link)
