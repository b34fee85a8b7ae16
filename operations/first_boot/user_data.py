"""cloud-init's `user-data` and `meta-data` for the first boot of a machine."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import asyncssh
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString

from components.cluster.settings import NodeSettings, SSHSettings
from operations.stackfile_editor import to_text

SSH_PORT = 22
_HEADER = "#cloud-config\n"
_KEEP_HOST_KEY = "systemctl disable --now --no-block regenerate_ssh_host_keys.service || true"
"""Cancels the unit with which some images of Raspberry Pi OS replace all SSH host keys at the first boot."""
_USE_PORT = "systemctl disable --now ssh.socket; systemctl enable ssh.service; systemctl restart ssh.service"
"""On Ubuntu, ssh.socket listens for sshd. Its port is not that of sshd's configuration until systemd reloads."""
_START_SSH = "systemctl is-active --quiet ssh.socket || systemctl enable --now ssh.service"
_END = "touch /etc/cloud/cloud-init.disabled && rm -f /boot/firmware/user-data"
"""Without its files, cloud-init would configure a new instance at the next boot, and replace the SSH host key. All
users of a machine can read the boot partition, so the private host key must not stay there."""


@dataclass(frozen=True)
class HostKeyPair:
    """An SSH host key: the private key in OpenSSH format, and the public key as in the stack file."""

    private: str
    public: str


def new_host_key() -> HostKeyPair:
    """Generate an SSH host key of type ed25519."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    public = " ".join(key.export_public_key().decode().split()[:2])
    return HostKeyPair(key.export_private_key().decode(), public)


def user_data(node: NodeSettings, ssh: SSHSettings, authorized_keys: list[str], host_key: HostKeyPair) -> str:
    """Return the `user-data` of a machine: host name, user, SSH keys, and the end of cloud-init's work."""
    config: dict[str, Any] = {
        "hostname": node.name,
        "users": [_user(ssh, authorized_keys)],
        "disable_root": ssh.user != "root",
        "ssh_pwauth": False,
        "ssh_deletekeys": True,
        "ssh_keys": {
            "ed25519_private": LiteralScalarString(host_key.private),
            "ed25519_public": host_key.public,
        },
        "bootcmd": [_KEEP_HOST_KEY],
    }
    if ssh.port != SSH_PORT:
        content = f"Port {ssh.port}\n"
        config["write_files"] = [{"path": "/etc/ssh/sshd_config.d/10-port.conf", "content": content}]
    config["runcmd"] = [_START_SSH if ssh.port == SSH_PORT else _USE_PORT, _END]
    return _HEADER + yaml_text(config)


def meta_data(node: NodeSettings, host_key: HostKeyPair) -> str:
    """Return the `meta-data` of a machine. A new host key makes a new instance, which cloud-init configures."""
    instance = sha256(host_key.public.encode()).hexdigest()[:12]
    return yaml_text({"instance-id": f"{node.name}-{instance}", "local-hostname": node.name})


def yaml_text(document: Any) -> str:
    """Serialize a YAML document, with the keys in their order."""
    yaml = YAML()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    return to_text(yaml, document)


def _user(ssh: SSHSettings, authorized_keys: list[str]) -> dict[str, Any]:
    user: dict[str, Any] = {"name": ssh.user, "lock_passwd": True, "ssh_authorized_keys": authorized_keys}
    if ssh.user != "root":
        user |= {"shell": "/bin/bash", "sudo": "ALL=(ALL) NOPASSWD:ALL"}
    return user
