"""What `./homelab doctor` found: of one machine, of the cluster, of one layer."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """How bad it is."""

    FINE = "fine"
    NOTE = "note"
    """Nothing that must be done: `pulumi up` sees to it, it could not be looked at yet, or it is yours to decide."""
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """One check, what it saw, and what to do about it."""

    check: str
    state: State
    says: str
    fix: str = ""


@dataclass(frozen=True)
class Report:
    """All findings about one thing: `kind` is machine, cluster, layer or platform."""

    kind: str
    name: str
    findings: tuple[Finding, ...]

    @property
    def state(self) -> State:
        """The worst of its findings."""
        states = {finding.state for finding in self.findings}
        return next((state for state in (State.WRONG, State.NOTE) if state in states), State.FINE)

    def says(self, check: str) -> str:
        """What a check saw; nothing if it was not made."""
        return next((finding.says for finding in self.findings if finding.check == check), "")

    def as_data(self) -> dict[str, Any]:
        """The same for `--json`."""
        findings = [asdict(finding) for finding in self.findings]
        return {"kind": self.kind, "name": self.name, "state": self.state, "findings": findings}


def fine(check: str, says: str) -> Finding:
    """Nothing is wrong."""
    return Finding(check, State.FINE, says)


def note(check: str, says: str, fix: str = "") -> Finding:
    """Worth knowing."""
    return Finding(check, State.NOTE, says, fix)


def wrong(check: str, says: str, fix: str) -> Finding:
    """Something to mend, and how."""
    return Finding(check, State.WRONG, says, fix)


def any_wrong(reports: Iterable[Report]) -> bool:
    """Whether there is something to mend."""
    return any(report.state is State.WRONG for report in reports)
