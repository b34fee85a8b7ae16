"""What the steps of a task said."""

from dataclasses import dataclass, field

from .model import Step, Task

FLAG = "flag: "


@dataclass
class Report:
    """What the steps said so far."""

    flags: set[str] = field(default_factory=set)
    output: str = ""

    def wants(self, step: Step) -> bool:
        """Whether the flags raised so far ask for the step."""
        return self.flags.issuperset(step.when) and self.flags.isdisjoint(step.unless)

    def add(self, text: str) -> None:
        """Keep the flags and the other lines of a script's standard output."""
        lines = text.splitlines(keepends=True)
        self.flags |= {line.removeprefix(FLAG).strip() for line in lines if line.startswith(FLAG)}
        self.output += "".join(line for line in lines if not line.startswith(FLAG))


def redact(text: str, task: Task) -> str:
    """The text without the task's secrets."""
    for secret in task.secrets.values():
        for line in secret.splitlines():
            if len(line.strip()) > 3:
                text = text.replace(line.strip(), "[secret]")
    return text
