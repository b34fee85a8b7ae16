"""A lab under test: tests edit its stack file, watch and kill its Pulumi engine, and break its machines."""

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

from components.cluster.k3s import config
from rehearsal.lab import Lab
from rehearsal.pulumi import Engine
from rehearsal.session import Session, open_session
from rehearsal.shell import RehearsalError, run

TIMEOUT = 900  # seconds until a run of the engine times out, on a busy computer


class RehearsedLab:
    """A lab and its own stack file."""

    def __init__(self, stack: str, document: dict[str, Any], folder: Path, apps: Sequence[Path] = ()) -> None:
        self.document = document
        self.apps = apps
        self.file = folder / f"Pulumi.{stack}.yaml"
        self.lab = Lab(stack)
        self.session = self.reopen()

    @property
    def cluster(self) -> dict[str, Any]:
        """The cluster's settings, which tests edit; `open` writes them to the stack file."""
        settings = self.document["config"]["homelab:cluster"]
        assert isinstance(settings, dict)
        return settings

    def node_settings(self, name: str) -> dict[str, Any]:
        """Return a node's settings, which tests edit."""
        found = next(node for node in self.cluster["nodes"] if node["name"] == name)
        assert isinstance(found, dict)
        return found

    def reopen(self) -> Session:
        """Write the stack file with its edits and open a new session."""
        self.file.write_text(yaml.safe_dump(self.document, sort_keys=False))
        self.session = open_session(self.lab, lambda _: None, file=self.file, apps=self.apps)
        return self.session

    def app_engine(self, stack: str) -> Engine:
        """Return the engine of an app stack."""
        return next(engine for engine in self.session.apps if engine.stack == stack)

    def pulumi(self, *arguments: str, engine: Engine | None = None) -> tuple[int, str]:
        """Run Pulumi on the lab's stack, or with `engine` on an app's; return its exit code and output."""
        process = (engine or self.session.engine).start(*arguments, output=subprocess.PIPE)
        output, _ = process.communicate(timeout=TIMEOUT)
        return process.returncode, output

    def pulumi_succeeds(self, *arguments: str, engine: Engine | None = None) -> str:
        """Run Pulumi, which must succeed; return its output."""
        code, output = self.pulumi(*arguments, engine=engine)
        assert code == 0, diagnostics(output)
        return output

    def up(self, *options: str, engine: Engine | None = None) -> str:
        """Run `pulumi up`, which must succeed; return its output."""
        output = self.pulumi_succeeds("up", "--yes", "--skip-preview", *options, engine=engine)
        self.session.engine.save_kubeconfig()
        return output

    def up_fails(self, *options: str) -> str:
        """Run `pulumi up`, which must fail; return its output."""
        code, output = self.pulumi("up", "--yes", "--skip-preview", *options)
        assert code != 0, diagnostics(output)
        return output

    def kill_up_at(self, moment: str, before: Callable[[str], object] = lambda _: None) -> str:
        """Run `pulumi up`; kill it and its plugins when a line matches the regex `moment`; return the line.

        Before that, call `before` with the line; `before` may wait.
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

    def kill_up_when(self, condition: Callable[[], object], what: str) -> None:
        """Run `pulumi up`; kill it and its plugins as soon as `condition` holds."""
        process = self.session.engine.start("up", "--yes", "--skip-preview", output=subprocess.DEVNULL)
        try:
            wait_until(lambda: condition() or process.poll() is not None, what, TIMEOUT)
            assert process.poll() is None, f"{what}: `up` ended before"
        finally:
            kill_tree(process.pid)
            process.wait()

    def up_despite(self, moment: str, act: Callable[[], object]) -> str:
        """Run `pulumi up` and call `act` when a line matches the regex `moment`; the run must succeed."""
        code, output = self._up_until(moment, lambda *_: act())
        assert code == 0, diagnostics(output)
        self.session.engine.save_kubeconfig()
        return output

    def up_may_fail(self, moment: str, act: Callable[[], object]) -> str:
        """Run `pulumi up` and call `act` when a line matches the regex `moment`; the run may fail."""
        _, output = self._up_until(moment, lambda *_: act())
        return output

    def _up_until(self, moment: str, act: Callable[[subprocess.Popen[str], str], object]) -> tuple[int, str]:
        process = self.session.engine.start("up", "--yes", "--skip-preview", output=subprocess.PIPE)
        assert process.stdout
        output, acted = "", False
        for line in process.stdout:
            output += line
            if not acted and re.search(moment, line):
                act(process, line)
                acted = True
        code = process.wait()
        assert acted, f"{moment} never came:\n{output}"
        return code, output

    def homelab(self, *arguments: str, code: int = 0, engine: Engine | None = None) -> str:
        """Run a `./homelab` command, which exits with `code`, on the stack of `engine`; return its output."""
        process = (engine or self.session.engine).start_homelab(*arguments, output=subprocess.PIPE)
        output, _ = process.communicate(timeout=TIMEOUT)
        print(f"$ ./homelab {' '.join(arguments)}\n{output}", flush=True)
        assert process.returncode == code, output
        return str(output)

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl with the stack's kubeconfig; return its output."""
        return self.lab.kubectl(*arguments)

    def kubectl_as(self, kubeconfig: Path, *arguments: str, stdin: Any = None) -> str:
        """Run kubectl with another kubeconfig, and with `stdin` as JSON input; return its output, or its error."""
        command, environment = self.lab.kubectl_command(*arguments)
        done = subprocess.run(
            command, env=environment | {"KUBECONFIG": str(kubeconfig)}, capture_output=True, text=True, check=False,
            input=None if stdin is None else json.dumps(stdin),
        )  # fmt: skip
        print(f"$ kubectl {' '.join(arguments)}\n{done.stdout}{done.stderr}", flush=True)
        return done.stdout + done.stderr

    def run_as_root(self, machine: str, script: str) -> str:
        """Run a script as root on a machine; return its output. The machine's logs do not contain the script."""
        return run(self.lab.ssh_command(machine, "sudo sh -s"), stdin=script)

    def run_in_pod(self, namespace: str, labels: str, command: str) -> str:
        """Run a program of the machine in a pod's network namespace; return its output."""
        (pod, *_) = yaml.safe_load(self.kubectl("get", "pods", "-n", namespace, "-l", labels, "-o", "yaml"))["items"]
        of_pod = f"pod{pod['metadata']['uid']}"
        process = f"grep -lE '{of_pod}|{of_pod.replace('-', '_')}' /proc/[0-9]*/cgroup | head -n 1 | cut -d/ -f3"
        return self.run_as_root(pod["spec"]["nodeName"], f"nsenter --net --target $({process}) {command}")

    def node_conditions(self) -> dict[str, dict[str, str]]:
        """Return the conditions of every node, by node name."""
        items = yaml.safe_load(self.kubectl("get", "nodes", "-o", "yaml"))["items"]
        return {
            item["metadata"]["name"]: {c["type"]: c["status"] for c in item["status"]["conditions"]} for item in items
        }

    def ready_nodes(self) -> set[str]:
        """Return the names of nodes that are Ready."""
        return {name for name, conditions in self.node_conditions().items() if conditions["Ready"] == "True"}

    def etcd_voters(self) -> set[str]:
        """Return the names of servers that are etcd voters."""
        return {name for name, conditions in self.node_conditions().items() if conditions.get("EtcdIsVoter") == "True"}

    def power_on(self, name: str) -> None:
        """Switch a machine on and wait until its Node reports the new boot."""
        self.lab.power_on(name)
        boot = self.run_as_root(name, "cat /proc/sys/kernel/random/boot_id").strip()
        seen = ["get", "node", name, "-o", "jsonpath={.status.nodeInfo.bootID}"]
        wait_until(lambda: self.kubectl(*seen) == boot, f"{name} has reported to the cluster again")

    def up_changes_nothing(self, *options: str) -> None:
        """Run `pulumi up`, which must change nothing."""
        output = self.up(*options)
        assert re.search(r"Resources:\n +\d+ unchanged\n", output), output

    def vip_holder(self) -> str:
        """Return the name of the machine that has the API's virtual IP."""
        address = self.cluster["api"]["vip"]
        names = [node["name"] for node in self.cluster["nodes"] if node["role"] == "server"]
        found = [
            name for name in names if self._is_running(name) and self.run_as_root(name, f"ip -o addr show to {address}")
        ]
        assert len(found) == 1, found
        return str(found[0])

    def api_answers(self) -> bool:
        """Return whether the API server answers at its endpoint: anonymous requests get its own status 401."""
        url = f"https://{config.api_endpoint(self.session.settings.cluster)}/version"
        probe = ["curl", "-ks", "--max-time", "1", "-o", "/dev/null", "-w", "%{http_code}", url]
        done = subprocess.run(self.lab.netns.command(*probe), capture_output=True, text=True, check=False)
        return done.stdout == "401"

    def _is_running(self, name: str) -> bool:
        return self.lab.machine(name).running


