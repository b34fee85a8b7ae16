"""Rules for failed undo steps: homelab only warns if the machine is unreachable and is being removed from the lab."""

from dataclasses import dataclass

from provider.errors import ApiUnavailable, HostKeyMismatch, OtherCluster, TaskError, Unreachable
from provider.model import Settings, Step, Task
from provider.tasks.step_output import RETIRED
from provider.tasks.steps import TaskRun

UNINSTALL_SCRIPT = "node/uninstall-k3s.sh"
"""Script that uninstalls K3s from a machine that is removed from the lab."""
GUARD_SCRIPT = "platform/check-remaining-data.sh"
"""Script that refuses to remove a layer while the layer has data."""


@dataclass(frozen=True)
class RemovalRules:
    """The removal rules of one run.

    With `deletes_unreachable`, homelab may skip the undo steps on all unreachable machines.
    """

    settings: Settings
    deletes_unreachable: bool

    def may_skip(self, task_run: TaskRun, step: Step, error: TaskError) -> bool:
        """Return whether homelab may skip an undo step that failed.

        Raises TaskError if a machine that stays in the lab does not answer.
        """
        if isinstance(error, OtherCluster):
            return True
        if isinstance(error, Unreachable | ApiUnavailable) and self.deletes_unreachable:
            return True
        name = task_run.task.machine.name
        lost = isinstance(error, Unreachable) or (isinstance(error, HostKeyMismatch) and error.hop == name)
        if step.on != "machine" or not lost:
            return False
        if self._is_removed(task_run):
            return True
        raise TaskError(
            f"{error}\n{step.script} did not run, and {name} is still in `nodes`: make the machine reachable, "
            "or remove it from `nodes`; then run `pulumi up` again."
        ) from error

    def _is_removed(self, task_run: TaskRun) -> bool:
        """Return whether the task's own machine is being removed from the lab."""
        names = {machine.name for machine in (*self.settings.servers, *self.settings.agents)}
        return (
            RETIRED in task_run.results.flags
            or _undone_by(task_run.task, UNINSTALL_SCRIPT)
            or task_run.task.machine.name not in names
        )

    @staticmethod
    def skip_warning(task: Task, step: Step, error: TaskError) -> str:
        """Return the warning about an undo step that homelab skipped."""
        if isinstance(error, OtherCluster):
            return f"The script {step.script} did not run there."
        if step.on == "machine":
            wipe = f" Wipe {task.machine.name} before you use it again." if _undone_by(task, UNINSTALL_SCRIPT) else ""
            return f"homelab did not clean up {task.machine.name}, because the script {step.script} did not run.{wipe}"
        return f"homelab skipped the script {step.script}, because HOMELAB_DELETE_UNREACHABLE is set."


def with_cluster_identity(task: Task) -> Task:
    """Add a cluster identity to the task, so that the task's scripts refuse machines of another cluster.

    Tasks that older versions of homelab stored have no cluster identity, and their machines may belong to a newer lab.
    The function does not change a task whose undo steps prevent data loss. Such a task of the current lab may have no
    cluster identity after a failed `pulumi up`, and its undo steps must still run.
    """
    if _undone_by(task, GUARD_SCRIPT):
        return task
    return task.model_copy(update={"variables": {"CLUSTER": "none", **task.variables}})


def _undone_by(task: Task, script: str) -> bool:
    """Return whether the task's undo steps contain `script`."""
    return any(step.script == script for step in task.undo)
