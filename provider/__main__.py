"""Start the plugin's gRPC server, print the server's port, and serve Pulumi's engine until the engine exits."""

import asyncio
import contextlib
import os
import sys

import grpc.aio
from pulumi.runtime.proto import provider_pb2_grpc

from provider.protocol.engine import Engine
from provider.protocol.provider import Service

GRPC_OPTIONS = [("grpc.max_receive_message_length", 64 << 20)]


async def serve(engine_address: str) -> None:
    """Serve the Pulumi engine that started the plugin; `engine_address` is the engine's address as HOST:PORT."""
    server = grpc.aio.server(options=GRPC_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Service(Engine(engine_address)), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    try:
        await _wait_for_exit_of(os.getppid())
    finally:
        await server.stop(None)


async def _wait_for_exit_of(engine_pid: int) -> None:
    """Wait until the parent process, Pulumi's engine, has exited or crashed."""
    while os.getppid() == engine_pid:
        await asyncio.sleep(0.5)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):  # the engine stops its plugins with SIGINT
        asyncio.run(serve(sys.argv[-1]))
