"""Whether a machine is fit for K3s."""

from collections.abc import Callable, Sequence

from operations.checks.seen import Seen
from operations.findings import Finding, fine, note, wrong

DISTRIBUTIONS = {"debian", "ubuntu", "raspbian"}
ROOM = 1024
"""MiB that K3s needs for itself."""
FULL, FILLING = 95, 85
"""Percent of a disk from which kubelet evicts pods, and throws images away."""
APART = 30
"""Seconds that clocks may differ by."""


def _root(seen: Seen) -> Finding:
    if seen.facts.yes("root"):
        return fine("root", "yes")
    return wrong("root", "the script does not run as root", "set `ssh.sudo: true`, or log in as root")


def _system(seen: Seen) -> Finding:
    facts = seen.facts
    name = facts.text("os-name") or "unknown"
    if not facts.yes("systemd"):
        return wrong("system", "systemd does not run there", "use a system that boots with systemd")
    if not facts.yes("apt"):
        return wrong("system", f"{name} is not supported", "install Debian, Ubuntu or Raspberry Pi OS")
    if not DISTRIBUTIONS & {facts.text("os"), *facts.text("os-like").split()}:
        return note("system", f"{name} has apt, but was never tried", "Debian, Ubuntu and Raspberry Pi OS were meant")
    return fine("system", name)


def _architecture(seen: Seen) -> Finding:
    found, wanted = seen.facts.text("arch"), seen.node.arch
    if not found:
        return wrong("arch", f"K3s has no release for {seen.facts.text('uname')}", "use another machine")
    if wanted and wanted != found:
        fix = f"write `arch: {found}`, or install a system for {wanted}"
        return wrong("arch", f"it is {found}, and the stack file says {wanted}", fix)
    return fine("arch", found)


def _memory_cgroup(seen: Seen) -> Finding:
    if seen.facts.yes("memory-cgroup"):
        return fine("cgroup", "memory is on")
    if file := seen.facts.text("command-line"):
        return note("cgroup", f"memory is off; `pulumi up` adds it to {file} and reboots the machine")
    return wrong("cgroup", "memory is off", "boot the kernel with cgroup_enable=memory")


def _disk(seen: Seen) -> Finding:
    disks = seen.facts.disks
    if not disks:
        return note("disk", "df does not say how much is free")
    for disk in disks:
        says = f"{disk.free} MiB free ({disk.used} % used) at {disk.path}"
        if disk.free < ROOM or disk.used >= FULL:
            return wrong("disk", says, f"make room: K3s needs {ROOM} MiB, and evicts pods at {FULL} %")
        if disk.used >= FILLING:
            return note("disk", says, f"kubelet throws unused images away from {FILLING} % on")
    return fine("disk", f"{min(disk.free for disk in disks) / 1024:.1f} GiB free")


def _clock(seen: Seen) -> Finding:
    there = seen.facts.text("clock")
    if not there.isdigit():
        return note("clock", "date does not say what time it is")
    # it was read somewhere between question and answer
    behind, before = seen.answer.asked - int(there) - 1, int(there) - seen.answer.answered
    off = max(behind, before, 0.0)
    if off > APART:
        says = f"is {off:.0f} s {'behind' if behind > 0 else 'ahead of'} this computer's"
        return wrong("clock", says, "give it a time server: timedatectl set-ntp true; timedatectl timesync-status")
    return fine("clock", "agrees")


def _address(seen: Seen) -> Finding:
    facts, device = seen.facts, seen.facts.text("device")
    if not device:
        says = f"no interface has {seen.node.address}; there are {facts.text('addresses') or 'none'}"
        return wrong("address", says, "correct `address`, or the machine's reservation in the router")
    if not facts.yes("device-there"):
        return wrong("address", f"there is no interface {device}", "correct `interface`, or leave it out")
    return fine("address", f"on {device}")


CHECKS: Sequence[Callable[[Seen], Finding]] = (
    _root, _system, _architecture, _memory_cgroup, _disk, _clock, _address,
)  # fmt: skip
