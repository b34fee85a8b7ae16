"""Runs scripts as they are on a machine that is a folder: files below it, tools on PATH that answer as told."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from provider.ssh.connections import render_script
from tests.support.settings_fixtures import ROOT

SCRIPTS = ROOT / "components/scripts"
MOVED = (
    "/etc/exports", "/var/lib/homelab", "/var/lib/rook", "/run/homelab", "/dev/disk", "/sys/module",
    "/etc/nomad.d", "/etc/systemd/system/nomad", "/usr/local/bin/", "/var/lib/nomad", "/sys/fs/cgroup/nomad",
    "/etc/rancher", "/var/lib/rancher", "/etc/cni", "/etc/hostname", "/etc/hosts", "/etc/machine-id",
    "/etc/modules-load.d", "/etc/sysctl.d", "/etc/keepalived", "/etc/haproxy", "/run/systemd", "/proc/filesystems",
    "/sys/fs/cgroup/cgroup.controllers", "/proc/self/mounts", "/boot/", "/var/lib/kubelet", "/run/k3s",
    "/etc/systemd/system/$service", "/sys/fs/cgroup/memory", "/proc/cmdline",
)  # fmt: skip


PASSING = "read -r now _ <proc/uptime; echo $((${now%.*} + 3600)).00 0 >proc/uptime"


@dataclass(frozen=True)
class Run:
    status: int
    output: str
    errors: str
    calls: list[str]

    @property
    def progress(self) -> list[str]:
        return [line.removeprefix("==> ") for line in self.errors.splitlines() if line.startswith("==> ")]


@dataclass(frozen=True)
class Fake:
    """A machine in a folder. `tools` is Bash by the tool's name; every call of one is noted."""

    root: Path
    tools: Mapping[str, str]

    def run(self, script: str, **variables: str) -> Run:
        return self.run_text(self.script(script), **variables)

    def script(self, name: str) -> str:
        """A script as it is."""
        return (SCRIPTS / f"{name}.sh").read_text()

    def text(self, script: str, **variables: str) -> str:
        """What a machine is sent, for this one."""
        return self._stream(self.script(script), variables)

    def run_text(self, text: str, **variables: str) -> Run:
        """Run what a script is, or a part of it."""
        whole = self._stream(text, variables)
        calls = self.root / "calls"
        calls.write_text("")
        done = subprocess.run(
            ["bash", "-s"], input=whole, capture_output=True, text=True, cwd=self.root, timeout=60, check=False
        )
        return Run(done.returncode, done.stdout, done.stderr, calls.read_text().splitlines())

    def _stream(self, text: str, variables: Mapping[str, str]) -> str:
        self._install()
        library, text = (self._moved(each) for each in ((SCRIPTS / "lib.sh").read_text(), text))
        path = f"PATH={self.root}/bin:/usr/local/sbin"
        library = library.replace("PATH=/usr/local/sbin", path)
        assert path in library
        return render_script(variables, library, text)

    def call(self, script: str, function: str, **variables: str) -> Run:
        """Run one function of a script, and nothing else of it."""
        text = (SCRIPTS / f"{script}.sh").read_text().partition("\nmain() {")[0]
        return self.run_text(f"{text}\n{function} </dev/null\n", **variables)

    def file(self, path: str) -> Path:
        """A file of the machine; its folder is made."""
        found = self.root / path.lstrip("/")
        found.parent.mkdir(parents=True, exist_ok=True)
        return found

    @property
    def impatient(self) -> "Fake":
        """The same machine, where every sleep lasts an hour and no test waits for it."""
        self.file("/proc/uptime").write_text("1.00 1.00\n")
        return Fake(self.root, {**self.tools, "sleep": PASSING})

    def _moved(self, text: str) -> str:
        own_time = ("/proc/uptime",) if (self.root / "proc/uptime").exists() else ()
        for place in (*MOVED, *own_time):
            text = text.replace(place, f"{self.root}{place}")
        return text

    def _install(self) -> None:
        for folder in ("bin", "run", "etc", "var/lib"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        for name, answer in self.tools.items():
            tool = self.root / "bin" / name
            tool.write_text(
                f"#!/bin/bash\nprintf '%s\\n' \"{name} $*\" >>{self.root}/calls\ncd {self.root}\n{answer}\n"
            )
            tool.chmod(0o755)
