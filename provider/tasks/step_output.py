"""The results of the scripts that a task has run: flags, exported variables and output."""

import re
from dataclasses import dataclass, field

from provider.errors import TaskError
from provider.model import Step, Task

FLAG_PREFIX = "flag: "
EXPORT_PREFIX = "export: "
RETIRED = "retired"
"""Flag raised while the whole lab is being destroyed; scripts get the flag as an upper-case variable."""
UNREACHABLE = "unreachable"
"""Flag of a task that skips its own unreachable machine; scripts get the flag as an upper-case variable."""
FOREIGN = "foreign"
"""Flag of a task with a machine that now is another node; scripts get the flag as an upper-case variable."""
UNDO = "undo"
"""Flag of a task that is being undone; scripts get the flag as an upper-case variable."""
DISCARD_PREFIX = "discard-"
"""Prefix of the flags with which the stack file allows data loss; scripts cannot raise these flags."""


@dataclass
class StepResults:
    """Flags, variables and output of the steps that a task has run."""

    flags: set[str] = field(default_factory=set)
    variables: dict[str, str] = field(default_factory=dict)
    output: str = ""

    def conditions_met(self, step: Step) -> bool:
        """Return whether the flags of earlier steps meet the `when` and `unless` conditions of the step."""
        return self.flags.issuperset(step.when) and self.flags.isdisjoint(step.unless)

    def raise_flag(self, name: str) -> None:
        """Set a flag of the plugin, such as `unreachable`.

        Later scripts of the task get the flag as a variable in upper case.
        """
        self.flags.add(name)
        self.variables[name.upper()] = "yes"

    def add_output(self, text: str, exports: tuple[str, ...] = ()) -> None:
        """Parse a script's output into flags, the variables named in `exports`, and all other lines.

        homelab does not trust the output of machines. A script can set only the variables that its step declares, and
        cannot set the flags of the plugin and of the stack file. Raises TaskError if two machines export different
        values of a variable.
        """
        for line in re.findall(r"[^\n]*\n|[^\n]+", text):
            name, _, value = line.removeprefix(EXPORT_PREFIX).rstrip("\n").partition("=")
            flag = line.removeprefix(FLAG_PREFIX).strip()
            if line.startswith(FLAG_PREFIX):
                if flag not in (RETIRED, UNREACHABLE) and not flag.startswith(DISCARD_PREFIX):
                    self.flags.add(flag)
            elif line.startswith(EXPORT_PREFIX) and name in exports:
                if self.variables.setdefault(name, value) != value:
                    raise TaskError(
                        f"the machines report different values of the variable {name}; later steps did not run"
                    )
            else:
                self.output += line


def redact(text: str, task: Task) -> str:
    """Replace the task's secrets in the text with `[secret]`."""
    for secret in task.secrets.values():
        for line in secret.splitlines():
            if len(line.strip()) > 3:
                text = text.replace(line.strip(), "[secret]")
    return text
