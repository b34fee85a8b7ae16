"""The machines of a stack file behind real SSH servers on loopback, for commands that have a loop of their own."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from operations import machines
from tests.support.ssh_server import Computer, computers

KEY_NAME = "key"


@contextmanager
def served(home: Path, *names: str) -> Iterator[list[Computer]]:
    """Machines that answer until the block ends, from a thread of their own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    home.mkdir()
    together = computers(home, *names)
    try:
        yield asyncio.run_coroutine_threadsafe(together.__aenter__(), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(together.__aexit__(None, None, None), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def reach(found: list[Computer], monkeypatch: pytest.MonkeyPatch, bastion: Computer | None = None) -> None:
    """Have the nodes of the stack file be these machines; their names and pinned keys are the file's."""
    ports = {each.name: each.port for each in found}
    through = {"address": "127.0.0.1", "port": bastion.port} if bastion else {}
    real, real_bastion = machines.from_node, machines.from_bastion

    def on_loopback(node: Any, cluster: Any) -> Any:
        made = real(node, cluster)
        own = {"address": "127.0.0.1", "port": ports[node.name], "sudo": False}
        return made.model_copy(update=own | {"bastion": made.bastion and made.bastion.model_copy(update=through)})

    monkeypatch.setattr(machines, "from_node", on_loopback)
    monkeypatch.setattr(machines, "from_bastion", lambda given: real_bastion(given).model_copy(update=through))


def public(computer: Computer) -> str:
    """Its host key as a stack file has it."""
    return " ".join(computer.host_key.export_public_key().decode().split()[:2])


def stack_file(folder: Path, *nodes: dict[str, Any], **more: Any) -> Path:
    """A stack file with these nodes, servers one after the other at addresses of their own."""
    given = [{"name": "one", "role": "server", "address": f"10.9.0.{11 + i}"} | node for i, node in enumerate(nodes)]
    ssh = {"user": "pi", "privateKey": {"secret": KEY_NAME}}
    cluster = {"domain": "lab.test", "ssh": ssh, "nodes": given} | more
    config = {"homelab:cluster": cluster, f"homelab:{KEY_NAME}": {"secure": "v1:x:y"}}
    file = folder / "Pulumi.lab.yaml"
    file.write_text("# my lab\n" + yaml.safe_dump({"config": config}, sort_keys=False, width=1000))
    return file
