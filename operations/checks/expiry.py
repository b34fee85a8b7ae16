"""Checks when the certificates of K3s on a machine expire. K3s renews its certificates only when it starts."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from operations.checks.machine_state import MachineState
from operations.findings import Finding, fine, note, wrong

RENEWAL_DAYS = 120
"""K3s renews a certificate at its start in the last 120 days of the certificate."""
_URGENT_DAYS, _CA_DAYS = 14, 365
_ROTATE = "raise k3s.rotation.certificates, then run `pulumi up`, which restarts K3s node by node"


def _certificates(machine: MachineState) -> Finding:
    rows = (line.split(" ", 1) for line in machine.facts.all("certificate"))
    ends = sorted((int(end), path) for end, path in rows)
    clock = machine.facts.text("clock")
    if not ends or not clock.isdigit():
        return fine("certificates", "none yet")
    now = int(clock)
    for end, path in ends:
        days = (end - now) // 86400
        says = f"{path} expires on {datetime.fromtimestamp(end, UTC):%Y-%m-%d}, in {days} days"
        if "-ca." in path or path.endswith("/peer-ca.crt"):
            if days < _CA_DAYS:
                return note("certificates", says, "replace the CAs of K3s: docs.k3s.io/cli/certificate")
        elif days < _URGENT_DAYS:
            return wrong("certificates", says, _ROTATE)
        elif days < RENEWAL_DAYS:
            return note("certificates", f"{says}; K3s renews it at its next start", _ROTATE)
    return fine("certificates", f"the first expires on {datetime.fromtimestamp(ends[0][0], UTC):%Y-%m-%d}")


CHECKS: Sequence[Callable[[MachineState], Finding]] = (_certificates,)
