"""Run scripts and copy files over SSH, with pinned host keys and one SSH connection per machine."""

import asyncio
import contextlib
import shlex
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import asyncssh

from provider.errors import HostKeyMismatch, TaskError, Unreachable
from provider.model import Hop, Machine
from provider.printable import printable
from provider.ssh.host_certificates import PrincipalCheckingClient
from provider.ssh.output import read_lines, read_output

CONNECT_SECONDS = 5
MAX_SESSIONS = 8  # per connection; sshd's default limit is ten (MaxSessions)
KEEPALIVE = {"keepalive_interval": 5, "keepalive_count_max": 6}
STEP_SECONDS = 3600  # time limit of one script, longer than all waits in scripts
COPY_SECONDS = 3600  # time limit of one file transfer
KILL_SECONDS = 30  # between SIGTERM and SIGKILL for a script that exceeds its limit
TIMEOUT_STATUS = 124  # exit status of `timeout`
MAX_DETAIL_LINES = 1000  # lines of standard error that are kept

Progress = Callable[[str], Awaitable[None]]


class Connections:
    """Pool of SSH connections. All steps on a machine share one SSH connection."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._keys = {name: _private_key(name, text) for name, text in keys.items()}
        self._open: dict[str, asyncio.Task[asyncssh.SSHClientConnection]] = {}
        self._sessions: dict[str, asyncio.Semaphore] = {}

    async def run(
        self, machine: Machine, script: str, progress: Progress, seconds: int = STEP_SECONDS
    ) -> tuple[int, str, list[str]]:
        """Run a script on the machine as root for at most `seconds`.

        Returns the exit status, standard output and the last lines of standard error. The method reports lines of
        standard error that start with `==> ` as progress, and does not return these lines. Raises Unreachable if the
        SSH connection fails, and TaskError if the script prints too much or takes too long.
        """
        sessions = self._sessions.setdefault(_identity(machine), asyncio.Semaphore(MAX_SESSIONS))
        async with sessions:
            connection = await self.connect(machine)
            try:
                async with asyncio.timeout(seconds + KILL_SECONDS * 2):
                    return await self._run(connection, machine, script, progress, seconds)
            except TimeoutError as cause:
                self.close(machine)
                raise TaskError(f"{machine_label(machine)}: the script did not end within {seconds} s") from cause

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
                raise TaskError(f"{machine_label(machine)}: {error}") from error
        except (asyncssh.Error, OSError) as cause:
            self.close(machine)
            raise Unreachable(f"{machine_label(machine)}: the connection was lost ({cause})") from cause
        if process.exit_status is None:
            self.close(machine)
            raise Unreachable(f"{machine_label(machine)}: the SSH connection was lost before the script ended")
        if process.exit_status == TIMEOUT_STATUS:
            raise TaskError(f"{machine_label(machine)}: the script did not end within {seconds} s")
        return process.exit_status, output, details

    async def upload(self, machine: Machine, source: Path, target: str) -> None:
        """Copy a local file to the machine; only root can read the copy. Raises Unreachable, TaskError.

        If the upload creates the target's folder, only root can access the folder.
        """
        folder, file = shlex.quote(str(PurePosixPath(target).parent)), shlex.quote(target)
        await self._copy(machine, f"umask 077 && mkdir -p {folder} && cat >{file}", source, asyncssh.DEVNULL)

    async def download(self, machine: Machine, source: str, target: Path) -> None:
        """Read a file on the machine as root and copy the file to a local path. Raises Unreachable, TaskError."""
        await self._copy(machine, f"cat {shlex.quote(source)}", asyncssh.DEVNULL, target)

    async def _copy(self, machine: Machine, script: str, source: Path | int, target: Path | int) -> None:
        connection = await self.connect(machine)
        shell = f"{'sudo -n ' if machine.sudo else ''}sh -c {shlex.quote(script)}"
        try:
            async with asyncio.timeout(COPY_SECONDS):
                result = await connection.run(shell, stdin=source, stdout=target, encoding=None)
        except TimeoutError as cause:
            self.close(machine)
            raise TaskError(f"{machine_label(machine)}: the file was not copied within {COPY_SECONDS} s") from cause
        except (asyncssh.Error, OSError) as cause:
            self.close(machine)
            raise Unreachable(f"{machine_label(machine)}: the connection was lost ({cause})") from cause
        if result.exit_status != 0:
            reason = printable(result.stderr.decode(errors="replace")) if isinstance(result.stderr, bytes) else ""
            raise TaskError(
                f"{machine_label(machine)}: the file could not be copied: {reason.strip() or 'the connection was lost'}"
            )

    async def connect(self, machine: Machine) -> asyncssh.SSHClientConnection:
        """Return the machine's open SSH connection, or open a new SSH connection.

        Raises Unreachable if the machine does not answer, and TaskError if the machine refuses the login or shows
        another host key.
        """
        identity = _identity(machine)
        task = self._open.get(identity)
        if task is None or (task.done() and (task.cancelled() or task.exception() or task.result().is_closed())):
            task = self._open[identity] = asyncio.create_task(self._dial(machine))
        return await asyncio.shield(task)

    def close(self, machine: Machine) -> None:
        """Close the machine's SSH connection, so that the next script opens a new connection."""
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
        connection.set_tunnel(tunnel)  # closing the connection closes the tunnel as well
        return connection

    async def _hop(self, hop: Hop, tunnel: asyncssh.SSHClientConnection | None) -> asyncssh.SSHClientConnection:
        try:
            return await self._trusted(hop, tunnel)
        except asyncssh.HostKeyNotVerifiable as cause:
            certificate = (
                f"The machine has no valid host certificate either: {str(cause).rstrip('.')}.\n"
                if hop.host_authority
                else ""
            )
            raise HostKeyMismatch(
                hop.name,
                f"{machine_label(hop)} shows another host key than the pinned one; nothing was sent.\n{certificate}"
                "If the machine was reinstalled, replace its `hostKey`; if not, find out which machine answers there.",
            ) from cause
        except asyncssh.PermissionDenied as cause:
            if hop.key and hop.key not in self._keys:
                raise Unreachable(
                    f"{machine_label(hop)} refuses the login, and the stack no longer has the SSH key {hop.key}."
                ) from cause
            raise TaskError(
                f"{machine_label(hop)} refuses the SSH login of user {hop.user}: "
                "add the public key to the user's authorized_keys, or correct `ssh` in the stack file."
            ) from cause
        except (OSError, asyncssh.Error, TimeoutError) as cause:
            reason = str(cause) or f"no answer within {CONNECT_SECONDS} s"
            raise Unreachable(f"{machine_label(hop)} does not answer on SSH port {hop.port}: {reason}") from cause

    async def _trusted(self, hop: Hop, tunnel: asyncssh.SSHClientConnection | None) -> asyncssh.SSHClientConnection:
        """Connect if the machine presents the pinned host key, or a host certificate of the configured SSH CA."""
        try:
            return await self._open_to(hop, tunnel, keys=[hop.host_key])
        except (asyncssh.HostKeyNotVerifiable, asyncssh.KeyExchangeFailed):
            if not hop.host_authority:
                raise
        try:
            return await self._open_to(hop, tunnel, authorities=[hop.host_authority])
        except asyncssh.KeyExchangeFailed as cause:  # the machine has no host certificate
            raise asyncssh.HostKeyNotVerifiable(str(cause)) from cause

    async def _open_to(
        self, hop: Hop, tunnel: asyncssh.SSHClientConnection | None, *,
        keys: Sequence[str] = (), authorities: Sequence[str] = (),
    ) -> asyncssh.SSHClientConnection:  # fmt: skip
        known_keys, known_cas = ([*map(asyncssh.import_public_key, texts)] for texts in (keys, authorities))
        return await asyncssh.connect(
            hop.address, hop.port, username=hop.user, tunnel=tunnel or (), config=None,
            client_factory=partial(PrincipalCheckingClient, hop), known_hosts=(known_keys, known_cas, []),
            preferred_auth="publickey", connect_timeout=CONNECT_SECONDS, **KEEPALIVE, **self._credentials(hop),
        )  # fmt: skip

    def _credentials(self, hop: Hop) -> dict[str, Any]:
        """Return the private key for an SSH server, or all private keys if the stack no longer has the server's key."""
        keys = [self._keys[hop.key]] if hop.key in self._keys else list(self._keys.values())
        return {"client_keys": keys, "agent_path": None} if hop.key and keys else {}


