"""SSH settings: how homelab connects to machines, directly or through a bastion, and becomes root."""

from pydantic import Field

from components.settings.fields import CaPublicKey, Host, HostKey, Port, StrictBool, User
from components.settings.model import Model, SecretRef


class BastionSettings(Model):
    """A bastion (SSH jump host) for connections to machines."""

    address: Host
    """Name or IP address of the bastion."""
    user: User
    """User to log in as."""
    port: Port = 22
    """SSH port of the bastion."""
    host_key: HostKey
    """Public host key of the bastion. homelab refuses a bastion that shows another key."""
    private_key: SecretRef | None = None
    """Secret that contains the private key for the bastion. Default: the private key for the machine."""


class SSHSettings(Model):
    """SSH login for the machines."""

    user: User
    """User to log in as: root, or a user with passwordless sudo."""
    port: Port = 22
    """SSH port of the machines."""
    private_key: SecretRef | None = None
    """Secret that contains the private key (OpenSSH format, no passphrase). Set either `privateKey` or `agent`."""
    agent: StrictBool = False
    """Use the keys of the SSH agent on your workstation. Set either `agent` or `privateKey`."""
    sudo: StrictBool = Field(default_factory=lambda fields: fields.get("user") != "root")
    """Become root through sudo. Default: true for all users except root."""
    bastion: BastionSettings | None = None
    """Bastion to connect through. Default: none."""
    host_authority: CaPublicKey | None = None
    """Public key of an SSH CA. If the host key of a machine or bastion differs from `hostKey`, homelab accepts a host
    certificate that this CA signed for the machine's or bastion's address."""


class NodeSSHSettings(Model):
    """SSH settings of one machine. Settings that the machine's `ssh` omits come from the cluster's `ssh`."""

    user: User | None = None
    """User to log in as."""
    port: Port | None = None
    """SSH port of the machine."""
    private_key: SecretRef | None = None
    """Secret that contains the private key for this machine."""
    agent: StrictBool | None = None
    """Use the keys of the SSH agent on your workstation."""
    sudo: StrictBool | None = None
    """Become root through sudo. Default: the cluster's `ssh.sudo` if set. If `ssh.sudo` is unset, the default is true
    for all users except root."""
    bastion: BastionSettings | None = None
    """Bastion to connect through. `null` connects to this machine directly, even if the cluster has a bastion."""


def merge_ssh(common: SSHSettings, own: NodeSSHSettings) -> SSHSettings:
    """Return the SSH settings in `common`, overridden by the SSH settings in `own`.

    A `privateKey` in `own` disables the `agent` in `common`, and an `agent` in `own` removes the `privateKey` in
    `common`.
    """
    overrides = {name: getattr(own, name) for name in own.model_fields_set}
    overrides = {name: value for name, value in overrides.items() if value is not None or name == "bastion"}
    if "private_key" in overrides:
        overrides.setdefault("agent", False)
    elif overrides.get("agent"):
        overrides["private_key"] = None
    if "user" in overrides and "sudo" not in common.model_fields_set:
        overrides.setdefault("sudo", overrides["user"] != "root")
    return common.model_copy(update=overrides)
