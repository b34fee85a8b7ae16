"""What the steps of a task said."""

import re
from dataclasses import dataclass, field

from .errors import TaskError
from .model import Step, Task

FLAG = "flag: "
EXPORT = "export: "
RETIRED = "retired"
"""Flag that is raised while the lab is destroyed; scripts get it as variable in upper case."""
UNREACHABLE = "unreachable"
"""Flag of a task whose own machine was given up; scripts get it as variable in upper case."""
FOREIGN = "foreign"
"""Flag of a task whose own machine is no longer its node; scripts get it as variable in upper case."""
DISCARD = "discard-"
"""What flags of the owner begin with, who allows the loss of data."""


@dataclass
class Report:
    """What the steps said so far."""

    flags: set[str] = field(default_factory=set)
    variables: dict[str, str] = field(default_factory=dict)
    output: str = ""

    def wants(self, step: Step) -> bool:
        """Whether the flags raised so far ask for the step."""
        return self.flags.issuperset(step.when) and self.flags.isdisjoint(step.unless)

    def raise_flag(self, name: str) -> None:
        """Raise a flag of the plugin's own, which scripts get as a variable, too."""
        self.flags.add(name)
        self.variables[name.upper()] = "yes"

    def add(self, text: str, exports: tuple[str, ...] = ()) -> None:
        """Keep what a script printed: flags, the variables that it may export to later steps, and all other lines.

        A machine decides what it prints, so it sets no variable but those that its step declares, and raises no flag of
        the plugin's or the owner's.
        """
        for line in re.findall(r"[^\n]*\n|[^\n]+", text):
            name, _, value = line.removeprefix(EXPORT).rstrip("\n").partition("=")
            flag = line.removeprefix(FLAG).strip()
            if line.startswith(FLAG):
                if flag not in (RETIRED, UNREACHABLE) and not flag.startswith(DISCARD):
                    self.flags.add(flag)
            elif line.startswith(EXPORT) and name in exports:
                if self.variables.setdefault(name, value) != value:
                    raise TaskError(f"machines contradict each other on {name}; no changes were made after that")
            else:
                self.output += line


def redact(text: str, task: Task) -> str:
    """The text without the task's secrets."""
    for secret in task.secrets.values():
        for line in secret.splitlines():
            if len(line.strip()) > 3:
                text = text.replace(line.strip(), "[secret]")
    return text
