"""A rehearsal under test: its stack file can be edited, its engine watched and killed, its machines broken."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from components import k3s
from rehearsal.lab import Lab
from rehearsal.pulumi import Engine
from rehearsal.session import Session, open_session
from rehearsal.shell import RehearsalError, run

PATIENCE = 900  # seconds for one run of the engine on a busy computer


class Rehearsal:
    """A lab with a stack file of its own."""

    def __init__(self, stack: str, document: dict[str, Any], folder: Path, apps: Sequence[Path] = ()) -> None:
        self.document = document
        self.apps = apps
        self.file = folder / f"Pulumi.{stack}.yaml"
        self.lab = Lab(stack)
        self.session = self.open()

    @property
    def cluster(self) -> dict[str, Any]:
        """The cluster's settings, to be edited; `open` puts them in force."""
        settings = self.document["config"]["homelab:cluster"]
        assert isinstance(settings, dict)
        return settings

    def node(self, name: str) -> dict[str, Any]:
        """A node's settings, to be edited."""
        found = next(node for node in self.cluster["nodes"] if node["name"] == name)
        assert isinstance(found, dict)
        return found

    def open(self) -> Session:
        """Put the stack file as it is now in force."""
        self.file.write_text(yaml.safe_dump(self.document, sort_keys=False))
        self.session = open_session(self.lab, lambda _: None, file=self.file, apps=self.apps)
        return self.session

    def app(self, stack: str) -> Engine:
        """The engine of an app's stack."""
        return next(engine for engine in self.session.apps if engine.stack == stack)

    def pulumi(self, *arguments: str, engine: Engine | None = None) -> tuple[int, str]:
        """Run the engine, of the lab or of an app on it; returns its exit code and all it said."""
        process = (engine or self.session.engine).start(*arguments, output=subprocess.PIPE)
        said, _ = process.communicate(timeout=PATIENCE)
        return process.returncode, said

    def succeeds(self, *arguments: str, engine: Engine | None = None) -> str:
        """A run of the engine, which must succeed; returns what it said."""
        code, said = self.pulumi(*arguments, engine=engine)
        assert code == 0, verdict(said)
        return said

    def up(self, *options: str, engine: Engine | None = None) -> str:
        """`pulumi up`, which must succeed; returns what it said."""
        said = self.succeeds("up", "--yes", "--skip-preview", *options, engine=engine)
        self.session.engine.save_kubeconfig()
        return said

    def refused(self, *options: str) -> str:
        """`pulumi up`, which must fail; returns what it said."""
        code, said = self.pulumi("up", "--yes", "--skip-preview", *options)
        assert code != 0, verdict(said)
        return said

    def killed_at(self, moment: str, before: Callable[[str], object] = lambda _: None) -> str:
        """`pulumi up`, killed outright with all its plugins when a line says `moment` (an expression); the line.

        `before` is called with the line first, and may wait.
        """
        found = ""

        def kill(process: subprocess.Popen[str], line: str) -> None:
            nonlocal found
            found = line
            try:
                before(line)
            finally:
                kill_tree(process.pid)

        self._up_until(moment, kill)
        return found

    def killed_when(self, condition: Callable[[], object], what: str) -> None:
        """`pulumi up`, killed outright with all its plugins as soon as `condition` holds."""
        process = self.session.engine.start("up", "--yes", "--skip-preview", output=subprocess.DEVNULL)
        try:
            wait_until(lambda: condition() or process.poll() is not None, what, PATIENCE)
            assert process.poll() is None, f"{what}: `up` ended before"
        finally:
            kill_tree(process.pid)
            process.wait()

    def up_although(self, moment: str, act: Callable[[], object]) -> str:
        """`pulumi up`, which must succeed although something happens at `moment` (an expression)."""
        code, said = self._up_until(moment, lambda *_: act())
        assert code == 0, verdict(said)
        self.session.engine.save_kubeconfig()
        return said

    def up_whatever(self, moment: str, act: Callable[[], object]) -> str:
        """`pulumi up`, during which something happens at `moment` (an expression), and which may fail."""
        _, said = self._up_until(moment, lambda *_: act())
        return said

    def _up_until(self, moment: str, act: Callable[[subprocess.Popen[str], str], object]) -> tuple[int, str]:
        process = self.session.engine.start("up", "--yes", "--skip-preview", output=subprocess.PIPE)
        assert process.stdout
        said, acted = "", False
        for line in process.stdout:
            said += line
            if not acted and re.search(moment, line):
                act(process, line)
                acted = True
        code = process.wait()
        assert acted, f"{moment} never came:\n{said}"
        return code, said

    def homelab(self, *arguments: str, code: int = 0) -> str:
        """What a command of `./homelab` says, which must end with this code."""
        process = self.session.engine.homelab(*arguments, output=subprocess.PIPE)
        said, _ = process.communicate(timeout=PATIENCE)
        print(f"$ ./homelab {' '.join(arguments)}\n{said}", flush=True)
        assert process.returncode == code, said
        return str(said)

    def kubectl(self, *arguments: str) -> str:
        """What kubectl prints, through the stack's own kubeconfig."""
        return self.lab.kubectl(*arguments)

    def said_to(self, kubeconfig: Path, *arguments: str, given: Any = None) -> str:
        """What kubectl says to who has this kubeconfig, whether or not it does what he wants; `given` is an object."""
        command, environment = self.lab.kubectl_command(*arguments)
        done = subprocess.run(
            command, env=environment | {"KUBECONFIG": str(kubeconfig)}, capture_output=True, text=True, check=False,
            input=None if given is None else json.dumps(given),
        )  # fmt: skip
        print(f"$ kubectl {' '.join(arguments)}\n{done.stdout}{done.stderr}", flush=True)
        return done.stdout + done.stderr

    def root(self, machine: str, script: str) -> str:
        """Run a script as root on a machine and return what it prints; no log there keeps the script."""
        return run(self.lab.ssh_command(machine, "sudo sh -s"), stdin=script)

    def in_pod(self, namespace: str, labels: str, command: str) -> str:
        """Run a command of the machine in the network of a pod; returns what it prints."""
        (pod, *_) = yaml.safe_load(self.kubectl("get", "pods", "-n", namespace, "-l", labels, "-o", "yaml"))["items"]
        of_pod = f"pod{pod['metadata']['uid']}"
        process = f"grep -lE '{of_pod}|{of_pod.replace('-', '_')}' /proc/[0-9]*/cgroup | head -n 1 | cut -d/ -f3"
        return self.root(pod["spec"]["nodeName"], f"nsenter --net --target $({process}) {command}")

    def nodes(self) -> dict[str, dict[str, str]]:
        """The conditions of every node by name."""
        items = yaml.safe_load(self.kubectl("get", "nodes", "-o", "yaml"))["items"]
        return {
            item["metadata"]["name"]: {c["type"]: c["status"] for c in item["status"]["conditions"]} for item in items
        }

    def ready(self) -> set[str]:
        """The nodes that are Ready."""
        return {name for name, conditions in self.nodes().items() if conditions["Ready"] == "True"}

    def voters(self) -> set[str]:
        """The servers that vote in etcd."""
        return {name for name, conditions in self.nodes().items() if conditions.get("EtcdIsVoter") == "True"}

    def given_power(self, name: str) -> None:
        """Give a machine its power back and wait until the cluster has seen it boot."""
        self.lab.power_on(name)
        boot = self.root(name, "cat /proc/sys/kernel/random/boot_id").strip()
        seen = ["get", "node", name, "-o", "jsonpath={.status.nodeInfo.bootID}"]
        wait_until(lambda: self.kubectl(*seen) == boot, f"{name} has reported to the cluster again")

    def unchanged(self, *options: str) -> None:
        """`pulumi up`, which must find nothing to do."""
        said = self.up(*options)
        assert re.search(r"Resources:\n +\d+ unchanged\n", said), said

    def holder(self) -> str:
        """The machine that has the virtual address."""
        address = self.cluster["api"]["vip"]
        names = [node["name"] for node in self.cluster["nodes"] if node["role"] == "server"]
        found = [name for name in names if self._on(name) and self.root(name, f"ip -o addr show to {address}")]
        assert len(found) == 1, found
        return str(found[0])

    def answers(self) -> bool:
        """Whether the API answers through the virtual address: who is not known is told so by the API server itself."""
        url = f"https://{k3s.endpoint(self.session.settings.cluster)}/version"
        probe = ["curl", "-ks", "--max-time", "1", "-o", "/dev/null", "-w", "%{http_code}", url]
        done = subprocess.run(self.lab.namespace.command(*probe), capture_output=True, text=True, check=False)
        return done.stdout == "401"

    def _on(self, name: str) -> bool:
        return self.lab.machine(name).running