@contextmanager
def rehearse(stack: str, document: dict[str, Any], folder: Path, apps: Sequence[Path] = ()) -> Iterator[RehearsedLab]:
    """Create a lab and remove it afterwards, even after failures; `apps` are stack files of apps on it."""
    lab = Lab(stack)
    lab.remove()
    with lab.locked():
        try:
            yield RehearsedLab(stack, document, folder, apps)
        finally:
            lab.remove()


def wait_until(condition: Callable[[], object], what: str, seconds: float = 180) -> None:
    """Poll until the condition holds; fail with `what` after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except RehearsalError:  # the queried API or machine does not answer yet
            pass
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.2)


def diagnostics(output: str) -> str:
    """Return the diagnostics in Pulumi's output, or without diagnostics its last lines."""
    _, found, text = output.partition("\nDiagnostics:\n")
    return text if found else "\n".join(output.splitlines()[-40:])


def longest_outage(condition: Callable[[], bool], act: Callable[[], object]) -> float:
    """Call `act` and return the longest time in seconds during which `condition` did not hold.

    An outage that outlasts `act` also counts: the function waits until `condition` holds again.
    """
    times = [time.monotonic()]
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
    wait_until(condition, "the condition holds again")
    return max(after - before for before, after in pairwise([*times, time.monotonic()]))


def kill_tree(pid: int) -> None:
    """Kill a process and all its descendants, which any of its threads may have started."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            found += [int(child) for child in children.read_text().split()]
    for each in found:
        try:
            os.kill(each, signal.SIGKILL)
        except ProcessLookupError:
            continue
