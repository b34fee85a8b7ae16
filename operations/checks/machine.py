"""Checks a machine for `./homelab doctor`, with the facts that a script collected, or with the error of the script."""

from collections.abc import Mapping

from components.cluster.settings import NodeSettings
from operations.checks import expiry, firewall, host, k3s, kernel, lan
from operations.checks.machine_state import MachineState
from operations.findings import Finding, fine, wrong
from operations.machine_facts import Facts
from operations.machines import Failure, ScriptResult

_CHECKS = (*host.CHECKS, *kernel.CHECKS, *lan.CHECKS, *firewall.CHECKS, *k3s.CHECKS, *expiry.CHECKS)


def check_connection(node: NodeSettings, result: ScriptResult) -> list[Finding]:
    """Return the findings about a machine on which the script `node/collect-facts.sh` failed or could not run."""
    cause = result.cause.removeprefix(f"{node.name} ({node.address})").lstrip(": ")
    if result.failure is Failure.HOST_KEY:
        fix = "find out which machine answers at the address; if the machine was reinstalled, run `./homelab trust`"
        return [wrong("host key", cause.partition("\n")[0], fix)]
    reached = fine("host key", "as pinned")
    if result.failure is Failure.LOGIN:
        fix = "add the public key to the user's authorized_keys on the machine, or correct `ssh` in the stack file"
        return [reached, wrong("login", cause.partition(": add")[0], fix)]
    if result.failure is Failure.SCRIPT:
        fix = "allow passwordless sudo for the user" if "sudo" in cause else "test the login with `ssh`"
        return [reached, wrong("root", cause, fix)]
    fix = f"power on the machine, and check its `address` ({node.address}) and `ssh.port` in the stack file"
    return [wrong("reachable", cause, fix)]


def check(machine: MachineState) -> list[Finding]:
    """Run all checks on the facts of one machine, and return their findings."""
    if not machine.facts.complete:
        return [
            wrong("script", "the output of the script node/collect-facts.sh is incomplete", "run the command again")
        ]
    known = "as pinned, or certified" if machine.cluster.ssh.host_authority else "as pinned"
    return [fine("host key", known), *(run(machine) for run in _CHECKS)]


def duplicate_machine_ids(facts: Mapping[str, Facts]) -> dict[str, Finding]:
    """Return a finding for each machine whose /etc/machine-id equals the /etc/machine-id of another machine."""
    ids = {name: machine.text("machine-id") for name, machine in facts.items()}
    fix = "run on the cloned machine: rm /etc/machine-id /var/lib/dbus/machine-id; systemd-machine-id-setup; reboot"
    return {
        name: wrong("identity", f"the machine has the same machine-id as {', '.join(others)}", fix)
        for name, own in ids.items()
        if own and (others := [other for other, other_id in ids.items() if other_id == own and other != name])
    }
