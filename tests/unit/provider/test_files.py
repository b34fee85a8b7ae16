"""Files to and from a machine, over the connections that scripts take."""

import asyncio
import os
from pathlib import Path

import pytest

from provider.errors import TaskError
from provider.ssh import connections as ssh
from provider.ssh.connections import Connections
from tests.support.ssh_server import KEYS, ssh_machines


def test_a_file_arrives_as_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_bytes(os.urandom(3 << 20))

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            connections = Connections(KEYS)
            await connections.upload(a.machine(), source, "it's there")
            assert ((a.home / "it's there").stat().st_mode & 0o777) == 0o600
            await connections.download(a.machine(sudo=True), "it's there", back)
            assert a.commands[1].startswith("sudo -n sh -c ")
            await connections.upload(a.machine(), source, "for/root alone/file")
            assert {(a.home / each).stat().st_mode & 0o777 for each in ("for", "for/root alone")} == {0o700}
            connections.close(a.machine())

    asyncio.run(asyncio.wait_for(scenario(), 60))
    assert back.read_bytes() == source.read_bytes()


def test_a_file_that_cannot_be_copied_is_an_error_with_its_cause(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            connections = Connections(KEYS)
            with pytest.raises(TaskError, match=r"a \(127\.0\.0\.1\): the file could not be copied: .*No such file"):
                await connections.download(a.machine(), "absent", tmp_path / "back")

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_a_copy_that_does_not_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "COPY_SECONDS", 1)

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            os.mkfifo(a.home / "endless")
            with pytest.raises(TaskError, match=r"a \(127\.0\.0\.1\): the file was not copied within 1 s"):
                await Connections(KEYS).download(a.machine(), "endless", tmp_path / "back")

    asyncio.run(asyncio.wait_for(scenario(), 20))
