"""One simulated machine: a disk, a network card and a power switch."""

import filecmp
import hashlib
import json
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path

from rehearsal import cgroups, disk
from rehearsal.disk import Specification
from rehearsal.namespace import BRIDGE, Namespace, end, wait

SUPERVISE = Path(__file__).with_name("supervise")
BOOT_SECONDS = 90


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
        disk.new_host_key(folder)
        disk.fresh(folder, spec)
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

    def furnish(self, furnishing: Path) -> None:
        """Put what a folder holds below /var/lib/rancher, where it is not; an uninstallation of K3s takes it along."""
        for file in (each for each in furnishing.rglob("*") if each.is_file()):
            target = self.on_data_disk(str(file.relative_to(furnishing)))
            if not target.exists() or not filecmp.cmp(file, target):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, target)

    def power_on(self) -> None:
        """Begin to boot; does nothing to a running machine."""
        if self.running:
            return
        groups = cgroups.create(self._label)
        (self.folder / "cgroups").write_text("\n".join(map(str, groups)))
        image = (self.folder / "image").read_text()
        with (self.folder / "console.log").open("ab") as console:
            command: list[str | Path] = [SUPERVISE, self._id, self.folder, image, BRIDGE, *groups]
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
        for part in disk.PARTS:
            shutil.rmtree(self.folder / part)
        if new_host_key:
            disk.new_host_key(self.folder)
        disk.fresh(self.folder, self.spec)

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
    def _id(self) -> str:
        """What its network card is named after: with `vb-` before it, it is as long as such a name may be."""
        return hashlib.blake2s(self.name.encode(), digest_size=6).hexdigest()

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
