"""What the plugin tells the engine while it works: progress and warnings, each on its resource's line."""

import contextlib
from typing import Any

import grpc
import grpc.aio
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from .printable import printable


class Engine:
    """The engine's log."""

    def __init__(self, address: str) -> None:
        self._stub: Any = engine_pb2_grpc.EngineStub(grpc.aio.insecure_channel(address))

    async def progress(self, urn: str, message: str) -> None:
        """Show `message` beside the resource until the next one comes."""
        await self._log(urn, message, engine_pb2.INFO, ephemeral=True)

    async def warn(self, urn: str, message: str) -> None:
        """Keep `message` as a warning of the resource."""
        await self._log(urn, message, engine_pb2.WARNING, ephemeral=False)

    async def _log(self, urn: str, message: str, severity: Any, *, ephemeral: bool) -> None:
        request = engine_pb2.LogRequest(urn=urn, message=printable(message), severity=severity, ephemeral=ephemeral)
        with contextlib.suppress(grpc.aio.AioRpcError):  # a lost log line must not fail the work
            await self._stub.Log(request)
