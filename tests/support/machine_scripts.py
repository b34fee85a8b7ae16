"""Runs unchanged scripts on a machine simulated by a folder, with fake tools on PATH."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from provider.ssh.connections import render_script
from tests.support.settings_fixtures import ROOT

SCRIPTS = ROOT / "components/scripts"
REDIRECTED_PATHS = (
    "/etc/exports", "/var/lib/homelab", "/var/lib/rook", "/run/homelab", "/dev/disk", "/sys/module",
    "/etc/nomad.d", "/etc/systemd/system/nomad", "/usr/local/bin/", "/var/lib/nomad", "/sys/fs/cgroup/nomad",
    "/etc/rancher", "/var/lib/rancher", "/etc/cni", "/etc/hostname", "/etc/hosts", "/etc/machine-id",
    "/etc/modules-load.d", "/etc/sysctl.d", "/etc/keepalived", "/etc/haproxy", "/run/systemd", "/proc/filesystems",
    "/sys/fs/cgroup/cgroup.controllers", "/proc/self/mounts", "/boot/", "/var/lib/kubelet", "/run/k3s",
    "/etc/systemd/system/$service", "/sys/fs/cgroup/memory", "/proc/cmdline",
    "/etc/localtime", "/etc/timezone", "/usr/share/zoneinfo", "/etc/resolv.conf", "/etc/chrony/", "/etc/dhcpcd.conf",
    "/etc/systemd/timesyncd.conf.d", "/etc/systemd/resolved.conf.d", "/etc/NetworkManager", "/run/NetworkManager",
    "/etc/dhcp/", "/dev/watchdog", "/proc/sys/kernel/random/uuid", "/etc/systemd/system/*.mount",
    "/etc/systemd/system/$unit", "/etc/default/", "/lib/modules", "/proc/sys/kernel/random/boot_id",
    "/etc/os-release", "/etc/cloud/", "/etc/systemd/system/keepalived", "/var/lib/cloud", "/etc/systemd/logind.conf.d",
    "/run/reboot-required", "/proc/stat",
)  # fmt: skip


FAST_SLEEP = "read -r now _ <proc/uptime; echo $((${now%.*} + 3600)).00 0 >proc/uptime"


@dataclass(frozen=True)
class ScriptRun:
    status: int
    output: str
    errors: str
    calls: list[str]

    @property
    def progress(self) -> list[str]:
        return [line.removeprefix("==> ") for line in self.errors.splitlines() if line.startswith("==> ")]


@dataclass(frozen=True)
class FakeMachine:
    """A machine in the folder `root`. `tools` are Bash scripts by name; their calls are recorded."""

    root: Path
    tools: Mapping[str, str]

    def run(self, script: str, **variables: str) -> ScriptRun:
        return self.run_text(self.script(script), **variables)

    def script(self, name: str) -> str:
        """Return a script's text."""
        return (SCRIPTS / f"{name}.sh").read_text()

    def sent_text(self, script: str, **variables: str) -> str:
        """Return the text that the provider would send to this machine."""
        return self._stream(self.script(script), variables)

    def run_text(self, text: str, **variables: str) -> ScriptRun:
        """Run the text of a script, or of a part of it."""
        whole = self._stream(text, variables)
        calls = self.root / "calls"
        calls.write_text("")
        done = subprocess.run(
            ["bash", "-s"], input=whole, capture_output=True, text=True, cwd=self.root, timeout=60, check=False
        )
        return ScriptRun(done.returncode, done.stdout, done.stderr, calls.read_text().splitlines())

    def _stream(self, text: str, variables: Mapping[str, str]) -> str:
        self._install()
        library, text = (self._moved(each) for each in ((SCRIPTS / "lib.sh").read_text(), text))
        path = f"PATH={self.root}/bin:/usr/local/sbin"
        library = library.replace("PATH=/usr/local/sbin", path)
        assert path in library
        return render_script(variables, library, text)

    def call_function(self, script: str, function: str, **variables: str) -> ScriptRun:
        """Run only one function of a script."""
        text = (SCRIPTS / f"{script}.sh").read_text().partition("\nmain() {")[0]
        return self.run_text(f"{text}\n{function} </dev/null\n", **variables)

    def file(self, path: str) -> Path:
        """Return the path of the machine's file, and create its folder."""
        found = self.root / path.lstrip("/")
        found.parent.mkdir(parents=True, exist_ok=True)
        return found

    @property
    def with_fast_sleep(self) -> "FakeMachine":
        """The same machine with a fake clock: every sleep advances it by an hour and ends at once."""
        self.file("/proc/uptime").write_text("1.00 1.00\n")
        return FakeMachine(self.root, {**self.tools, "sleep": FAST_SLEEP})

    def _moved(self, text: str) -> str:
        own_time = ("/proc/uptime",) if (self.root / "proc/uptime").exists() else ()
        for place in (*REDIRECTED_PATHS, *own_time):
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
