"""One simulated machine, with a disk, a network card and a power switch."""

import filecmp
import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path

from rehearsal import cgroups, disk
from rehearsal.disk import Specification
from rehearsal.network_namespace import BRIDGE, NetworkNamespace, kill_all, wait

RUN_MACHINE = Path(__file__).with_name("run-machine")
BOOT_SECONDS = 90


class Machine:
    """A simulated machine with its files in `folder`; `create()` creates a new simulated machine."""

    def __init__(self, folder: Path, netns: NetworkNamespace) -> None:
        self.folder = folder
        self.netns = netns
        self.spec = Specification(**json.loads((folder / "machine.json").read_text()))
        self.name = self.spec.name

    @classmethod
    def create(cls, folder: Path, netns: NetworkNamespace, spec: Specification, image: Path) -> "Machine":
        """Create a simulated machine with a new disk and a new SSH host key, but do not boot the machine."""
        folder.mkdir(parents=True)
        (folder / "image").write_text(str(image))
        disk.generate_host_key(folder)
        disk.create(folder, spec)
        # machine.json is written last, because its existence marks the machine as complete
        (folder / "machine.json").write_text(json.dumps(asdict(spec), indent=2))
        return cls(folder, netns)

    @property
    def host_key(self) -> str:
        """The machine's public SSH host key: type and key."""
        return " ".join((self.folder / "host_key.pub").read_text().split()[:2])

    @property
    def running(self) -> bool:
        """Whether the simulated machine has running processes."""
        return bool(self.processes())

    @property
    def switched_off(self) -> bool:
        """Whether `./homelab rehearse power off` or a shutdown inside the machine switched the machine off."""
        return (self.folder / "off").exists()

    @switched_off.setter
    def switched_off(self, off: bool) -> None:
        if off:
            (self.folder / "off").touch()
        else:
            (self.folder / "off").unlink(missing_ok=True)

    @property
    def memory(self) -> int:
        """Memory that the machine's processes use, in bytes."""
        return cgroups.memory(self._groups())

    def processes(self) -> list[int]:
        """Return the IDs of the machine's processes on the host."""
        return cgroups.processes(self._groups())

    def provision(self, provisioning: Path) -> None:
        """Copy missing and changed files from `provisioning` to /var/lib/rancher on the machine's disk."""
        for file in (path for path in provisioning.rglob("*") if path.is_file()):
            target = self.on_data_disk(str(file.relative_to(provisioning)))
            if not target.exists() or not filecmp.cmp(file, target):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, target)

    def power_on(self) -> None:
        """Boot the simulated machine without waiting for SSH; do nothing if the machine already runs."""
        if self.running:
            return
        groups = cgroups.create(self._label)
        (self.folder / "cgroups").write_text("\n".join(map(str, groups)))
        image = (self.folder / "image").read_text()
        run_machine: list[str | Path] = [RUN_MACHINE, self._id, self.folder, image, BRIDGE, *groups]
        command = ["unshare", "--mount", "--propagation=private", *run_machine]
        self.netns.start(command, self.folder / "console.log")

    def wait_until_up(self) -> None:
        """Wait until the simulated machine accepts SSH logins."""
        wait(lambda: self.answers() and not self._booting(), BOOT_SECONDS, self._no_answer)

    def answers(self) -> bool:
        """Return whether the SSH server of the simulated machine answers."""
        return self.netns.answers(self.spec.address, self.spec.port, b"SSH-")

    def power_off(self) -> None:
        """Kill all processes of the simulated machine at once, like a power cut; the disk does not change."""
        kill_all(self.processes, f"machine {self.name}")
        cgroups.remove(self._groups())

    def wipe(self, *, new_host_key: bool = False) -> None:
        """Replace the machine's disk with a new disk, and leave the machine powered off."""
        self.power_off()
        for part in disk.PARTS:
            shutil.rmtree(self.folder / part)
        if new_host_key:
            disk.generate_host_key(self.folder)
        disk.create(self.folder, self.spec)

    def on_data_disk(self, path: str) -> Path:
        """Return the path on the host of the simulated machine's file `/var/lib/rancher/PATH`."""
        return self.folder / "data" / path

    def _booting(self) -> bool:
        """Return whether the machine is still booting: during the boot, /run/nologin blocks non-root logins."""
        return any(Path(f"/proc/{pid}/root/run/nologin").exists() for pid in self.processes())

    @property
    def _id(self) -> str:
        """A hash of the machine's name for the interface `vb-HASH`; interface names have at most 15 characters."""
        return hashlib.blake2s(self.name.encode(), digest_size=6).hexdigest()

    @property
    def _label(self) -> str:
        """The unique name of the machine's cgroup, which combines the names of network namespace and machine."""
        return f"{self.netns.name}-{self.name}"

    def _groups(self) -> list[Path]:
        record = self.folder / "cgroups"
        return [Path(line) for line in record.read_text().splitlines()] if record.exists() else []

    def _no_answer(self) -> str:
        return (
            f"Machine {self.name} does not accept SSH logins at {self.spec.address}:{self.spec.port} "
            f"after {BOOT_SECONDS} s: read {self.folder / 'console.log'}."
        )
