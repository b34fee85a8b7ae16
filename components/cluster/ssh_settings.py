"""SSH settings: user, port and keys for connections to machines, an optional bastion, and the use of sudo."""

from pydantic import Field

from components.settings.fields import CaPublicKey, Host, HostKey, Port, StrictBool, User
from components.settings.model import Model, SecretRef


class BastionSettings(Model):
    """A bastion (SSH jump host) through which homelab connects to machines."""

    address: Host
    """Host name or IP address of the bastion."""
    user: User
    """User to log in as."""
    port: Port = 22
    """SSH port of the bastion."""
    host_key: HostKey
    """Public SSH host key of the bastion. homelab refuses to connect to a bastion that has another host key."""
    private_key: SecretRef | None = None
    """Pulumi secret that contains the private SSH key for the bastion. Default: the private key with which homelab logs
    in to the machine."""


class SSHSettings(Model):
    """SSH login for the machines."""

    user: User
    """User name for the SSH login: root, or a user with passwordless sudo."""
    port: Port = 22
    """SSH port of the machines."""
    private_key: SecretRef | None = None
    """Pulumi secret that contains the private SSH key, in OpenSSH format and without a passphrase. Set either
    `privateKey` or `agent`, not both."""
    agent: StrictBool = False
    """Whether homelab uses the keys of the SSH agent on your workstation. Set either `agent` or `privateKey`, not
    both."""
    sudo: StrictBool = Field(default_factory=lambda fields: fields.get("user") != "root")
    """Whether homelab uses sudo to become root on a machine. Default: true for all users except root."""
    bastion: BastionSettings | None = None
    """Bastion through which homelab connects. Default: none."""
    host_authority: CaPublicKey | None = None
    """Public key of an SSH CA. A machine or bastion whose host key differs from `hostKey` must present a host
    certificate that this SSH CA has signed for its address."""


class NodeSSHSettings(Model):
    """SSH settings of one machine.

    If the machine's `ssh` omits a setting, homelab uses the setting in the cluster's `ssh`.
    """

    address: Host | None = None
    """Host name or IP address at which homelab connects to the machine. Default: the node's `address`."""
    user: User | None = None
    """User to log in as."""
    port: Port | None = None
    """SSH port of the machine."""
    private_key: SecretRef | None = None
    """Pulumi secret that contains the private SSH key for the machine."""
    agent: StrictBool | None = None
    """Whether homelab uses the keys of the SSH agent on your workstation."""
    sudo: StrictBool | None = None
    """Whether homelab uses sudo to become root on a machine. Default: `ssh.sudo` of the cluster, if set. If the cluster
    does not set `ssh.sudo`, the default is true for all users except root."""
    bastion: BastionSettings | None = None
    """Bastion through which homelab connects. With `bastion: null`, homelab connects to the machine directly, even if
    the cluster has a bastion."""


def merge_ssh(common: SSHSettings, own: NodeSSHSettings) -> SSHSettings:
    """Return the SSH settings in `common`, with the settings in `own` as overrides.

    A `privateKey` in `own` replaces an `agent` in `common`, and an `agent` in `own` replaces a `privateKey` in
    `common`.
    """
    overrides = {name: getattr(own, name) for name in own.model_fields_set - {"address"}}
    overrides = {name: value for name, value in overrides.items() if value is not None or name == "bastion"}
    if "private_key" in overrides:
        overrides.setdefault("agent", False)
    elif overrides.get("agent"):
        overrides["private_key"] = None
    if "user" in overrides and "sudo" not in common.model_fields_set:
        overrides.setdefault("sudo", overrides["user"] != "root")
    return common.model_copy(update=overrides)
