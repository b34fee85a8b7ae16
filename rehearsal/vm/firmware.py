"""The firmware and the power supply of a virtual machine, as a process in the lab's network namespace.

Like a Raspberry Pi's, the firmware reads the kernel's command line off the boot partition before every boot.

Usage: `python -m rehearsal.vm.firmware ID FOLDER BRIDGE`, where ID names the network card on this computer.
"""

import fcntl
import hashlib
import json
import subprocess
import sys
from pathlib import Path

from rehearsal.shell import run
from rehearsal.vm import emulator

COMMAND_LINE = "cmdline.txt"
PARTITION = "boot-partition"
PARTITION_KIB = "32768"
MEMORY_ENABLED, MEMORY_DISABLED = "cgroup_enable=memory", "cgroup_disable=memory"
RESET, SHUTDOWN = "guest-reset", "guest-shutdown"
"""Reasons of QEMU: the machine reboots, or switched itself off."""


def mac_address(address: str) -> str:
    """Return a MAC address for the machine with an IP address."""
    return "52:54:00:" + hashlib.blake2s(address.encode(), digest_size=3).digest().hex(":")


def create_partition(tools: Path, folder: Path, command_line: Path) -> None:
    """Create the boot partition of the machine in `folder`, a FAT file system with the file `command_line`."""
    partition = f"{emulator.MOUNTED}/{PARTITION}"
    run(emulator.command(tools, folder, "mkfs.vfat", "-n", "bootfs", "-C", partition, PARTITION_KIB))
    source = f"{emulator.MOUNTED}/{command_line.relative_to(folder)}"
    run(emulator.command(tools, folder, "mcopy", "-i", partition, source, f"::{COMMAND_LINE}"))


def read_command_line(tools: Path, folder: Path) -> str:
    """Read the kernel's command line off the boot partition, and complete it like a Raspberry Pi.

    The kernel of a Raspberry Pi has no memory cgroup, unless its command line enables the memory cgroup.
    """
    partition = f"{emulator.MOUNTED}/{PARTITION}"
    text = run(emulator.command(tools, folder, "mtype", "-i", partition, f"::{COMMAND_LINE}"))
    words = (text.splitlines() or [""])[0].split()
    disabled = [] if MEMORY_ENABLED in words else [MEMORY_DISABLED]
    return " ".join([*words, *disabled, f"console={emulator.CONSOLE}"])


def boot(tools: Path, folder: Path, card: str, mac: str) -> str:
    """Boot the machine, wait until it ends, and return QEMU's reason."""
    network = ("-netdev", f"tap,id=lan,ifname={card},script=no,downscript=no")
    device = ("-device", f"virtio-net-pci,netdev=lan,mac={mac},romfile=")
    command = emulator.machine_command(tools, folder, read_command_line(tools, folder))
    options = (*emulator.drive(PARTITION), *network, *device, "-qmp", "stdio")
    reason = ""
    with subprocess.Popen([*command, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write('{"execute": "qmp_capabilities"}\n')
        process.stdin.flush()
        for line in process.stdout:
            event = json.loads(line)
            if event.get("event") == "SHUTDOWN":
                reason = event["data"]["reason"]
    return reason


def plug_in(card: str, bridge: str) -> None:
    """Connect the machine's network card to the lab's bridge; the card of an earlier boot is removed first."""
    subprocess.run(["ip", "link", "delete", card], stderr=subprocess.DEVNULL, check=False)
    run(["ip", "tuntap", "add", card, "mode", "tap"])
    run(["ip", "link", "set", card, "master", bridge, "up"])


def main(name: str, folder: Path, bridge: str) -> None:
    """Run the machine in `folder` until it is switched off; boot the machine again when it reboots."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        tools = Path((folder / "image").read_text()) / "tools"
        spec = json.loads((folder / "machine.json").read_text())
        card = f"vb-{name}"
        reason = RESET
        while reason == RESET:
            plug_in(card, bridge)
            reason = boot(tools, folder, card, mac_address(spec["address"]))
            print(f"The virtual machine ended: {reason or 'QEMU was killed'}.", flush=True)
        if reason == SHUTDOWN:
            (folder / "off").touch()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
