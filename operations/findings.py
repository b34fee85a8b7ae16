"""Findings of `./homelab doctor` about machines, the cluster and layers."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """Severity of a finding."""

    FINE = "fine"
    NOTE = "note"
    """Not a problem, because `pulumi up` fixes the state, the check cannot run yet, or the state may be intended."""
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """The result of one check, with a fix if the check found a problem."""

    check: str
    state: State
    says: str
    fix: str = ""


@dataclass(frozen=True)
class Report:
    """All findings about one machine, layer or other subject; `kind` is `machine`, `cluster`, `layer` or `platform`."""

    kind: str
    name: str
    findings: tuple[Finding, ...]

    @property
    def state(self) -> State:
        """The most severe state among the report's findings."""
        states = {finding.state for finding in self.findings}
        return next((state for state in (State.WRONG, State.NOTE) if state in states), State.FINE)

    def says(self, check: str) -> str:
        """Return the result text of a check, or an empty string if the check did not run."""
        return next((finding.says for finding in self.findings if finding.check == check), "")

    def as_dict(self) -> dict[str, Any]:
        """Convert the report to a dictionary for JSON output."""
        findings = [asdict(finding) for finding in self.findings]
        return {"kind": self.kind, "name": self.name, "state": self.state, "findings": findings}


def fine(check: str, says: str) -> Finding:
    """Build the finding of a passed check."""
    return Finding(check, State.FINE, says)


def note(check: str, says: str, fix: str = "") -> Finding:
    """Build the finding of a check with a notable result that is not a problem."""
    return Finding(check, State.NOTE, says, fix)


def wrong(check: str, says: str, fix: str) -> Finding:
    """Build the finding of a failed check, with the fix."""
    return Finding(check, State.WRONG, says, fix)


def any_wrong(reports: Iterable[Report]) -> bool:
    """Whether any of the reports contains a problem."""
    return any(report.state is State.WRONG for report in reports)
