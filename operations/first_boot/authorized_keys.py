"""The public SSH keys with which the user of a machine logs in."""

import asyncio
import base64
from collections.abc import Sequence
from pathlib import Path

import asyncssh

from components.cluster.settings import SSHSettings
from operations.pulumi_stack import Stack, StackError

_FIX = "Give the public key with which homelab logs in: --authorized-key ~/.ssh/id_ed25519.pub"


def authorized_keys(files: Sequence[Path], ssh: SSHSettings, stack: Stack) -> list[str]:
    """Return the public keys in `files`; without files, the key of the secret `ssh.privateKey`, or the agent's keys.

    Raises `StackError` if there is no key.
    """
    if files:
        keys = [key for file in files for key in _keys_in(file)]
    elif ssh.private_key:
        keys = [_public_key_of(stack.secret(ssh.private_key.secret), ssh.private_key.secret)]
    else:
        keys = asyncio.run(_agent_keys())
    return list(dict.fromkeys(keys))


def _keys_in(file: Path) -> list[str]:
    try:
        text = file.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StackError(f"--authorized-key {file} cannot be read: {error}.") from None
    if "PRIVATE KEY" in text:
        raise StackError(
            f"--authorized-key {file} is a private key. Use the public key, whose file name ends with .pub."
        )
    lines = [line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#")]
    if not lines:
        raise StackError(f"--authorized-key {file} has no public key. {_FIX}")
    try:
        return [_one_line(asyncssh.import_public_key(line)) for line in lines]
    except (asyncssh.KeyImportError, ValueError):
        raise StackError(
            f"--authorized-key {file} has a line that is not a public SSH key. Write one public key per line, "
            "such as `ssh-ed25519 AAAA…`, without options."
        ) from None


def _public_key_of(private: str, secret: str) -> str:
    try:
        return _one_line(asyncssh.import_private_key(private))
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, ValueError):
        raise StackError(
            f"The secret {secret} (ssh.privateKey) is not an SSH private key without a passphrase: "
            f"run `pulumi config set --secret {secret} < ~/.ssh/id_ed25519`."
        ) from None


async def _agent_keys() -> list[str]:
    try:
        agent = await asyncssh.connect_agent()
    except (OSError, asyncssh.Error):
        raise StackError(f"ssh.agent: no SSH agent answers, so the machine's SSH keys are unknown. {_FIX}") from None
    async with agent:
        keys = await agent.get_keys()
        found = [_line(key.algorithm, key.public_data) for key in keys if b"-cert-" not in key.algorithm]
    if not found:
        raise StackError(f"ssh.agent: your SSH agent has no keys (`ssh-add -l`). Add one with `ssh-add`, or: {_FIX}")
    return found


def _one_line(key: asyncssh.SSHKey) -> str:
    return _line(key.algorithm, key.public_data)


def _line(algorithm: bytes, data: bytes) -> str:
    return f"{algorithm.decode()} {base64.b64encode(data).decode()}"
