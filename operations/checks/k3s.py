"""Checks whether a machine can run K3s, and whether an installed K3s matches the stack file."""

from collections.abc import Callable, Sequence

from components.cluster.settings import ClusterSettings, NodeSettings
from operations.checks.machine_state import MachineState
from operations.findings import Finding, fine, note, wrong

_FLANNEL_PORTS = {"vxlan": ("udp/8472",), "wireguard-native": ("udp/51820", "udp/51821")}


def ports(node: NodeSettings, cluster: ClusterSettings) -> tuple[str, ...]:
    """Return the ports on which K3s and the API load balancer listen on a node."""
    server = ("tcp/6443", "tcp/2379", "tcp/2380", *_load_balancer_ports(cluster)) if node.role == "server" else ()
    backend = _FLANNEL_PORTS.get(cluster.network.flannel_backend, ()) if cluster.network.cni == "flannel" else ()
    return (*server, "tcp/10250", *backend)


def _load_balancer_ports(cluster: ClusterSettings) -> tuple[str, ...]:
    return (f"tcp/{cluster.endpoint_port}",) if cluster.api.balancer else ()


def _ports(machine: MachineState) -> Finding:
    if not machine.facts.is_yes("ports-known"):
        return note("ports", "the listening ports are unknown until `pulumi up` installs iproute2")
    taken = {port: program for port, program in machine.facts.ports.items() if not _is_own(machine, port, program)}
    if taken:
        says = ", ".join(f"{port} is in use by {program}" for port, program in sorted(taken.items()))
        return wrong("ports", says, "stop the programs that listen on these ports, or dedicate the machine to K3s")
    return fine("ports", "in use by K3s" if machine.facts.ports else "free")


def _is_own(machine: MachineState, port: str, program: str) -> bool:
    if port in _load_balancer_ports(machine.cluster):
        return program == "haproxy" and bool(machine.facts.text("owner"))
    # the kernel itself serves flannel's tunnel, so no process owns the tunnel's port
    return machine.has_k3s and (program.startswith("k3s") or program == "the kernel")


def _packages(machine: MachineState) -> Finding:
    facts = machine.facts
    if not facts.is_yes("apt"):
        return note("packages", "unknown without apt")
    if half := facts.text("half-installed"):
        return wrong("packages", f"half installed: {half}", "dpkg --configure -a; apt-get -f install")
    missing = facts.text("missing")
    if not missing:
        return fine("packages", "all installed")
    if facts.is_yes("apt-would"):
        return note("packages", f"`pulumi up` installs {missing}")
    says = f"missing: {missing}; apt says: {facts.text('apt-says') or 'nothing'}"
    return note(
        "packages",
        says,
        "run `pulumi up`, which refreshes apt's package lists; if it fails, run `apt-get update` on the machine",
    )


def _owner(machine: MachineState) -> Finding:
    owner = machine.facts.text("owner")
    if owner not in ("", machine.node.name):
        fix = f"remove {owner} from `nodes`, run `pulumi up`, add {machine.node.name} to `nodes`, run `pulumi up` again"
        return wrong("owner", f"the machine is already the node {owner}", fix)
    if not owner and (machine.has_k3s or machine.facts.is_yes("other-unit")):
        fix = "if you do not need this K3s, disable its service, reboot, run k3s-uninstall.sh or k3s-agent-uninstall.sh"
        return wrong("owner", "the machine has a K3s that homelab did not install", fix)
    if owner and machine.facts.is_yes("other-unit") and not machine.has_k3s:
        fix = "a node cannot change its role: remove it from `nodes`, run `pulumi up`, add it, run `pulumi up` again"
        return wrong("owner", f"the machine is a node of the cluster, but not with the role {machine.node.role}", fix)
    return fine("owner", "this stack" if owner else "none yet")


def _k3s(machine: MachineState) -> Finding:
    facts, expected = machine.facts, machine.cluster.k3s.version
    if not machine.has_k3s or not facts.text("owner"):
        return note("K3s", "not installed yet")
    name = "k3s" if machine.node.role == "server" else "k3s-agent"
    unit_state, version = facts.text("unit"), facts.text("version")
    if unit_state != "active":
        fix = f"read `journalctl -u {name}` on the machine, then run `pulumi up`"
        return wrong("K3s", f"{version}; the unit {name} is {unit_state or 'unknown'}", fix)
    if version != expected:
        return wrong("K3s", f"{version}, but the stack file says {expected}", "run `pulumi up`")
    if differences := facts.all("differs"):
        return wrong("K3s", f"{version}; changed manually: {'; '.join(differences)}", "run `pulumi up`")
    return fine("K3s", version)


CHECKS: Sequence[Callable[[MachineState], Finding]] = (_ports, _packages, _owner, _k3s)
