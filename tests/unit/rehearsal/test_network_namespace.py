"""Daemons in the network namespace of a lab. The test creates no network namespace."""

import os
from pathlib import Path

import pytest

from rehearsal.network_namespace import NetworkNamespace, wait


def test_a_daemon_appends_its_output_to_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NetworkNamespace, "command", lambda _, *words: [str(word) for word in words])
    log = tmp_path / "log"
    log.write_text("before\n")
    script = 'read -r line; pwd; echo "$NAME" >&2; ps -o sid= -p $$; echo end'
    NetworkNamespace("lab").start(
        ["sh", "-c", script], log, cwd=tmp_path, env={"NAME": "value", "PATH": os.environ["PATH"]}
    )
    wait(lambda: log.read_text().endswith("end\n"), 10, log.read_text)
    before, folder, name, session, _ = log.read_text().splitlines()
    assert (before, folder, name) == ("before", str(tmp_path), "value")
    assert int(session) != os.getsid(0), "the daemon outlives homelab"