@contextmanager
def rehearsal(stack: str, document: dict[str, Any], folder: Path, apps: Sequence[Path] = ()) -> Iterator[Rehearsal]:
    """A lab that is gone afterwards, whatever happened; `apps` are stack files of apps on it."""
    lab = Lab(stack)
    lab.stop()
    with lab.locked():
        try:
            yield Rehearsal(stack, document, folder, apps)
        finally:
            lab.stop()


def wait_until(condition: Callable[[], object], what: str, seconds: float = 180) -> None:
    """Poll until the condition holds."""
    end = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except RehearsalError:  # what is asked does not answer yet
            pass
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.2)


def verdict(said: str) -> str:
    """What a run of the engine ended with: its diagnostics, or where there are none its last lines."""
    _, found, diagnostics = said.partition("\nDiagnostics:\n")
    return diagnostics if found else "\n".join(said.splitlines()[-40:])


def longest_gap(condition: Callable[[], bool], act: Callable[[], object]) -> float:
    """Seconds for which a condition did not hold, at the longest, while something was done."""
    times: list[float] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            if condition():
                times.append(time.monotonic())
            time.sleep(0.1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        act()
    finally:
        done.set()
        watcher.join()
    return max((after - before for before, after in pairwise(times)), default=0.0)


def kill_tree(pid: int) -> None:
    """Kill a process and all it started, by whichever of its threads, at once."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            found += [int(child) for child in children.read_text().split()]
    for each in found:
        try:
            os.kill(each, signal.SIGKILL)
        except ProcessLookupError:
            continue
