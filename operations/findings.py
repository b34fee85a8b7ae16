"""The results of `./homelab doctor`: findings about machines, the cluster and platform layers."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """Severity of a finding."""

    FINE = "fine"
    NOTE = "note"
    """The result is no problem: `pulumi up` will correct it, the check cannot run yet, or the user may intend it."""
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """The result of one check of `./homelab doctor`, with a fix if the check found a problem."""

    check: str
    state: State
    says: str
    fix: str = ""


@dataclass(frozen=True)
class Report:
    """All findings of `./homelab doctor` about one subject; `kind` is `machine`, `cluster`, `layer` or `platform`."""

    kind: str
    name: str
    findings: tuple[Finding, ...]

    @property
    def state(self) -> State:
        """The state of the report, which is the most severe state of its findings."""
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
    """Build a finding for a check that passed."""
    return Finding(check, State.FINE, says)


def note(check: str, says: str, fix: str = "") -> Finding:
    """Build a finding for a result that users should know, but that is not a problem."""
    return Finding(check, State.NOTE, says, fix)


def wrong(check: str, says: str, fix: str) -> Finding:
    """Build a finding for a check that failed; `fix` states how the user can fix the problem."""
    return Finding(check, State.WRONG, says, fix)


def any_wrong(reports: Iterable[Report]) -> bool:
    """Return whether any report of `./homelab doctor` contains a problem."""
    return any(report.state is State.WRONG for report in reports)
