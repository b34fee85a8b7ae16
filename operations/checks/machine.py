"""What is wrong with a machine: it did not answer, or by what it said of itself."""

from collections.abc import Mapping

from components.lab import NodeSettings
from operations.checks import host, k3s
from operations.checks.seen import Seen
from operations.facts import Facts
from operations.findings import Finding, fine, wrong
from operations.machines import Answer, Failure


def unreachable(node: NodeSettings, answer: Answer) -> list[Finding]:
    """Return the findings about a machine that could not be asked."""
    cause = answer.cause.removeprefix(f"{node.name} ({node.address})").lstrip(": ")
    if answer.failure is Failure.HOST_KEY:
        fix = "find out who answers there; if it was set up anew: `./homelab trust`"
        return [wrong("host key", cause.partition("\n")[0], fix)]
    reached = fine("host key", "as pinned")
    if answer.failure is Failure.LOGIN:
        fix = "add the public key to its authorized_keys, or mend `ssh` in the stack file"
        return [reached, wrong("login", cause.partition(": add")[0], fix)]
    if answer.failure is Failure.SCRIPT:
        fix = "let the user use sudo without a password there" if "sudo" in cause else "try it with `ssh`"
        return [reached, wrong("root", cause, fix)]
    fix = f"switch it on; compare `address` ({node.address}) and `ssh.port` with what the machine has"
    return [wrong("reachable", cause, fix)]


def judge(seen: Seen) -> list[Finding]:
    """Return a finding of every check."""
    if not seen.facts.whole:
        return [wrong("script", "its answer was cut off", "run this again")]
    known = "as pinned, or certified" if seen.cluster.ssh.host_authority else "as pinned"
    return [fine("host key", known), *(check(seen) for check in (*host.CHECKS, *k3s.CHECKS))]


def same_identity(facts: Mapping[str, Facts]) -> dict[str, Finding]:
    """Return a finding for each machine whose machine-id another one has as well."""
    ids = {name: found.text("machine-id") for name, found in facts.items()}
    fix = "on the copy: rm /etc/machine-id /var/lib/dbus/machine-id; systemd-machine-id-setup; reboot"
    return {
        name: wrong("identity", f"has the same machine-id as {', '.join(others)}", fix)
        for name, own in ids.items()
        if own and (others := [other for other, its in ids.items() if its == own and other != name])
    }