async def no_progress(message: str) -> None:
    """Ignore a progress message; short scripts use this callback."""


def machine_label(hop: Hop) -> str:
    """Return the name and the address of a machine, as messages show them."""
    return f"{hop.name} ({hop.address})"


def render_script(variables: Mapping[str, str], *texts: str) -> str:
    """Render a script that starts with variable assignments; quotes prevent the shell from expanding the values."""
    assignments = [f"{name}={shlex.quote(value)}" for name, value in sorted(variables.items())]
    return "\n".join([*assignments, *texts]) + "\n"


def _identity(machine: Machine) -> str:
    return machine.model_dump_json()


def _private_key(name: str, text: str) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_private_key(text)
    except (asyncssh.KeyImportError, ValueError) as cause:
        raise TaskError(
            f"the secret {name} must be a valid SSH private key without passphrase ({cause}): store another key with "
            f"`pulumi config set --secret {name}`."
        ) from cause


async def _send(process: asyncssh.SSHClientProcess[str], script: str) -> None:
    # a script may exit before homelab has sent all its lines, which breaks the pipe
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(script)
        await process.stdin.drain()
        process.stdin.write_eof()


async def _listen(stream: asyncssh.SSHReader[str], progress: Progress) -> list[str]:
    details: deque[str] = deque(maxlen=MAX_DETAIL_LINES)
    async for line in read_lines(stream):
        text = printable(line.rstrip())
        if text.startswith("==> "):
            await progress(text[4:])
        else:
            details.append(text)
    return list(details)
