"""Runs Pulumi in the network of a rehearsed lab, with a Pulumi backend in the lab's folder."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import yaml

from rehearsal.derived_stackfile import DerivedStackFile
from rehearsal.lab import Lab
from rehearsal.paths import PROJECT
from rehearsal.shell import run
from rehearsal.tools import Toolchain

# these commands read the stack's configuration, so they need --config-file with the rehearsal's stack file
CONFIG_COMMANDS = {"up", "update", "preview", "pre", "refresh", "destroy", "config", "import", "watch"}
CHANGING_COMMANDS = {"up", "update", "destroy"}
PARALLEL_COMMANDS = {"up", "update", "preview", "pre", "refresh", "destroy"}


class Engine:
    """Pulumi's engine for one stack of a rehearsed lab: the lab's stack, or the stack of an app on the lab.

    Pulumi's engine neither uses nor changes the user's Pulumi login and stacks.
    """

    def __init__(self, lab: Lab, tools: Toolchain, stack: str) -> None:
        self.lab = lab
        self.tools = tools
        self.stack = stack
        self.folder = lab.folder / "project"
        self.stack_file = self.folder / f"Pulumi.{stack}.yaml"

    def prepare(self, derived: DerivedStackFile) -> None:
        """Write the rehearsal's stack file, and create the Pulumi stack in the backend of the rehearsed lab."""
        for folder in (self.folder, self._backend, self._home):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # `pulumi stack init` writes a stack file, so a separate project folder protects the user's stack file
        name = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text())["name"]
        (self.folder / "Pulumi.yaml").write_text(yaml.safe_dump({"name": name, "runtime": "python"}))
        if not list(self._backend.glob(f".pulumi/stacks/*/{self.stack}.json")):
            self.stack_file.unlink(missing_ok=True)
            self._in_own_project("stack", "init", self.stack, "--no-select")
            self._forget_all_but_salt()
        self._unlock()
        for key, value in derived.write(self.stack_file).items():
            self._in_own_project("config", "set", "--secret", key, stdin=value)

    def start(self, *arguments: str, output: IO[str] | int | None = None) -> subprocess.Popen[str]:
        """Start `pulumi` on the user's terminal, or redirect the output of `pulumi` to `output`."""
        return subprocess.Popen(
            self._command(*arguments),
            cwd=PROJECT,
            env=self.environment,
            stdout=output,
            stderr=None if output is None else subprocess.STDOUT,
            # the engine inherits the lab's lock, so the lab stays locked if homelab is killed before the engine ends
            pass_fds=() if self.lab.lock is None else (self.lab.lock,),
            text=True,
        )

    def run(self, *arguments: str, quiet: bool = False) -> int:
        """Run `pulumi` on the user's terminal, or without output if `quiet`; return its exit code."""
        process = self.start(*arguments, output=subprocess.DEVNULL if quiet else None)
        try:
            code = process.wait()
        except KeyboardInterrupt:
            # Ctrl-C also interrupts Pulumi: wait until Pulumi has shut down cleanly
            process.wait()
            raise
        if code == 0 and CHANGING_COMMANDS.intersection(arguments):
            self.save_kubeconfig()
        return code

    def start_homelab(self, verb: str, *arguments: str, output: IO[str] | int | None = None) -> subprocess.Popen[str]:
        """Start a `./homelab` command in the network of the rehearsed lab, with the rehearsal's stack file."""
        # in `./homelab app COMMAND`, the options --stack and --config-file must follow COMMAND
        command, options = ((verb, *arguments[:1]), arguments[1:]) if verb == "app" else ((verb,), arguments)
        words = [*command, "--stack", self.stack, "--config-file", str(self.stack_file), *options]
        return subprocess.Popen(
            self.lab.netns.command(sys.executable, "-m", "cli", *words),
            cwd=PROJECT,
            env=self.lab.with_kubectl(self.environment) | {"PYTHONPATH": str(PROJECT), "HOME": str(self._home)},
            stdout=output,
            stderr=None if output is None else subprocess.STDOUT,
            text=True,
        )

    def capture(self, *arguments: str) -> str:
        """Run a `pulumi` command and return the output; fail if the command fails."""
        return run(self._command(*arguments), cwd=PROJECT, env=self.environment)

    def outputs(self) -> Mapping[str, object]:
        """Return the outputs of the Pulumi stack, with secrets in plaintext."""
        outputs = json.loads(self.capture("stack", "output", "--json", "--show-secrets"))
        assert isinstance(outputs, dict)
        return outputs

    @property
    def event_log(self) -> Path:
        """Path of the event log that Pulumi wrote during the last `pulumi up`."""
        return self.lab.folder / f"events-{self.stack}.jsonl"

    @property
    def _backend(self) -> Path:
        return self.lab.folder / "pulumi/backend"

    @property
    def _home(self) -> Path:
        return self.lab.folder / "pulumi/home"

    def _command(self, *arguments: str) -> list[str]:
        words = list(arguments)
        verb = next((word for word in words if not word.startswith("-")), "")
        if verb in CONFIG_COMMANDS and not any(word.startswith("--config-file") for word in words):
            words += ["--config-file", str(self.stack_file)]
        if verb in PARALLEL_COMMANDS and not any(word.startswith(("-p", "--parallel")) for word in words):
            words += ["--parallel", "64"]
        if verb in ("up", "update"):
            self.event_log.unlink(missing_ok=True)
            words += ["--event-log", str(self.event_log)]
        return self.lab.netns.command(self.program, *words)

    @property
    def program(self) -> Path:
        """The path of Pulumi's CLI."""
        assert self.tools.pulumi.path
        return self.tools.pulumi.path

    def save_kubeconfig(self) -> None:
        """Write the stack output `kubeconfig` to the lab's kubeconfig file; without the output, delete the file."""
        if self.stack != self.lab.stack:
            return
        content = self.outputs().get("kubeconfig")
        self.lab.kubeconfig.unlink(missing_ok=True)
        if isinstance(content, str):
            self.lab.kubeconfig.touch(mode=0o600)
            self.lab.kubeconfig.write_text(content)

    def _in_own_project(self, *arguments: str, stdin: str | None = None) -> None:
        run([self.program, *arguments], stdin=stdin, cwd=self.folder, env=self.environment)

    def _forget_all_but_salt(self) -> None:
        salt = yaml.safe_load(self.stack_file.read_text())["encryptionsalt"]
        self.stack_file.write_text(yaml.safe_dump({"encryptionsalt": salt, "config": {}}))

    def _unlock(self) -> None:
        """Remove the stack lock that a killed Pulumi process has left. No other Pulumi process can hold it, because
        homelab holds the lock of the rehearsed lab."""
        if any(self._backend.glob(f".pulumi/locks/**/{self.stack}/*.json")):
            self._in_own_project("cancel", "--yes")

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables for Pulumi's engine."""
        private = ("PULUMI_ACCESS_TOKEN", "PULUMI_BACKEND_URL", "SSH_AUTH_SOCK", "SSH_AGENT_PID", "KUBECONFIG")
        environment = {key: value for key, value in os.environ.items() if key not in private}
        environment |= {
            "PATH": self.tools.path_env,
            "PULUMI_HOME": str(self._home),
            # metadata=skip, because a killed run could leave a broken `.attrs` metadata file that blocks later runs
            "PULUMI_BACKEND_URL": f"file://{self._backend}?metadata=skip",
            "PULUMI_CONFIG_PASSPHRASE": "rehearsal",  # public, because the lab's secrets are placeholders
            "PULUMI_STACK": self.stack,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DEBUG_COMMANDS": "true",  # enables --event-log
        }
        if not self.tools.kubernetes.official:
            environment["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
        return environment
