"""Checks whether a machine meets the requirements of K3s."""

from collections.abc import Callable, Sequence

from operations.checks.machine_state import MachineState
from operations.findings import Finding, fine, note, wrong

DISTRIBUTIONS = {"debian", "ubuntu", "raspbian"}
MIN_FREE_MIB = 1024
"""Free disk space that K3s needs, in MiB."""
EVICTION_PERCENT, IMAGE_GC_PERCENT = 95, 85
"""Disk usage in percent at which kubelet evicts pods, and at which kubelet deletes unused images."""
MAX_CLOCK_SKEW = 30
"""Tolerated difference between a machine's clock and the workstation's clock, in seconds."""


def _root(machine: MachineState) -> Finding:
    if machine.facts.is_yes("root"):
        return fine("root", "yes")
    return wrong("root", "homelab's scripts do not run as root", "set `ssh.sudo: true`, or log in as root")


def _system(machine: MachineState) -> Finding:
    facts = machine.facts
    name = facts.text("os-name") or "unknown"
    if not facts.is_yes("systemd"):
        return wrong(
            "system", "the machine does not run systemd", "install an operating system that boots with systemd"
        )
    if not facts.is_yes("apt"):
        return wrong("system", f"{name} is not supported", "install Debian, Ubuntu or Raspberry Pi OS")
    if not DISTRIBUTIONS & {facts.text("os"), *facts.text("os-like").split()}:
        return note(
            "system",
            f"{name} has apt, but homelab is untested on it",
            "if `pulumi up` fails, install Debian, Ubuntu or Raspberry Pi OS",
        )
    return fine("system", name)


def _architecture(machine: MachineState) -> Finding:
    actual, expected = machine.facts.text("arch"), machine.node.arch
    if not actual:
        return wrong("arch", f"K3s has no release for {machine.facts.text('uname')}", "use another machine")
    if expected and expected != actual:
        fix = f"set `arch: {actual}`, or install an operating system for {expected}"
        return wrong("arch", f"the architecture is {actual}, but the stack file says {expected}", fix)
    return fine("arch", actual)


def _memory_cgroup(machine: MachineState) -> Finding:
    if machine.facts.is_yes("memory-cgroup"):
        return fine("cgroup", "memory cgroup is enabled")
    if file := machine.facts.text("command-line"):
        return note(
            "cgroup", f"memory cgroup is disabled; `pulumi up` enables the cgroup in {file} and reboots the machine"
        )
    return wrong(
        "cgroup", "memory cgroup is disabled", "boot the machine with the kernel parameter cgroup_enable=memory"
    )


def _disk(machine: MachineState) -> Finding:
    disks = machine.facts.disks
    if not disks:
        return note("disk", "df reports no free space")
    for disk in disks:
        says = f"{disk.free_mib} MiB free ({disk.used_percent} % used) at {disk.path}"
        if disk.free_mib < MIN_FREE_MIB or disk.used_percent >= EVICTION_PERCENT:
            fix = f"delete files: K3s needs {MIN_FREE_MIB} MiB; kubelets evict pods at {EVICTION_PERCENT} % disk usage"
            return wrong("disk", says, fix)
        if disk.used_percent >= IMAGE_GC_PERCENT:
            return note("disk", says, f"the kubelet deletes unused images above {IMAGE_GC_PERCENT} % disk usage")
    return fine("disk", f"{min(disk.free_mib for disk in disks) / 1024:.1f} GiB free")


def _clock(machine: MachineState) -> Finding:
    clock = machine.facts.text("clock")
    if not clock.isdigit():
        return note("clock", "date reports no time")
    # the script read the machine's clock at an unknown moment between `started` and `ended`
    behind, ahead = machine.result.started - int(clock) - 1, int(clock) - machine.result.ended
    difference = max(behind, ahead, 0.0)
    if difference > MAX_CLOCK_SKEW:
        says = f"the clock is {difference:.0f} s {'behind' if behind > 0 else 'ahead of'} your workstation's clock"
        return wrong("clock", says, "synchronize the clock: timedatectl set-ntp true; timedatectl timesync-status")
    return fine("clock", "is synchronized")


def _address(machine: MachineState) -> Finding:
    facts, device = machine.facts, machine.facts.text("device")
    if not device:
        present = facts.text("addresses") or "no addresses"
        says = f"no interface has the address {machine.node.address}; the machine has {present}"
        return wrong(
            "address", says, "correct `address` in the stack file, or the machine's DHCP reservation in your router"
        )
    if not facts.is_yes("device-there"):
        return wrong("address", f"interface {device} does not exist", "correct or remove `interface` in the stack file")
    return fine("address", f"on {device}")


CHECKS: Sequence[Callable[[MachineState], Finding]] = (
    _root, _system, _architecture, _memory_cgroup, _disk, _clock, _address,
)  # fmt: skip
