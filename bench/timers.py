"""Functions that measure the durations of `pulumi` with a lab's stack or an empty program, and of `baseline.sh`."""

import os
import secrets
import subprocess
import time
from pathlib import Path

import yaml

from bench.labs import VIP
from components.cluster.k3s import config
from rehearsal.paths import PROJECT
from rehearsal.pulumi import Engine
from rehearsal.session import Session
from rehearsal.shell import RehearsalError, run
from stacks.settings import LabStack

BASELINE = Path(__file__).with_name("baseline.sh")
OPTIONS = {"up": ("--yes", "--skip-preview"), "preview": ()}


def time_pulumi(engine: Engine, verb: str) -> float:
    """Run `pulumi up` or `pulumi preview`; return the duration in seconds. Raises `RehearsalError` if Pulumi fails."""
    start = time.monotonic()
    process = engine.start(verb, *OPTIONS[verb], output=subprocess.PIPE)
    output, _ = process.communicate()
    seconds = time.monotonic() - start
    if process.returncode:
        raise RehearsalError(f"pulumi {verb} {engine.stack} exited with code {process.returncode}:\n{output}")
    return seconds


class EmptyProgram:
    """An empty Pulumi program that uses a lab's Pulumi CLI, Python environment and state backend."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._folder = folder / "empty"
        self._folder.mkdir()
        runtime = {"name": "python", "options": {"toolchain": "pip", "virtualenv": str(PROJECT / ".venv")}}
        (self._folder / "Pulumi.yaml").write_text(yaml.safe_dump({"name": "empty", "runtime": runtime}))
        (self._folder / "__main__.py").write_text("import pulumi\n")
        self._pulumi("stack", "init", "empty")
        self.time("up")

    def time(self, verb: str) -> float:
        """Run `pulumi up` or `pulumi preview` on the empty program; return the duration in seconds."""
        start = time.monotonic()
        self._pulumi(verb, *OPTIONS[verb], "--stack", "empty", "--parallel", "64")
        return time.monotonic() - start

    def _pulumi(self, *arguments: str) -> None:
        command = self._engine.lab.netns.command(self._engine.program, *arguments, "--non-interactive")
        run(command, cwd=self._folder, env=self._engine.environment)


def time_baseline(session: Session) -> float:
    """Build a simulated cluster with the script `baseline.sh` instead of homelab; return the duration in seconds."""
    lab, cluster = session.lab, session.settings.cluster
    cluster_in_lab = LabStack.read(session.engine.stack_file).cluster
    environment = os.environ | {
        "KEY": str(lab.private_key),
        "KNOWN_HOSTS": str(lab.folder / "known_hosts"),
        "LOGIN": cluster.ssh.user,
        "MIRROR": config.release_variables(cluster_in_lab)["RELEASES"],
        "VIP": VIP,
        "TOKEN": secrets.token_hex(16),
    }
    nodes = "".join(f"{node.name} {node.role} {node.address}\n" for node in cluster.nodes)
    start = time.monotonic()
    run(lab.netns.command(BASELINE), stdin=nodes, env=environment)
    return time.monotonic() - start
