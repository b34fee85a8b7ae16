"""One simulated machine: a disk, a network card and a power switch."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from rehearsal import cgroups
from rehearsal.namespace import BRIDGE, Namespace, end, wait
from rehearsal.shell import run

SUPERVISE = Path(__file__).with_name("supervise")
UNAME = {"amd64": "x86_64", "arm64": "aarch64", "arm": "armv7l"}
DEBIAN = {"amd64": "amd64", "arm64": "arm64", "arm": "armhf"}
# as a Raspberry Pi comes: without the parameters that K3s needs
BOOT_COMMAND_LINE = "console=tty1 root=PARTUUID=0badcafe-02 rootfstype=ext4 fsck.repair=yes rootwait\n"
BOOT_SECONDS = 90


@dataclass(frozen=True)
class Specification:
    """What a machine is: `arch` is amd64, arm64 or arm, `prefix` the length of the LAN's."""

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


class Machine:
    """A machine by its folder; `create` gives it a disk, after that it remembers what it is."""

    def __init__(self, folder: Path, namespace: Namespace) -> None:
        self.folder = folder
        self.namespace = namespace
        self.spec = Specification(**json.loads((folder / "machine.json").read_text()))
        self.name = self.spec.name

    @classmethod
    def create(cls, folder: Path, namespace: Namespace, spec: Specification, image: Path) -> "Machine":
        """A new machine with a fresh disk and a host key of its own, switched off."""
        folder.mkdir(parents=True)
        (folder / "image").write_text(str(image))
        _new_host_key(folder)
        _fresh_disk(folder, spec)
        # last: a folder with this file is a whole machine
        (folder / "machine.json").write_text(json.dumps(asdict(spec), indent=2))
        return cls(folder, namespace)

    @property
    def host_key(self) -> str:
        """Its public SSH host key: type and key."""
        return " ".join((self.folder / "host_key.pub").read_text().split()[:2])

    @property
    def running(self) -> bool:
        """Whether it has power."""
        return bool(self.processes())

    @property
    def switched_off(self) -> bool:
        """Whether it is off because someone wanted it so, from inside or from outside."""
        return (self.folder / "off").exists()

    @switched_off.setter
    def switched_off(self, off: bool) -> None:
        if off:
            (self.folder / "off").touch()
        else:
            (self.folder / "off").unlink(missing_ok=True)

    @property
    def memory(self) -> int:
        """Bytes its programs hold."""
        return cgroups.memory(self._groups())

    def processes(self) -> list[int]:
        """Ids of all its processes, as this computer sees them."""
        return cgroups.processes(self._groups())

    def power_on(self) -> None:
        """Begin to boot; does nothing to a running machine."""
        if self.running:
            return
        groups = cgroups.create(self._label)
        (self.folder / "cgroups").write_text("\n".join(map(str, groups)))
        image = (self.folder / "image").read_text()
        with (self.folder / "console.log").open("ab") as console:
            command: list[str | Path] = [SUPERVISE, self._label, self.folder, image, BRIDGE, *groups]
            subprocess.Popen(
                self.namespace.command("unshare", "--mount", "--propagation=private", *command),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )

    def wait_until_up(self) -> None:
        """Return when one can log in."""
        wait(lambda: self.answers() and not self._booting(), BOOT_SECONDS, self._no_answer)

    def answers(self) -> bool:
        """Whether its SSH server answers."""
        return self.namespace.answers(self.spec.address, self.spec.port, b"SSH-")

    def power_off(self) -> None:
        """Cut its power: nothing in it gets to say goodbye, its disk stays as it is."""
        end(self.processes, f"machine {self.name}")
        cgroups.remove(self._groups())

    def wipe(self, *, new_host_key: bool = False) -> None:
        """Put in a fresh disk, as before the very first boot; leaves it switched off."""
        self.power_off()
        for part in ("upper", "work", "root", "data"):
            shutil.rmtree(self.folder / part)
        if new_host_key:
            _new_host_key(self.folder)
        _fresh_disk(self.folder, self.spec)

    def remove(self) -> None:
        """Cut its power and throw it away."""
        self.power_off()
        shutil.rmtree(self.folder)

    def on_data_disk(self, path: str) -> Path:
        """Where this computer finds the machine's /var/lib/rancher/`path`."""
        return self.folder / "data" / path

    def _booting(self) -> bool:
        """Whether it still turns away everyone but root, as systemd does while it boots."""
        return any(Path(f"/proc/{pid}/root/run/nologin").exists() for pid in self.processes())

    @property
    def _label(self) -> str:
        """Its name among the machines of all labs on this computer."""
        return f"{self.namespace.name}-{self.name}"

    def _groups(self) -> list[Path]:
        record = self.folder / "cgroups"
        return [Path(line) for line in record.read_text().splitlines()] if record.exists() else []

    def _no_answer(self) -> str:
        return (
            f"Machine {self.name} does not answer SSH at {self.spec.address}:{self.spec.port} "
            f"after {BOOT_SECONDS} s: see {self.folder / 'console.log'}."
        )


def _new_host_key(folder: Path) -> None:
    for old in folder.glob("host_key*"):
        old.unlink()
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", folder / "host_key"])


def _fresh_disk(folder: Path, spec: Specification) -> None:
    for part in ("upper", "work", "root", "data"):
        (folder / part).mkdir()
    image = Path((folder / "image").read_text())
    # the top of the overlay is the machine's root: its mode is the one that counts
    (folder / "upper").chmod(0o755)
    (folder / "data").chmod(0o755)

    def put(path: str, text: str, mode: int = 0o644) -> None:
        _put(folder / "upper", path, text, mode)

    # deliberately not the node's name: naming it is the program's work
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
    """What tells the program which processor it is on; an ARM machine passes for a Raspberry Pi."""
    put("etc/simulated-machine", f"{UNAME[spec.arch]}\n")
    put("etc/simulated-architecture", f"{DEBIAN[spec.arch]}\n")
    if spec.arch != "amd64":
        put("etc/rpi-issue", "Raspberry Pi reference\n")
        put("boot/firmware/cmdline.txt", BOOT_COMMAND_LINE)


def _account(spec: Specification, put: Put, image: Path, root: Path) -> None:
    """The account the stack logs in with: its only way in is the rehearsal's key."""
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
