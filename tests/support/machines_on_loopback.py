"""The machines of a stack file as real SSH servers on loopback, for commands with their own event loop."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from operations import machines
from tests.support.ssh_server import SshMachine, ssh_machines

KEY_NAME = "key"


@contextmanager
def serve_machines(home: Path, *names: str) -> Iterator[list[SshMachine]]:
    """Run machines in their own thread until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    home.mkdir()
    together = ssh_machines(home, *names)
    try:
        yield asyncio.run_coroutine_threadsafe(together.__aenter__(), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(together.__aexit__(None, None, None), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def redirect_nodes(found: list[SshMachine], monkeypatch: pytest.MonkeyPatch, bastion: SshMachine | None = None) -> None:
    """Redirect the stack file's nodes to these machines; names and pinned keys stay."""
    ports = {each.name: each.port for each in found}
    through = {"address": "127.0.0.1", "port": bastion.port} if bastion else {}
    real, real_bastion = machines.from_node, machines.from_bastion

    def on_loopback(node: Any, cluster: Any) -> Any:
        made = real(node, cluster)
        own = {"address": "127.0.0.1", "port": ports[node.name], "sudo": False}
        return made.model_copy(update=own | {"bastion": made.bastion and made.bastion.model_copy(update=through)})

    monkeypatch.setattr(machines, "from_node", on_loopback)
    monkeypatch.setattr(machines, "from_bastion", lambda given: real_bastion(given).model_copy(update=through))


def public_key(computer: SshMachine) -> str:
    """Return the machine's host key in the stack file's format."""
    return " ".join(computer.host_key.export_public_key().decode().split()[:2])


def write_stack_file(folder: Path, *nodes: dict[str, Any], **more: Any) -> Path:
    """Write a stack file with these nodes; unless set, they are servers at consecutive addresses."""
    given = [{"name": "one", "role": "server", "address": f"10.9.0.{11 + i}"} | node for i, node in enumerate(nodes)]
    ssh = {"user": "pi", "privateKey": {"secret": KEY_NAME}}
    cluster = {"domain": "lab.test", "ssh": ssh, "nodes": given} | more
    config = {"homelab:cluster": cluster, f"homelab:{KEY_NAME}": {"secure": "v1:x:y"}}
    file = folder / "Pulumi.lab.yaml"
    file.write_text("# my lab\n" + yaml.safe_dump({"config": config}, sort_keys=False, width=1000))
    return file
