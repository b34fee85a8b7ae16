"""Simulated labs of any size for benchmarks and tests."""

import base64
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from rehearsal.lab import Lab
from rehearsal.session import Session, open_session

STACK = "bench"
VIP = "10.9.0.250"
Document = Mapping[str, Any]
"""The content of a stack file."""


def stack_document(servers: int, agents: int, **settings: Any) -> dict[str, Any]:
    """Build a stack file with servers s1, s2, … and agents a1, a2, …; add `settings` to `homelab:cluster`."""
    nodes = [{"name": f"s{i}", "role": "server", "address": f"10.9.0.{10 + i}"} for i in range(1, servers + 1)]
    nodes += [{"name": f"a{i}", "role": "agent", "address": f"10.9.0.{20 + i}"} for i in range(1, agents + 1)]
    for node in nodes:
        node["hostKey"] = _host_key(str(node["name"]))
    cluster: dict[str, Any] = {
        "domain": "lab.test",
        "api": {"vip": "10.9.0.100"},
        "ssh": {"user": "pi", "agent": True},
        "nodes": nodes,
    }
    return {"config": {"homelab:cluster": cluster | settings}}


def benchmark_document(servers: int, agents: int, **settings: Any) -> dict[str, Any]:
    """Build the stack file of a benchmark. With up to 200 agents, no node has the address of the virtual IP."""
    return stack_document(servers, agents, api={"vip": VIP}, **settings)


def _host_key(name: str) -> str:
    """Generate a placeholder host key; the rehearsal replaces the placeholder with the machine's real key."""
    parts = [b"ssh-ed25519", hashlib.sha256(name.encode()).digest()]
    wire = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return f"ssh-ed25519 {base64.b64encode(wire).decode()}"


@contextmanager
def new_lab(stack: Document, folder: Path, **apps: Document) -> Iterator[Session]:
    """Yield a rehearsal session with new machines, empty disks and an empty Pulumi state; delete the lab afterwards.

    The simulated lab stores its files in `folder`, and not in the folder of your own rehearsals.
    """
    os.environ["XDG_STATE_HOME"] = str(folder)
    lab = Lab(STACK)
    with lab.locked():
        try:
            yield open_lab(lab, stack, folder, **apps)
        finally:
            lab.remove()


def open_lab(lab: Lab, stack: Document, folder: Path, **apps: Document) -> Session:
    """Open a rehearsal session for a lab with the stack file `stack`; `apps` maps stack names to app stack files."""
    file, *others = (_written(folder, *item) for item in {STACK: stack, **apps}.items())
    return open_session(lab, lambda _: None, file=file, apps=others)


def _written(folder: Path, stack: str, document: Document) -> Path:
    file = folder / f"Pulumi.{stack}.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    return file
