"""Whether K3s can be put on a machine, and whether it is as it was put there."""

from collections.abc import Callable, Sequence

from components.lab import ClusterSettings, NodeSettings
from operations.checks.seen import Seen
from operations.findings import Finding, fine, note, wrong

_OUTSIDE = {"vxlan": ("udp/8472",), "wireguard-native": ("udp/51820", "udp/51821")}


def ports(node: NodeSettings, cluster: ClusterSettings) -> tuple[str, ...]:
    """Return what K3s, and the balancer before it, listen at on that machine."""
    server = ("tcp/6443", "tcp/2379", "tcp/2380", *_balanced(cluster)) if node.role == "server" else ()
    backend = _OUTSIDE.get(cluster.network.flannel_backend, ()) if cluster.network.cni == "flannel" else ()
    return (*server, "tcp/10250", *backend)


def _balanced(cluster: ClusterSettings) -> tuple[str, ...]:
    return (f"tcp/{cluster.endpoint_port}",) if cluster.api.balancer else ()


def _ports(seen: Seen) -> Finding:
    if not seen.facts.yes("ports-known"):
        return note("ports", "not known before iproute2 is installed, which `pulumi up` does")
    theirs = {port: who for port, who in seen.facts.ports.items() if not _is_ours(seen, port, who)}
    if theirs:
        says = ", ".join(f"{port} is held by {who}" for port, who in sorted(theirs.items()))
        return wrong("ports", says, "stop what listens there, or give the machine to K3s alone")
    return fine("ports", "held by K3s" if seen.facts.ports else "free")


def _is_ours(seen: Seen, port: str, program: str) -> bool:
    if port in _balanced(seen.cluster):
        return program == "haproxy" and bool(seen.facts.text("owner"))
    # flannel's tunnel has no process: the kernel itself listens
    return seen.installed and (program.startswith("k3s") or program == "the kernel")


def _packages(seen: Seen) -> Finding:
    facts = seen.facts
    if not facts.yes("apt"):
        return note("packages", "not known without apt")
    if half := facts.text("half-installed"):
        return wrong("packages", f"half installed: {half}", "dpkg --configure -a; apt-get -f install")
    missing = facts.text("missing")
    if not missing:
        return fine("packages", "all there")
    if facts.yes("apt-would"):
        return note("packages", f"`pulumi up` installs {missing}")
    says = f"missing: {missing}; apt says: {facts.text('apt-says') or 'nothing'}"
    return note("packages", says, "`pulumi up` refreshes apt's lists first; if it still fails: apt-get update")


def _owner(seen: Seen) -> Finding:
    owner = seen.facts.text("owner")
    if owner not in ("", seen.node.name):
        fix = f"take {owner} out of `nodes`, `pulumi up`, put {seen.node.name} in, `pulumi up`"
        return wrong("owner", f"it is the node {owner}", fix)
    if not owner and (seen.installed or seen.facts.yes("other-unit")):
        fix = "if nothing in it is needed: disable its service, reboot, then k3s-uninstall.sh or k3s-agent-uninstall.sh"
        return wrong("owner", "a K3s is there that was not put there by this program", fix)
    if owner and seen.facts.yes("other-unit") and not seen.installed:
        fix = "a role stays: take it out of `nodes`, `pulumi up`, put it in anew, `pulumi up`"
        return wrong("owner", f"it is of the cluster, and no {seen.node.role}", fix)
    return fine("owner", "this stack" if owner else "nobody yet")


def _k3s(seen: Seen) -> Finding:
    facts, wanted = seen.facts, seen.cluster.k3s.version
    if not seen.installed or not facts.text("owner"):
        return note("K3s", "not installed yet")
    name = "k3s" if seen.node.role == "server" else "k3s-agent"
    state, version = facts.text("unit"), facts.text("version")
    if state != "active":
        fix = f"read `journalctl -u {name}` there, then `pulumi up`"
        return wrong("K3s", f"{version}; the unit {name} is {state or 'unknown'}", fix)
    if version != wanted:
        return wrong("K3s", f"{version}, and the stack file says {wanted}", "`pulumi up`")
    if differs := facts.all("differs"):
        return wrong("K3s", f"{version}; changed by hand: {'; '.join(differs)}", "`pulumi up`")
    return fine("K3s", version)


CHECKS: Sequence[Callable[[Seen], Finding]] = (_ports, _packages, _owner, _k3s)
