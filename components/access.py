"""How machines are reached: SSH, sudo, bastion."""

from pydantic import Field

from components.fields import AuthorityKey, Host, HostKey, Port, Switch, User
from components.model import Model, SecretRef


class BastionSettings(Model):
    """A machine that SSH connections go through."""

    address: Host
    """Name or IP address of the bastion."""
    user: User
    """User to log in as."""
    port: Port = 22
    """Port of its SSH server."""
    host_key: HostKey
    """Its public host key; a machine with another key is refused."""
    private_key: SecretRef | None = None
    """Secret that holds the private key for it. Default: what the machine behind it takes."""


class SSHSettings(Model):
    """How to log in on the machines."""

    user: User
    """User to log in as: root, or one who may use sudo without a password."""
    port: Port = 22
    """Port of the SSH servers."""
    private_key: SecretRef | None = None
    """Secret that holds the private key (OpenSSH format, no passphrase). Either this or `agent`."""
    agent: Switch = False
    """Use the keys of the SSH agent on this computer. Either this or `privateKey`."""
    sudo: Switch = Field(default_factory=lambda given: given.get("user") != "root")
    """Become root through sudo. Default: true unless the user is root."""
    bastion: BastionSettings | None = None
    """Machine to go through. Default: none."""
    host_authority: AuthorityKey | None = None
    """Public key of an SSH authority. A machine, or a bastion, that shows another key than its `hostKey` is trusted if
    it has a host certificate of that authority for its address."""


class NodeSSHSettings(Model):
    """What differs from the cluster's `ssh` on one machine; what is not given here is taken from there."""

    user: User | None = None
    """User to log in as."""
    port: Port | None = None
    """Port of the SSH server."""
    private_key: SecretRef | None = None
    """Secret that holds the private key for this machine."""
    agent: Switch | None = None
    """Use the keys of the SSH agent on this computer."""
    sudo: Switch | None = None
    """Become root through sudo. Default: as the cluster's, or true unless the user is root."""
    bastion: BastionSettings | None = None
    """Machine to go through. `null` goes straight to this machine although the cluster has a bastion."""


def merge(common: SSHSettings, own: NodeSSHSettings) -> SSHSettings:
    """Return `common` with what `own` gives; a key of its own replaces the agent, and vice versa."""
    given = {name: getattr(own, name) for name in own.model_fields_set}
    given = {name: value for name, value in given.items() if value is not None or name == "bastion"}
    if "private_key" in given:
        given.setdefault("agent", False)
    elif given.get("agent"):
        given["private_key"] = None
    if "user" in given and "sudo" not in common.model_fields_set:
        given.setdefault("sudo", given["user"] != "root")
    return common.model_copy(update=given)
