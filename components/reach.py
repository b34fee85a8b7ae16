"""How the plugin reaches a machine."""

from components.lab import NodeSettings, SSHSettings
from components.machine import Machine


def machine(node: NodeSettings, ssh: SSHSettings) -> Machine:
    """How the plugin reaches the machine; keys are named, not held."""
    key = None if ssh.private_key is None else ssh.private_key.secret
    reach: dict[str, object] = {
        "name": node.name, "address": node.address, "port": ssh.port, "user": ssh.user, "hostKey": node.host_key,
        "key": key, "sudo": ssh.sudo,
    }  # fmt: skip
    authority = {"hostAuthority": ssh.host_authority} if ssh.host_authority else {}
    if bastion := ssh.bastion:
        own = bastion.private_key.secret if bastion.private_key else key
        reach["bastion"] = {
            "name": "bastion", "address": bastion.address, "port": bastion.port, "user": bastion.user,
            "hostKey": bastion.host_key, "key": own, **authority,
        }  # fmt: skip
    return reach | authority
