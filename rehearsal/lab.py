"""The rehearsed lab of one Pulumi stack, with its folder, network and simulated machines."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from components.cluster.settings import ClusterSettings
from rehearsal import machine_specs
from rehearsal.machine import Machine
from rehearsal.network_namespace import NetworkNamespace
from rehearsal.paths import VOLUMES_FOLDER, labs_folder
from rehearsal.shell import RehearsalError, run


class Lab:
    """The rehearsed lab of a stack: all files are in `folder`, and all processes are in the network `namespace`."""

    def __init__(self, stack: str) -> None:
        self.stack = stack
        self.folder = labs_folder() / stack
        self.netns = NetworkNamespace(f"homelab-{stack}")
        self.lock: int | None = None
        """File descriptor of the lock while homelab holds the lock; a child process that inherits it keeps the lock."""

    @property
    def exists(self) -> bool:
        """Whether the folder of the rehearsed lab exists."""
        return self.folder.exists()

    @property
    def machines(self) -> dict[str, Machine]:
        """The lab's machines by name."""
        records = sorted((self.folder / "machines").glob("*/machine.json"))
        return {file.parent.name: Machine(file.parent, self.netns) for file in records}

    @property
    def private_key(self) -> Path:
        """Path of the private SSH key that every simulated machine accepts."""
        return self.folder / "keys/ssh"

    @property
    def address(self) -> str:
        """The IP address of the host in the LAN of the rehearsed lab."""
        return str(json.loads((self.folder / "network.json").read_text())["address"])

    @property
    def kubeconfig(self) -> Path:
        """Path of the kubeconfig from the last successful `pulumi up`."""
        return self.folder / "kubeconfig"

    @property
    def mirror(self) -> Path:
        """The folder that the lab's HTTP mirror serves to the machines."""
        return self.folder / "mirror"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of the lab during the `with` block; fail at once if another command holds the lock."""
        with (labs_folder() / f"{self.stack}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RehearsalError(
                    f"Another command is changing the lab of {self.stack}: wait until the command ends, or kill the "
                    f"command and delete the lab with `./homelab rehearse down --force --stack {self.stack}`."
                ) from None
            self.lock = lock.fileno()
            try:
                yield
            finally:
                self.lock = None

    def machine(self, name: str) -> Machine:
        """Return the simulated machine `name`; if no machine has the name, fail with a list of all machines."""
        machines = self.machines
        if name not in machines:
            existing = ", ".join(machines) or "none; `./homelab rehearse up` creates the machines"
            raise RehearsalError(f"The lab of {self.stack} has no machine {name} (it has: {existing}).")
        return machines[name]

    def provision(self, cluster: ClusterSettings, image: Path) -> None:
        """Create the lab's network and the missing machines, but do not start the machines."""
        for folder in ("machines", "keys", "project", VOLUMES_FOLDER):
            (self.folder / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder.chmod(0o700)
        if not self.private_key.exists():
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "rehearsal", "-f", self.private_key])
        self._network(cluster)
        for unfinished in (self.folder / "machines").iterdir():
            if not (unfinished / "machine.json").exists():
                shutil.rmtree(unfinished)
        present = self.machines
        public = self.private_key.with_suffix(".pub").read_text().strip()
        for spec in machine_specs.specifications(cluster, self.address, public):
            if spec.name not in present:
                Machine.create(self.folder / "machines" / spec.name, self.netns, spec, image)

    def start(self) -> None:
        """Boot all simulated machines that are not switched off, and wait until these machines accept SSH logins."""
        to_boot = [machine for machine in self.machines.values() if not machine.switched_off]
        for machine in to_boot:
            self._power_on(machine)
        for machine in to_boot:
            machine.wait_until_up()
        self.write_known_hosts()

    def remove(self) -> None:
        """Kill all processes of the rehearsed lab, and delete its network and files, even if the lab is incomplete."""
        for machine in self.machines.values():
            machine.power_off()
        self.netns.delete()
        if self.exists:
            shutil.rmtree(self.folder)

    def power_on(self, name: str) -> None:
        """Switch a simulated machine on, and wait until the machine accepts SSH logins."""
        machine = self.machine(name)
        machine.switched_off = False
        self._power_on(machine)
        machine.wait_until_up()

    def power_off(self, name: str) -> None:
        """Cut a simulated machine's power; the machine stays off until `power_on`."""
        self.machine(name).switched_off = True
        self.machine(name).power_off()

    def wipe(self, name: str, *, new_host_key: bool = False) -> None:
        """Replace a simulated machine's disk with a new disk, and boot the machine."""
        self.machine(name).wipe(new_host_key=new_host_key)
        self.write_known_hosts()
        self.power_on(name)

    def ssh_command(self, name: str, *command: str, terminal: bool = False) -> list[str]:
        """Build the SSH command line that runs `command`, or a shell, on a simulated machine."""
        spec = self.machine(name).spec
        options = {
            "UserKnownHostsFile": self.folder / "known_hosts",
            "IdentitiesOnly": "yes",
            "BatchMode": "yes",
            "ConnectTimeout": 5,
            "ServerAliveInterval": 2,
            "LogLevel": "ERROR",
        }
        words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        target = ["-p", str(spec.port), f"{spec.user}@{spec.address}", *command]
        flag = ["-t"] if terminal else []
        return self.netns.command("ssh", "-F", "none", "-i", self.private_key, *flag, *words, *target)

    def ssh(self, name: str, *command: str) -> str:
        """Run `command` on a simulated machine, and return the output; fail if the command fails."""
        return run(self.ssh_command(name, *command))

    def kubectl_command(self, *arguments: str) -> tuple[list[str], dict[str, str]]:
        """Build the command line and the environment of `kubectl`, which connects to the cluster's API endpoint."""
        if not self.kubeconfig.exists():
            raise RehearsalError("The rehearsed lab has no kubeconfig yet: run `./homelab rehearse up` first.")
        programs = sorted(self.mirror.glob("*/k3s"), key=lambda program: program.stat().st_mtime)
        on_path = shutil.which("kubectl")
        program = [on_path] if on_path else [str(programs[-1]), "kubectl"]
        # `k3s` unpacks its programs into K3S_DATA_DIR; the default folder may belong to a K3s that runs on the host
        variables = {"KUBECONFIG": str(self.kubeconfig), "K3S_DATA_DIR": str(self.folder / "k3s")}
        return self.netns.command(*program, *arguments), os.environ | variables

    def with_kubectl(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return environment variables with `kubectl` on the PATH: the host's kubectl, or else the lab's `k3s`."""
        programs = sorted(self.mirror.glob("*/k3s"), key=lambda program: program.stat().st_mtime)
        if not programs or shutil.which("kubectl", path=environment["PATH"]):
            return dict(environment)
        link = self.folder / "bin/kubectl"  # under this name, `k3s` runs its kubectl
        if not link.is_symlink() or link.readlink() != programs[-1]:
            link.parent.mkdir(exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(programs[-1])
        variables = {"PATH": f"{link.parent}:{environment['PATH']}", "K3S_DATA_DIR": str(self.folder / "k3s")}
        return {**environment, **variables}

    def kubectl(self, *arguments: str) -> str:
        """Run a `kubectl` command and return the output; fail if the command fails."""
        command, environment = self.kubectl_command(*arguments)
        return run(command, env=environment)

    def write_known_hosts(self) -> None:
        """Write the known_hosts file with every machine's host key."""
        lines = [
            f"{f'[{m.spec.address}]:{m.spec.port}' if m.spec.port != 22 else m.spec.address} {m.host_key}\n"
            for m in self.machines.values()
        ]
        (self.folder / "known_hosts").write_text("".join(lines))

    def _network(self, cluster: ClusterSettings) -> None:
        record = self.folder / "network.json"
        if not record.exists():
            network = {"lan": cluster.lan, "address": machine_specs.choose_gateway(cluster)}
            record.write_text(json.dumps(network))
        network = json.loads(record.read_text())
        if network["lan"] != cluster.lan or network["address"] in machine_specs.used_addresses(cluster):
            raise RehearsalError(
                "The network of the rehearsed lab does not match the changed `lan` or addresses in the stack file: "
                "run `./homelab rehearse down`, then `./homelab rehearse up`."
            )
        if not self.netns.exists:
            self.netns.create(machine_specs.lan(cluster), self.address)

    def _power_on(self, machine: Machine) -> None:
        machine.provision(self.folder / "provisioning" / machine.spec.role)
        machine.power_on()
