"""Settings of `machine.commands`, and the tasks that run these commands on a machine."""

import hashlib
from collections.abc import Mapping
from typing import Literal

from components.cluster.reboot import REBOOT
from components.provider_resources import step
from components.settings.fields import StrictBool, Text
from components.settings.kubernetes_fields import MultilineText
from components.settings.model import Model

Stage = Literal["beforeK3s", "afterK3s"]


class MachineCommandSettings(Model):
    """Your own Bash scripts, which run as root on the machine, with the meaning of `remote.Command` of Pulumi.

    A script ends at the first command that fails. homelab runs a script again if a run was interrupted.
    """

    create: MultilineText
    """Script that runs once."""
    update: MultilineText | None = None
    """Script that runs instead of `create` after you changed `create` or `update`. Default: `create` runs again."""
    delete: MultilineText | None = None
    """Script that runs after you removed the command or the node, and on `pulumi destroy`. Default: nothing runs."""
    triggers: tuple[Text, ...] = ()
    """Texts of your choice. If one of them changes, homelab runs the old `delete` and then `create`."""
    when: Stage = "beforeK3s"
    """Whether the scripts run before homelab installs K3s, or after the node has joined the cluster."""
    reboot: StrictBool = False
    """Whether homelab reboots the machine after a script ran: it drains the node, and reboots one server at a time."""


_IN_TURN = ["commands", "member"]
RUN = (
    step("node/run-commands.sh", exports=["TURN"]),
    step("cluster/wait-for-quorum.sh", on="server", when=_IN_TURN),
    step("cluster/wait-for-quorum.sh", on="server", when=_IN_TURN, turn=True),
    step("node/run-commands.sh", when=_IN_TURN, turn=True),
    *REBOOT,
    step("node/run-commands.sh", when=["reboot"]),
    step("cluster/uncordon.sh", on="server", when=["reboot", "member"]),
)
"""Steps that run the commands of a stage, and undo them.

On a node of the cluster, the commands run on one server at a time, or on up to `maxUnavailable` agents.
"""


def of_stage(commands: Mapping[str, MachineCommandSettings], stage: Stage) -> dict[str, MachineCommandSettings]:
    """Return the commands of a stage, in the order in which they run."""
    return {name: command for name, command in sorted(commands.items()) if command.when == stage}


def variables(commands: Mapping[str, MachineCommandSettings], stage: Stage) -> dict[str, str]:
    """Return the variables of the task: the commands of a stage."""
    return {"STAGE": stage.lower(), "COMMANDS": "".join(_entry(name, each) for name, each in commands.items())}


def _entry(name: str, command: MachineCommandSettings) -> str:
    """Render a command as a line with its name, reboot, the hashes of scripts and triggers and the sizes of three
    scripts in bytes, and then the scripts."""
    scripts = (command.create, command.update or "", command.delete or "")
    sums = (_sum(command.create, command.update or ""), _sum(*command.triggers))
    sizes = (str(len(script.encode())) for script in scripts)
    return " ".join((name, "yes" if command.reboot else "no", *sums, *sizes)) + "\n" + "".join(scripts) + "\n"


def _sum(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
