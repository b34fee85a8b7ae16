"""Creates the disks of simulated machines, with the files that a machine has before its first boot."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rehearsal.shell import run

UNAME_ARCHES = {"amd64": "x86_64", "arm64": "aarch64", "arm": "armv7l"}
DEBIAN_ARCHES = {"amd64": "amd64", "arm64": "arm64", "arm": "armhf"}
# as on a new Raspberry Pi OS, the command line lacks the cgroup parameters that K3s needs: the rehearsal tests that
# homelab adds these parameters
BOOT_COMMAND_LINE = "console=tty1 root=PARTUUID=0badcafe-02 rootfstype=ext4 fsck.repair=yes rootwait\n"

PARTS = ("upper", "work", "root", "data")


@dataclass(frozen=True)
class Specification:
    """A simulated machine's settings: `arch` is amd64, arm64 or arm; `prefix` is the LAN's prefix length in bits."""

    name: str
    role: str
    address: str
    prefix: int
    gateway: str
    interface: str
    port: int
    user: str
    sudo: bool
    arch: str
    authorized_key: str


def generate_host_key(folder: Path) -> None:
    """Generate an SSH host key for the simulated machine in `folder`, and delete the machine's old host key."""
    for old in folder.glob("host_key*"):
        old.unlink()
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", folder / "host_key"])


def create(folder: Path, spec: Specification) -> None:
    """Create the disk of a simulated machine in `folder`, with the files that the machine has before its first boot."""
    for part in PARTS:
        (folder / part).mkdir()
    image = Path((folder / "image").read_text())
    # the mode of the overlay's upper folder becomes the mode of the machine's root folder
    (folder / "upper").chmod(0o755)
    (folder / "data").chmod(0o755)

    def put(path: str, text: str, mode: int = 0o644) -> None:
        _put(folder / "upper", path, text, mode)

    # the host name differs from the node's name, because the rehearsal tests that homelab sets the host name
    put("etc/hostname", "debian\n")
    put("etc/hosts", "127.0.0.1 localhost\n127.0.1.1 debian\n")
    put("etc/resolv.conf", f"nameserver {spec.gateway}\n")
    put("etc/simulated-interface", f"{spec.interface}\n")
    put("etc/systemd/network/10-lan.network", _network(spec))
    put("etc/ssh/sshd_config.d/port.conf", f"Port {spec.port}\n")
    put("etc/ssh/ssh_host_ed25519_key", (folder / "host_key").read_text(), 0o600)
    put("etc/ssh/ssh_host_ed25519_key.pub", (folder / "host_key.pub").read_text())
    _architecture(spec, put)
    _account(spec, put, image, folder / "upper")


Put = Callable[..., None]


def _put(root: Path, path: str, text: str, mode: int) -> None:
    file = root / path
    for parent in reversed(file.relative_to(root).parents):
        if not (root / parent).exists():
            (root / parent).mkdir(mode=0o755)
            (root / parent).chmod(0o755)
    file.write_text(text)
    file.chmod(mode)


def _network(spec: Specification) -> str:
    link_local = "no" if "." in spec.address else "ipv6"
    return (
        f"[Match]\nName={spec.interface}\n\n[Network]\nAddress={spec.address}/{spec.prefix}\n"
        f"Gateway={spec.gateway}\nLinkLocalAddressing={link_local}\nIPv6AcceptRA=no\n"
    )


def _architecture(spec: Specification, put: Put) -> None:
    """Write the files that simulate the processor architecture; an ARM machine looks like a Raspberry Pi."""
    put("etc/simulated-machine", f"{UNAME_ARCHES[spec.arch]}\n")
    put("etc/simulated-architecture", f"{DEBIAN_ARCHES[spec.arch]}\n")
    if spec.arch != "amd64":
        put("etc/rpi-issue", "Raspberry Pi reference\n")
        put("boot/firmware/cmdline.txt", BOOT_COMMAND_LINE)


def _account(spec: Specification, put: Put, image: Path, root: Path) -> None:
    """Create the user account for homelab's SSH login, which accepts only the rehearsal's SSH key."""
    home = Path("root")
    if spec.user != "root":
        home = Path("home") / spec.user
        for file, line, mode in (
            ("etc/passwd", f"{spec.user}:x:1000:1000::/{home}:/bin/bash", 0o644),
            ("etc/group", f"{spec.user}:x:1000:", 0o644),
            ("etc/shadow", f"{spec.user}:*:19000:0:99999:7:::", 0o640),
        ):
            put(file, f"{(image / file).read_text()}{line}\n", mode)
    if spec.sudo:
        put("etc/sudoers.d/rehearsal", f"{spec.user} ALL=(ALL) NOPASSWD: ALL\n", 0o440)
    put(f"{home}/.ssh/authorized_keys", f"{spec.authorized_key}\n", 0o600)
    (root / home).chmod(0o700)
    if spec.user != "root":
        for path in (root / home, root / home / ".ssh", root / home / ".ssh/authorized_keys"):
            os.chown(path, 1000, 1000)
