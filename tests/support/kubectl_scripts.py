"""Runs scripts that call `k3s kubectl`, with a Bash function in its place."""

import subprocess
from pathlib import Path

from provider.ssh.connections import render_script
from tests.support.machine_scripts import SCRIPTS, ScriptRun

FAKE_K3S = """
api_ready() { :; }
command() { :; }
systemctl() { :; }
k3s() {
  shift # it is always kubectl
  printf '%s\\n' "$*" >>"$CALLED"
  ANSWER
}
"""


def run(script: str, calls_file: Path, kubectl: str, **variables: str) -> ScriptRun:
    """Run a script; `kubectl` is Bash that answers, with the arguments of kubectl in `$*`."""
    library, text = ((SCRIPTS / f"{name}.sh").read_text() for name in ("lib", script))
    text = render_script({**variables, "CALLED": str(calls_file)}, library, FAKE_K3S.replace("ANSWER", kubectl), text)
    done = subprocess.run(
        ["bash", "-s"], input=text, capture_output=True, text=True, cwd=calls_file.parent, timeout=30, check=False
    )
    return ScriptRun(done.returncode, done.stdout, done.stderr, calls_file.read_text().splitlines())
