"""`./homelab` in a rehearsed lab: its words, and a kubectl for `./homelab app`."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rehearsal.lab import Lab
from rehearsal.pulumi import Engine


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    found = Lab("lab")
    found.folder = tmp_path
    for version in ("old", "new"):
        (tmp_path / "mirror" / version).mkdir(parents=True)
        (tmp_path / "mirror" / version / "k3s").touch()
    os.utime(tmp_path / "mirror/old/k3s", (1, 1))
    return found


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("doctor", "--json"), "doctor --stack shop --config-file FILE --json"),
        (("app", "run", "--", "ls", "-l"), "app run --stack shop --config-file FILE -- ls -l"),
    ],
)
def test_options_of_the_stack_come_before_those_of_the_command(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], expected: str
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(subprocess, "Popen", lambda command, **_: started.append(command))
    monkeypatch.setattr(Engine, "environment", {"PATH": "/bin"})
    tools: Any = None
    engine = Engine(lab, tools, "shop")
    engine.start_homelab(*words)
    (command,) = started
    assert " ".join(command).partition(" -m cli ")[2] == expected.replace("FILE", str(engine.stack_file))


def test_the_labs_k3s_is_kubectl_where_the_host_has_none(lab: Lab) -> None:
    environment = lab.with_kubectl({"PATH": str(lab.folder / "empty"), "A": "1"})
    link = lab.folder / "bin/kubectl"
    assert environment == {
        "PATH": f"{link.parent}:{lab.folder / 'empty'}", "A": "1", "K3S_DATA_DIR": str(lab.folder / "k3s")
    }  # fmt: skip
    assert link.resolve() == lab.folder / "mirror/new/k3s"
    (lab.folder / "mirror/old/k3s").touch()
    lab.with_kubectl({"PATH": str(lab.folder / "empty")})
    assert link.resolve() == lab.folder / "mirror/old/k3s", "the newest"


def test_the_hosts_kubectl_is_taken_where_there_is_one(lab: Lab) -> None:
    program = lab.folder / "host/kubectl"
    program.parent.mkdir()
    program.touch(mode=0o755)
    environment = {"PATH": str(program.parent)}
    assert lab.with_kubectl(environment) == environment
    assert not (lab.folder / "bin").exists()
