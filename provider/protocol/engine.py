"""Send progress messages and warnings about resources to Pulumi's engine, which prints these messages."""

import contextlib
from typing import Any

import grpc
import grpc.aio
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from provider.printable import printable


class Engine:
    """Client that writes to the log of Pulumi's engine."""

    def __init__(self, address: str) -> None:
        self._stub: Any = engine_pb2_grpc.EngineStub(grpc.aio.insecure_channel(address))

    async def progress(self, urn: str, message: str) -> None:
        """Show `message` on the resource's line in Pulumi's output until the next progress message."""
        await self._log(urn, message, engine_pb2.INFO, ephemeral=True)

    async def warn(self, urn: str, message: str) -> None:
        """Report `message` as a warning about the resource; Pulumi's output keeps all warnings."""
        await self._log(urn, message, engine_pb2.WARNING, ephemeral=False)

    async def _log(self, urn: str, message: str, severity: Any, *, ephemeral: bool) -> None:
        request = engine_pb2.LogRequest(urn=urn, message=printable(message), severity=severity, ephemeral=ephemeral)
        with contextlib.suppress(grpc.aio.AioRpcError):  # a lost log line must not fail the task
            await self._stub.Log(request)
