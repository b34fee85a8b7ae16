"""SSH to machines: pinned host keys, one connection a machine, scripts through standard input."""

import asyncio
import contextlib
import shlex
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import asyncssh

from .errors import TaskError, Unreachable, Untrusted
from .model import Hop, Machine
from .named import Named
from .printable import printable
from .text import read_lines, read_output

CONNECT_SECONDS = 5
SESSIONS = 8  # sshd allows ten a connection unless it was told otherwise
ALIVE = {"keepalive_interval": 5, "keepalive_count_max": 6}
STEP_SECONDS = 3600  # no script takes longer; each of its own waits is shorter
COPY_SECONDS = 3600  # for one file
KILL_SECONDS = 30  # between asking a script to end and killing it
TIMED_OUT = 124  # exit status of `timeout`
DETAILS = 1000  # lines of standard error that are kept

Progress = Callable[[str], Awaitable[None]]


class Connections:
    """Open connections by machine; each is opened once and shared."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._keys = {name: _private_key(name, text) for name, text in keys.items()}
        self._open: dict[str, asyncio.Task[asyncssh.SSHClientConnection]] = {}
        self._sessions: dict[str, asyncio.Semaphore] = {}

    async def run(
        self, machine: Machine, script: str, progress: Progress, seconds: int = STEP_SECONDS
    ) -> tuple[int, str, list[str]]:
        """Run a script as root for at most `seconds`.

        Returns exit status, standard output and the last lines of standard error. Lines of standard error that begin
        with `==> ` are reported as progress and not returned. Raises Unreachable, or TaskError if the script prints too
        much or takes too long.
        """
        sessions = self._sessions.setdefault(_identity(machine), asyncio.Semaphore(SESSIONS))
        async with sessions:
            connection = await self.connect(machine)
            try:
                async with asyncio.timeout(seconds + KILL_SECONDS * 2):
                    return await self._run(connection, machine, script, progress, seconds)
            except TimeoutError as cause:
                self.forget(machine)
                raise TaskError(f"{label(machine)}: the script did not end within {seconds} s") from cause

    async def _run(
        self, connection: asyncssh.SSHClientConnection, machine: Machine, script: str, progress: Progress, seconds: int
    ) -> tuple[int, str, list[str]]:
        sudo = "sudo -n " if machine.sudo else ""
        command = f"{sudo}timeout -k {KILL_SECONDS} {seconds} bash -s"
        try:
            process = await connection.create_process(command, encoding="utf-8", errors="replace")
            try:
                _, output, details = await asyncio.gather(
                    _send(process, script), read_output(process.stdout), _listen(process.stderr, progress)
                )
                await process.wait_closed()
            except TaskError as error:
                process.terminate()
                process.close()
                raise TaskError(f"{label(machine)}: {error}") from error
        except (asyncssh.Error, OSError) as cause:
            self.forget(machine)
            raise Unreachable(f"{label(machine)}: the connection was lost ({cause})") from cause
        if process.exit_status is None:
            self.forget(machine)
            raise Unreachable(f"{label(machine)}: the connection was lost before the script ended")
        if process.exit_status == TIMED_OUT:
            raise TaskError(f"{label(machine)}: the script did not end within {seconds} s")
        return process.exit_status, output, details

    async def put(self, machine: Machine, source: Path, target: str) -> None:
        """Write a file of this computer to a path on the machine, for root alone. Raises Unreachable, TaskError.

        So is the folder, if it is made.
        """
        folder, file = shlex.quote(str(PurePosixPath(target).parent)), shlex.quote(target)
        await self._copy(machine, f"umask 077 && mkdir -p {folder} && cat >{file}", source, asyncssh.DEVNULL)

    async def get(self, machine: Machine, source: str, target: Path) -> None:
        """Write a file of the machine, which root may read, to this computer. Raises Unreachable, TaskError."""
        await self._copy(machine, f"cat {shlex.quote(source)}", asyncssh.DEVNULL, target)

    async def _copy(self, machine: Machine, script: str, source: Path | int, target: Path | int) -> None:
        connection = await self.connect(machine)
        shell = f"{'sudo -n ' if machine.sudo else ''}sh -c {shlex.quote(script)}"
        try:
            async with asyncio.timeout(COPY_SECONDS):
                done = await connection.run(shell, stdin=source, stdout=target, encoding=None)
        except TimeoutError as cause:
            self.forget(machine)
            raise TaskError(f"{label(machine)}: a file was not copied within {COPY_SECONDS} s") from cause
        except (asyncssh.Error, OSError) as cause:
            self.forget(machine)
            raise Unreachable(f"{label(machine)}: the connection was lost ({cause})") from cause
        if done.exit_status != 0:
            said = printable(done.stderr.decode(errors="replace")).strip() if isinstance(done.stderr, bytes) else ""
            raise TaskError(f"{label(machine)}: a file could not be copied: {said or 'the connection was lost'}")

    async def connect(self, machine: Machine) -> asyncssh.SSHClientConnection:
        """The open connection, or a new one. Raises Unreachable, or TaskError if it must not be trusted."""
        identity = _identity(machine)
        task = self._open.get(identity)
        if task is None or (task.done() and (task.cancelled() or task.exception() or task.result().is_closed())):
            task = self._open[identity] = asyncio.create_task(self._dial(machine))
        return await asyncio.shield(task)

    def forget(self, machine: Machine) -> None:
        """Drop the connection, so that the next use dials anew."""
        task = self._open.pop(_identity(machine), None)
        if task and task.done() and not task.cancelled() and not task.exception():
            task.result().abort()

    async def _dial(self, machine: Machine) -> asyncssh.SSHClientConnection:
        if not machine.bastion:
            return await self._hop(machine, None)
        tunnel = await self._hop(machine.bastion, None)
        try:
            connection = await self._hop(machine, tunnel)
        except BaseException:
            tunnel.close()
            raise
        connection.set_tunnel(tunnel)  # which it closes when it ends
        return connection

    async def _hop(self, hop: Hop, tunnel: asyncssh.SSHClientConnection | None) -> asyncssh.SSHClientConnection:
        try:
            return await self._trusted(hop, tunnel)
        except asyncssh.HostKeyNotVerifiable as cause:
            certified = (
                f"It has no certificate that makes up for it: {str(cause).rstrip('.')}.\n" if hop.host_authority else ""
            )
            raise Untrusted(
                hop.name,
                f"{label(hop)} shows another host key than the one pinned; nothing was sent.\n{certified}"
                "If the machine was set up anew, replace its `hostKey`; if not, find out who answers there.",
            ) from cause
        except asyncssh.PermissionDenied as cause:
            if hop.key and hop.key not in self._keys:
                raise Unreachable(f"{label(hop)}: its key {hop.key} is no longer configured.") from cause
            raise TaskError(
                f"{label(hop)} refuses user {hop.user}: add the public key to its authorized_keys, or mend `ssh`."
            ) from cause
        except (OSError, asyncssh.Error, TimeoutError) as cause:
            reason = str(cause) or f"no answer within {CONNECT_SECONDS} s"
            raise Unreachable(f"{label(hop)} does not answer on SSH port {hop.port}: {reason}") from cause

    async def _trusted(self, hop: Hop, tunnel: asyncssh.SSHClientConnection | None) -> asyncssh.SSHClientConnection:
        """By the key that is pinned; one that shows another is asked for a certificate, if there is an authority."""
        try:
            return await self._open_to(hop, tunnel, keys=[hop.host_key])
        except (asyncssh.HostKeyNotVerifiable, asyncssh.KeyExchangeFailed):
            if not hop.host_authority:
                raise
        try:
            return await self._open_to(hop, tunnel, authorities=[hop.host_authority])
        except asyncssh.KeyExchangeFailed as cause:  # it has no certificate at all
            raise asyncssh.HostKeyNotVerifiable(str(cause)) from cause

    async def _open_to(
        self, hop: Hop, tunnel: asyncssh.SSHClientConnection | None, *,
        keys: Sequence[str] = (), authorities: Sequence[str] = (),
    ) -> asyncssh.SSHClientConnection:  # fmt: skip
        known, vouching = ([*map(asyncssh.import_public_key, each)] for each in (keys, authorities))
        return await asyncssh.connect(
            hop.address, hop.port, username=hop.user, tunnel=tunnel or (), config=None,
            client_factory=partial(Named, hop), known_hosts=(known, vouching, []), preferred_auth="publickey",
            connect_timeout=CONNECT_SECONDS, **ALIVE, **self._credentials(hop),
        )  # fmt: skip

    def _credentials(self, hop: Hop) -> dict[str, Any]:
        """The key to log in with. A machine that is removed along with its key is tried with those there are."""
        keys = [self._keys[hop.key]] if hop.key in self._keys else list(self._keys.values())
        return {"client_keys": keys, "agent_path": None} if hop.key and keys else {}


async def quiet(message: str) -> None:
    """For what is too short to report on."""


def label(hop: Hop) -> str:
    """How messages name a machine."""
    return f"{hop.name} ({hop.address})"


def stream(variables: Mapping[str, str], *texts: str) -> str:
    """A script with its variables set before it, each quoted: no value is ever read as shell."""
    settings = [f"{name}={shlex.quote(value)}" for name, value in sorted(variables.items())]
    return "\n".join([*settings, *texts]) + "\n"


def _identity(machine: Machine) -> str:
    return machine.model_dump_json()


def _private_key(name: str, text: str) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_private_key(text)
    except (asyncssh.KeyImportError, ValueError) as cause:
        raise TaskError(f"the secret {name} is no SSH private key without passphrase: {cause}") from cause


async def _send(process: asyncssh.SSHClientProcess[str], script: str) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # a script may end before it was read whole
        process.stdin.write(script)
        await process.stdin.drain()
        process.stdin.write_eof()


async def _listen(stream: asyncssh.SSHReader[str], progress: Progress) -> list[str]:
    details: deque[str] = deque(maxlen=DETAILS)
    async for line in read_lines(stream):
        text = printable(line.rstrip())
        if text.startswith("==> "):
            await progress(text[4:])
        else:
            details.append(text)
    return list(details)
