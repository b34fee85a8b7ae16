"""A client of the provider plugin, as Pulumi's engine is, and a fake engine that records messages."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import engine_pb2_grpc, provider_pb2, provider_pb2_grpc, status_pb2

from provider.model import Machine, Settings
from provider.protocol.engine import Engine
from provider.protocol.provider import Service
from tests.support.ssh_server import KEYS

TASK = "urn:pulumi:lab::homelab::homelab:components:Node$homelab:index:Task::a-roll"
SECRET = "urn:pulumi:lab::homelab::homelab:index:Secret::token"
CHART = "urn:pulumi:lab::homelab::homelab:components:Layer$homelab:index:Chart::web-chart-web"
OUTPUT_KEYS = ("done", "output", "value", "path")
LIMITS = [("grpc.max_metadata_size", 1 << 20), ("grpc.max_receive_message_length", 64 << 20)]


def to_struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(dict(values), struct_pb2.Struct())


def from_struct(values: struct_pb2.Struct) -> dict[str, Any]:
    return dict(json_format.MessageToDict(values))


class FakeEngine(engine_pb2_grpc.EngineServicer):
    """Records the plugin's log messages."""

    def __init__(self) -> None:
        self.logged: list[Any] = []

    async def Log(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.logged.append(request)
        return empty_pb2.Empty()

    def texts(self, severity: Any) -> list[str]:
        return [each.message for each in self.logged if each.severity == severity]


@dataclass
class PluginClient:
    """A client of the plugin, and the engine that the plugin sends log messages to."""

    stub: Any
    engine: FakeEngine = field(default_factory=FakeEngine)

    async def configure(self, **settings: Any) -> Any:
        text = Settings(**({"keys": KEYS} | settings)).model_dump_json(by_alias=True)
        return await self.stub.Configure(provider_pb2.ConfigureRequest(variables={"homelab:config:settings": text}))

    async def create(self, inputs: Mapping[str, Any], urn: str = TASK, *, preview: bool = False) -> Any:
        return await self.stub.Create(
            provider_pb2.CreateRequest(urn=urn, properties=to_struct(inputs), preview=preview)
        )

    async def update(
        self, old: Mapping[str, Any], new: Mapping[str, Any], *, urn: str = TASK, preview: bool = False
    ) -> dict[str, Any]:
        request = provider_pb2.UpdateRequest(id="x", urn=urn, olds=to_struct(old), news=to_struct(new), preview=preview)
        return from_struct((await self.stub.Update(request)).properties)

    async def diff(self, old: Mapping[str, Any], new: Mapping[str, Any], urn: str = TASK) -> tuple[bool, list[str]]:
        inputs = {key: value for key, value in old.items() if key not in OUTPUT_KEYS}
        request = provider_pb2.DiffRequest(
            id="x", urn=urn, olds=to_struct(old), old_inputs=to_struct(inputs), news=to_struct(new)
        )
        answer = await self.stub.Diff(request)
        assert not answer.replaces
        return answer.changes == provider_pb2.DiffResponse.DIFF_SOME, list(answer.diffs)

    async def delete(self, properties: Mapping[str, Any], urn: str = TASK) -> None:
        await self.stub.Delete(provider_pb2.DeleteRequest(id="x", urn=urn, properties=to_struct(properties)))

    async def check(self, old: Mapping[str, Any], new: Mapping[str, Any], urn: str = TASK) -> dict[str, Any]:
        request = provider_pb2.CheckRequest(urn=urn, olds=to_struct(old), news=to_struct(new))
        answer = await self.stub.Check(request)
        assert not answer.failures
        return from_struct(answer.inputs)

    async def failures(self, new: Mapping[str, Any], old: Mapping[str, Any], urn: str = TASK) -> list[str]:
        request = provider_pb2.CheckRequest(urn=urn, olds=to_struct(old), news=to_struct(new))
        return [failure.reason for failure in (await self.stub.Check(request)).failures]


@asynccontextmanager
async def running_plugin() -> AsyncIterator[PluginClient]:
    """Run the plugin's service and an engine; yield a client with a gRPC channel."""
    engine, service = FakeEngine(), grpc.aio.server()
    listener = grpc.aio.server()
    engine_pb2_grpc.add_EngineServicer_to_server(engine, listener)
    address = f"127.0.0.1:{listener.add_insecure_port('127.0.0.1:0')}"
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Service(Engine(address)), service)
    port = service.add_insecure_port("127.0.0.1:0")
    await listener.start()
    await service.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=LIMITS) as channel:
        yield PluginClient(provider_pb2_grpc.ResourceProviderStub(channel), engine)
    await service.stop(None)
    await listener.stop(None)


def task_inputs(machine: Machine, *run: str, **more: Any) -> dict[str, Any]:
    """Build a task's inputs as the engine sends them."""
    given = {"machine": machine.model_dump(by_alias=True), "run": [{"script": f"{name}.sh"} for name in run]}
    return given | {"undo": [], "probe": "", "digest": "1", "variables": {}, "secrets": {}, "once": False} | more


async def rpc_error(work: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await work
    return caught.value


def init_failure(error: grpc.aio.AioRpcError) -> Any:
    """Return the details that the engine stores of a resource whose creation failed."""
    metadata = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(bytes(metadata["grpc-status-details-bin"]))
    found = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(found)
    return found
