"""A machine with a real SSH server on loopback: it runs commands, and can reboot and lose power."""

import asyncio
import contextlib
import os
import shlex
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

from provider.model import Hop, Machine

BOOT_ID = "cat /proc/sys/kernel/random/boot_id"
USER = "pi"
USER_KEY = asyncssh.generate_private_key("ssh-ed25519")
"""The user's private key."""
CA_KEY = asyncssh.generate_private_key("ssh-ed25519")
"""The key of the CA of host and user certificates."""
KEYS = {"key": USER_KEY.export_private_key().decode()}
"""Private keys by their names in the plugin's settings."""


@dataclass
class SshMachine:
    """A machine. Its scripts run in `home`; they request a reboot with `touch reboot`."""

    home: Path
    name: str
    host_key: asyncssh.SSHKey = field(default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519"))
    certificate: asyncssh.SSHCertificate | None = None
    """The host certificate for clients that accept one."""
    max_sessions: int = 10
    """Maximum number of sessions per connection; the default is that of sshd."""
    boot: int = 1
    port: int = 0
    logins: list[str] = field(default_factory=list)
    """Users that started to authenticate."""
    commands: list[str] = field(default_factory=list)
    connections: list["Connection"] = field(default_factory=list)
    tunnels: list[tuple[str, int]] = field(default_factory=list)
    _acceptor: asyncssh.SSHAcceptor | None = None
    _children: list[asyncio.subprocess.Process] = field(default_factory=list)
    _rebooting: asyncio.Task[None] | None = None

    def machine(self, **changes: Any) -> Machine:
        """Return the machine's properties as the plugin gets them."""
        public = self.host_key.export_public_key().decode().strip()
        known = {"name": self.name, "address": "127.0.0.1", "port": self.port, "user": USER, "host_key": public,
                 "key": "key", "sudo": False}  # fmt: skip
        return Machine(**(known | changes))

    def certify(self, *principals: str, by: asyncssh.SSHKey = CA_KEY, valid_before: str = "+1h") -> None:
        """Sign a host certificate, which the machine uses from its next start on."""
        public = self.host_key.convert_to_public()
        self.certificate = by.generate_host_certificate(
            public, self.name, principals=principals, valid_after="-2h", valid_before=valid_before
        )

    def as_bastion(self) -> Hop:
        """Return the machine's properties as a bastion."""
        return Hop(**self.machine().model_dump(include=set(Hop.model_fields)))

    async def listen(self) -> None:
        self._acceptor = await asyncssh.create_server(
            lambda: Connection(self),
            "127.0.0.1",
            self.port,
            server_host_keys=[(self.host_key, self.certificate) if self.certificate else self.host_key],
            encoding=None,
        )
        self.port = self._acceptor.get_port()

    async def lose_power(self) -> None:
        """Stop listening, close all connections and kill all scripts."""
        if self._acceptor:
            self._acceptor.close()
            await self._acceptor.wait_closed()
            self._acceptor = None
        for connection in self.connections:
            connection.ssh.abort()
        self.connections.clear()
        for child in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            await child.wait()
        self._children.clear()

    async def end(self) -> None:
        if self._rebooting:
            await self._rebooting
        await self.lose_power()

    async def serve(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        """Run one session's command."""
        command = process.command or ""
        self.commands.append(command)
        if command == BOOT_ID:
            process.stdout.write(b"boot-%d\n" % self.boot)
            process.exit(0)
            return
        process.exit(await self._run(process, shlex.split(command.removeprefix("sudo -n "))))
        if (self.home / "reboot").exists():
            (self.home / "reboot").unlink()
            self._rebooting = asyncio.create_task(self._reboot())

    async def _run(self, process: asyncssh.SSHServerProcess[bytes], words: list[str]) -> int:
        pipe = asyncio.subprocess.PIPE
        child = await asyncio.create_subprocess_exec(
            *words, cwd=self.home, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
        )
        self._children.append(child)
        feeding = asyncio.create_task(pump(process.stdin, child.stdin, end=True))
        await asyncio.gather(pump(child.stdout, process.stdout), pump(child.stderr, process.stderr))
        feeding.cancel()
        return await child.wait()

    async def _reboot(self) -> None:
        await asyncio.sleep(0.05)  # as the reboot script does: once its own connection has ended
        await self.lose_power()
        await asyncio.sleep(0.2)  # what a boot takes here
        self.boot += 1
        await self.listen()


class Connection(asyncssh.SSHServer):
    """A connection to a machine, with a limit of sessions."""

    ssh: asyncssh.SSHServerConnection

    def __init__(self, computer: SshMachine) -> None:
        self._computer = computer
        self._sessions = 0

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.ssh = conn
        self._computer.connections.append(self)

    def begin_auth(self, username: str) -> bool:
        self._computer.logins.append(username)
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == USER and key.public_data == USER_KEY.public_data

    def validate_ca_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == USER and key.public_data == CA_KEY.public_data

    def session_requested(self) -> Any:
        if self._sessions == self._computer.max_sessions:
            return False
        self._sessions += 1
        return asyncssh.SSHServerProcess(self._serve, None, 3, False)

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        self._computer.tunnels.append((dest_host, dest_port))
        return True

    async def _serve(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        try:
            with contextlib.suppress(OSError, asyncssh.Error):  # who asked is gone
                await self._computer.serve(process)
        finally:
            self._sessions -= 1


async def pump(source: Any, target: Any, *, end: bool = False) -> None:
    """Copy one stream to another."""
    with contextlib.suppress(OSError, asyncssh.Error):
        while data := await source.read(1 << 16):
            target.write(data)
            await target.drain()
        if end:
            target.close()
    with contextlib.suppress(OSError, asyncssh.Error):
        while await source.read(1 << 16):
            pass  # a child whose output nobody reads does not end


@contextlib.asynccontextmanager
async def ssh_machines(home: Path, *names: str) -> AsyncIterator[list[SshMachine]]:
    """Run machines until the block ends, each with its own folder below `home`."""
    found = [SshMachine(home / name, name) for name in names]
    for each in found:
        each.home.mkdir()
        await each.listen()
    try:
        yield found
    finally:
        for each in found:
            await each.end()
