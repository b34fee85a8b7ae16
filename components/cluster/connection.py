"""SSH connection settings of a machine, in the format that homelab's Pulumi provider reads."""

from components.cluster.settings import NodeSettings, SSHSettings
from components.provider_resources import Connection


def connection_settings(node: NodeSettings, ssh: SSHSettings) -> Connection:
    """Return the SSH connection settings of a machine, which contain the names of private keys but no private keys."""
    key = None if ssh.private_key is None else ssh.private_key.secret
    connection: dict[str, object] = {
        "name": node.name, "address": node.ssh.address or node.address, "port": ssh.port, "user": ssh.user,
        "hostKey": node.host_key, "key": key, "sudo": ssh.sudo,
    }  # fmt: skip
    authority = {"hostAuthority": ssh.host_authority} if ssh.host_authority else {}
    if bastion := ssh.bastion:
        bastion_key = bastion.private_key.secret if bastion.private_key else key
        connection["bastion"] = {
            "name": "bastion", "address": bastion.address, "port": bastion.port, "user": bastion.user,
            "hostKey": bastion.host_key, "key": bastion_key, **authority,
        }  # fmt: skip
    return connection | authority
