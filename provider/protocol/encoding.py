"""Convert between Python values and the messages of Pulumi's gRPC protocol."""

from collections.abc import Mapping
from typing import Any, NoReturn

import grpc
import grpc.aio
from google.protobuf import any_pb2, json_format, struct_pb2
from pulumi.runtime.proto import provider_pb2, status_pb2


def to_dict(properties: struct_pb2.Struct) -> dict[str, Any]:
    """Convert a protobuf Struct to a dict."""
    return dict(json_format.MessageToDict(properties))


def to_struct(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    """Convert a mapping to a protobuf Struct."""
    return json_format.ParseDict(dict(properties), struct_pb2.Struct())


def diff_kind(changed: bool) -> Any:
    """Return the constant of Pulumi's protocol that tells the engine whether a resource has changes."""
    return provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE


def resource_type(urn: str) -> str:
    """Extract the type of a resource from the resource's URN."""
    return urn.split("::")[2].rsplit("$", 1)[-1]


def resource_name(urn: str) -> str:
    """Extract the name of a resource from the resource's URN."""
    return urn.split("::")[3]


async def abort_unfinished(
    context: grpc.aio.ServicerContext[Any, Any],
    id: str,  # noqa: A002 - the engine's name for it
    outputs: Mapping[str, Any],
    inputs: Mapping[str, Any],
    reason: str,
) -> NoReturn:
    """Fail a gRPC request so that Pulumi's engine stores the resource with `outputs`, `inputs` and the error
    `reason`."""
    failure = provider_pb2.ErrorResourceInitFailed(
        id=id, properties=to_struct(outputs), inputs=to_struct(inputs), reasons=[reason]
    )
    detail = any_pb2.Any()
    detail.Pack(failure)
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=reason, details=[detail])
    await context.abort(grpc.StatusCode.UNKNOWN, reason, (("grpc-status-details-bin", status.SerializeToString()),))
