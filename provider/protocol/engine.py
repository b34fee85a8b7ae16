"""Progress messages and warnings to Pulumi's engine, which shows each on the line of its resource."""

import contextlib
from typing import Any

import grpc
import grpc.aio
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from provider.printable import printable


class Engine:
    """Client of the log of Pulumi's engine."""

    def __init__(self, address: str) -> None:
        self._stub: Any = engine_pb2_grpc.EngineStub(grpc.aio.insecure_channel(address))

    async def progress(self, urn: str, message: str) -> None:
        """Show `message` on the resource's line until the next message replaces it."""
        await self._log(urn, message, engine_pb2.INFO, ephemeral=True)

    async def warn(self, urn: str, message: str) -> None:
        """Report `message` as a warning of the resource; it stays in the output."""
        await self._log(urn, message, engine_pb2.WARNING, ephemeral=False)

    async def _log(self, urn: str, message: str, severity: Any, *, ephemeral: bool) -> None:
        request = engine_pb2.LogRequest(urn=urn, message=printable(message), severity=severity, ephemeral=ephemeral)
        with contextlib.suppress(grpc.aio.AioRpcError):  # a lost log line must not fail the task
            await self._stub.Log(request)
