"""What may be left as it is when a task cannot be undone: a machine that leaves the lab, and no other."""

from dataclasses import dataclass

from .errors import ApiAway, Foreign, TaskError, Unreachable, Untrusted
from .model import Settings, Step, Task
from .report import RETIRED
from .steps import Work

UNINSTALL = "uninstall.sh"
"""The script that takes K3s off a machine which leaves the lab."""
GUARD = "guard.sh"
"""The script that keeps a layer as long as it has data."""


@dataclass(frozen=True)
class Removal:
    """The rules of a run: its settings, and whether its owner gives up what nobody can undo."""

    settings: Settings
    deletes_unreachable: bool

    def may_give_up(self, work: Work, step: Step, error: TaskError) -> bool:
        """Whether what failed to be undone may be left as it is. Raises TaskError for a machine that stays."""
        if isinstance(error, Foreign):
            return True
        if isinstance(error, Unreachable | ApiAway) and self.deletes_unreachable:
            return True
        name = work.task.machine.name
        gone = isinstance(error, Unreachable) or (isinstance(error, Untrusted) and error.hop == name)
        if step.on != "machine" or not gone:
            return False
        if self._leaves(work):
            return True
        raise TaskError(
            f"{error}\n{step.script} did not run, and {name} is not removed: bring it back, or take it out of `nodes`; "
            "then run `pulumi up` again."
        ) from error

    def _leaves(self, work: Work) -> bool:
        """Whether the task's own machine leaves the lab."""
        described = {machine.name for machine in (*self.settings.servers, *self.settings.agents)}
        return (
            RETIRED in work.report.flags or _undone_by(work.task, UNINSTALL) or work.task.machine.name not in described
        )

    @staticmethod
    def left(task: Task, step: Step, error: TaskError) -> str:
        """What a warning says of a step that could not be undone."""
        if isinstance(error, Foreign):
            return f"{step.script} did not run there."
        if step.on == "machine":
            wipe = f" Wipe {task.machine.name} before you use it again." if _undone_by(task, UNINSTALL) else ""
            return f"It is left as it is: {step.script} did not run.{wipe}"
        return f"{step.script} did not run, because HOMELAB_DELETE_UNREACHABLE is set."


def of_some_cluster(task: Task) -> Task:
    """The task, which does nothing on a machine of a cluster with an identity if its own has none.

    A stack that is destroyed may be from before machines had one, and others may have built a lab of them since. What
    guards data refuses on: the stack may as well be this lab's, and not brought up to date by an `up` that failed.
    """
    if _undone_by(task, GUARD):
        return task
    return task.model_copy(update={"variables": {"CLUSTER": "none", **task.variables}})


def _undone_by(task: Task, script: str) -> bool:
    """Whether the script is a step of its undoing."""
    return any(step.script == script for step in task.undo)
