"""How the engine writes values, types and names."""

from collections.abc import Mapping
from typing import Any, NoReturn

import grpc
import grpc.aio
from google.protobuf import any_pb2, json_format, struct_pb2
from pulumi.runtime.proto import provider_pb2, status_pb2


def values(properties: struct_pb2.Struct) -> dict[str, Any]:
    """A message as a mapping."""
    return dict(json_format.MessageToDict(properties))


def struct(given: Mapping[str, Any]) -> struct_pb2.Struct:
    """A mapping as a message."""
    return json_format.ParseDict(dict(given), struct_pb2.Struct())


def changes(changed: bool) -> Any:
    """What a diff says."""
    return provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE


def kind(urn: str) -> str:
    """The type of a resource."""
    return urn.split("::")[2].rsplit("$", 1)[-1]


def name(urn: str) -> str:
    """The name of a resource."""
    return urn.split("::")[3]


async def abort_unfinished(
    context: grpc.aio.ServicerContext[Any, Any],
    id: str,  # noqa: A002 - the engine's name for it
    outputs: Mapping[str, Any],
    inputs: Mapping[str, Any],
    reason: str,
) -> NoReturn:
    """Fail, and have the engine store the resource as unfinished."""
    failure = provider_pb2.ErrorResourceInitFailed(
        id=id, properties=struct(outputs), inputs=struct(inputs), reasons=[reason]
    )
    detail = any_pb2.Any()
    detail.Pack(failure)
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=reason, details=[detail])
    await context.abort(grpc.StatusCode.UNKNOWN, reason, (("grpc-status-details-bin", status.SerializeToString()),))
