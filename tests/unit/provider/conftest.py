"""Fixtures of the provider's tests."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from provider.ssh import reachability
from provider.tasks import drift, runner
from provider.tasks import steps as plugin_steps
from tests.support.chart_repository import Repository
from tests.support.files_over_http import serve_files
from tests.support.settings_fixtures import ROOT


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the plugin reads scripts from, with the real library; its timeouts are short."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    for name in ("lib.sh", "cluster/check-destroy-marker.sh", "node/check-api.sh"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / "components/scripts" / name, folder / name)
    monkeypatch.setattr(plugin_steps, "SCRIPTS", folder)
    monkeypatch.setattr(plugin_steps, "SSH_SECONDS", 0.3)
    monkeypatch.setattr(runner, "UNDO_SSH_SECONDS", 0.1)
    monkeypatch.setattr(drift, "CONNECT_SECONDS", 30)  # a busy computer must not count as unreachable
    monkeypatch.setattr(reachability, "POLL_SECONDS", 0.05)
    return folder


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    """A Helm repository on loopback."""
    root = tmp_path / "charts"
    root.mkdir()
    with serve_files(root, tmp_path / "state") as url:
        yield Repository(url, root)


@pytest.fixture
def agent_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The socket of an SSH agent without keys; no other key is found either."""
    found = tmp_path / "agent"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(found))
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(found)], stdout=subprocess.DEVNULL)
    yield found
    agent.terminate()
    agent.wait()
