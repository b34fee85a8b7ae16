"""Checks of a machine's kernel, memory and disks: what makes K3s or a layer fail only later."""

from collections.abc import Callable, Sequence

from operations.checks.machine_state import MachineState
from operations.findings import Finding, fine, note, wrong

_PAGE_SIZE = 4096
_SMALL_DISK_MIB = 14_000
"""A card of 16 GB has a file system of about 14 GiB."""
_WORN, _WORN_OUT = 0x0A, 0x0B
"""Steps of the life time that an eMMC reports (JEDEC): 0x0a is 90 to 100 % of the life time, 0x0b is more than that."""
_DEVICES_OF_LONGHORN = ("sd", "IET")


def _modules(machine: MachineState) -> Finding:
    """Report missing kernel modules; a kernel that an update replaced has no modules until the next reboot."""
    facts, check = machine.facts, "kernel modules"
    missing = [name for name, _, there in (line.partition(" ") for line in facts.all("module")) if there != "yes"]
    if not missing:
        return fine(check, "loaded, or available")
    kernel, names = facts.text("kernel"), ", ".join(missing)
    if facts.is_yes("container"):
        says = f"{names}: unknown, because the machine is a container, which uses the kernel of its host"
        return fine(check, says)
    if facts.is_yes("kernel-updated"):
        says = f"{names}: missing, because the kernel was updated and {kernel} still runs without its modules"
        return note(check, says, "run `pulumi up`, which reboots the machine, or reboot the machine")
    package = facts.text("module-package")
    install = f"apt-get install {package}" if package else "install a kernel with these modules"
    return wrong(check, f"the kernel {kernel} has no module {names}", install)


def _reboot(machine: MachineState) -> Finding:
    facts, check = machine.facts, "reboot"
    node = machine.node.name
    drain = f"kubectl drain {node} --ignore-daemonsets --delete-emptydir-data; reboot; kubectl uncordon {node}"
    fix = f"write a new text into machine.packageUpgrade and run `pulumi up`, or run {drain}"
    if facts.is_yes("reboot-required"):
        packages = facts.text("reboot-packages")
        return note(check, f"updates need a reboot{f': {packages}' if packages else ''}", fix)
    updated = facts.is_yes("kernel-updated") or facts.is_yes("kernel-installed")
    if updated and not facts.is_yes("container"):
        return note(check, f"the kernel was updated, but {facts.text('kernel')} still runs", fix)
    return fine(check, "not needed")


def _swap(machine: MachineState) -> Finding:
    """Report swap on a disk; zram is memory, and does not delay etcd."""
    swaps = [name for name in machine.facts.all("swap") if not name.startswith("/dev/zram")]
    if not swaps:
        return fine("swap", "none on a disk")
    says = f"{', '.join(swaps)}: pods use no swap, but K3s and etcd become slow when the kernel swaps them to a disk"
    return note("swap", says, "run `swapoff -a`, and remove the swap from /etc/fstab, or the package dphys-swapfile")


def _page_size(machine: MachineState) -> Finding:
    size = machine.facts.text("page-size")
    if not size.isdigit() or int(size) == _PAGE_SIZE:
        return fine("page size", size or "unknown")
    says = (
        f"the kernel has memory pages of {int(size) // 1024} KiB, so some images for arm64 fail with "
        "`<jemalloc>: Unsupported system page size`"
    )
    fix = "if a pod fails: on a Raspberry Pi 5, add `kernel=kernel8.img` to /boot/firmware/config.txt and reboot"
    return note("page size", says, fix)


def _multipathd(machine: MachineState) -> Finding:
    """Report that multipathd takes the volumes of Longhorn, which are SCSI disks, before Longhorn mounts them."""
    facts, check = machine.facts, "multipathd"
    if "longhorn" not in machine.layers or facts.text("multipathd") != "active":
        return fine(check, "does not take volumes")
    if any(device in facts.text("multipath-blacklist") for device in _DEVICES_OF_LONGHORN):
        return fine(check, "ignores the volumes of Longhorn")
    says = "multipathd takes the disks of Longhorn's volumes, so pods cannot mount the volumes"
    fix = 'add `blacklist { devnode "^sd[a-z0-9]+" }` to /etc/multipath.conf, then run `systemctl restart multipathd`'
    return wrong(check, says, f"{fix}; if the machine has no multipath storage, remove multipath-tools")


def _small_disk(machine: MachineState) -> Finding:
    size = machine.facts.text("disk-size")
    if not size.isdigit() or int(size) >= _SMALL_DISK_MIB:
        return fine("disk size", "large enough")
    says = f"the file system of /var/lib has only {int(size) / 1024:.1f} GiB, which images of the platform fill"
    return note("disk size", says, "use a disk of 32 GB or more, or move /var/lib/rancher to a larger disk")


def _wear(machine: MachineState) -> Finding:
    for line in machine.facts.all("worn"):
        device, *steps = line.split()
        step = max((int(value, 16) for value in steps), default=0)
        if step >= _WORN:
            state = "exceeded its life time" if step >= _WORN_OUT else "used 90 % of its life time"
            says, fix = f"the flash memory {device} has {state}", "replace it, or move the system to an SSD"
            return wrong("wear", says, fix) if step >= _WORN_OUT else note("wear", says, fix)
    return fine("wear", "none reported")


CHECKS: Sequence[Callable[[MachineState], Finding]] = (
    _modules, _reboot, _swap, _page_size, _multipathd, _small_disk, _wear,
)  # fmt: skip
