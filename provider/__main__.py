"""Serve the plugin: print the port, then answer the engine until it goes."""

import asyncio
import contextlib
import os
import sys

import grpc.aio
from pulumi.runtime.proto import provider_pb2_grpc

from .engine import Engine
from .service import Service

OPTIONS = [("grpc.max_receive_message_length", 64 << 20)]


async def serve(engine_address: str) -> None:
    """Answer the engine that listens at `engine_address` (host:port)."""
    server = grpc.aio.server(options=OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Service(Engine(engine_address)), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    try:
        await _orphaned(os.getppid())
    finally:
        await server.stop(None)


async def _orphaned(engine: int) -> None:
    """Return when the process that started us is gone, however it ended."""
    while os.getppid() == engine:
        await asyncio.sleep(0.5)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):  # how the engine ends its plugins
        asyncio.run(serve(sys.argv[-1]))
