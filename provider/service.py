"""The plugin's face to the engine: two kinds of resource, a task and a generated secret."""

import json
import secrets
from collections.abc import Mapping
from typing import Any, NoReturn

import grpc
import grpc.aio
from google.protobuf import any_pb2, empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2
from pulumi.runtime.rpc import UNKNOWN

from .engine import Engine
from .errors import TaskError
from .model import Settings, Task
from .runner import Runner

VERSION = "0.1.0"
TASK = "homelab:index:Task"
SECRET = "homelab:index:Secret"  # noqa: S105 - a type's name
Context = grpc.aio.ServicerContext[Any, Any]


class Service(provider_pb2_grpc.ResourceProviderServicer):
    """Answers the engine. Secrets come in clear and the engine marks their echoes as secret again."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._runner = Runner(Settings())

    async def GetPluginInfo(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Name the version."""
        return plugin_pb2.PluginInfo(version=VERSION)

    async def CheckConfig(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Take the settings as they are; they come from the program's own models."""
        return provider_pb2.CheckResponse(inputs=request.news)

    async def DiffConfig(self, request: Any, context: Context) -> Any:  # noqa: N802
        """New settings never replace anything."""
        changed = _values(request.news) != _values(request.old_inputs)
        return provider_pb2.DiffResponse(changes=_changes(changed))

    async def Configure(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Take the settings: private keys and servers."""
        text = request.variables.get("homelab:config:settings", "{}")  # absent while not known yet
        try:
            self._runner = Runner(Settings.model_validate_json(text))
        except TaskError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        return provider_pb2.ConfigureResponse(acceptSecrets=False, supportsPreview=True)

    async def Cancel(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Begin no further step; what runs is let finish."""
        self._runner.cancelled = True
        return empty_pb2.Empty()

    async def Check(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Take the inputs as they are; they come from the program's own models."""
        return provider_pb2.CheckResponse(inputs=request.news)

    async def Diff(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Say which inputs differ; a task that failed is always run again."""
        old, new = _values(request.old_inputs), _values(request.news)
        differing = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
        if _type(request.urn) == TASK and new.get("once"):
            differing = [key for key in differing if key in ("machine", "undo")]
        unfinished = _type(request.urn) == TASK and not _values(request.olds).get("done")
        return provider_pb2.DiffResponse(changes=_changes(bool(differing) or unfinished), diffs=differing)

    async def Create(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Run the task, or make the secret."""
        inputs = _values(request.properties)
        if _type(request.urn) == SECRET:
            value = UNKNOWN if request.preview else secrets.token_hex(int(inputs["bytes"]))
            return provider_pb2.CreateResponse(id=_name(request.urn), properties=_struct({**inputs, "value": value}))
        name = _name(request.urn)
        if request.preview:
            return provider_pb2.CreateResponse(properties=_struct({**inputs, "done": True, "output": UNKNOWN}))
        outputs = await self._run(request.urn, inputs, context)
        return provider_pb2.CreateResponse(id=name, properties=_struct(outputs))

    async def Update(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Run the task again if its work changed or was not finished; else only learn the new connection."""
        if _type(request.urn) == SECRET:
            return provider_pb2.UpdateResponse(properties=request.olds)
        inputs, old = _values(request.news), _values(request.olds)
        finished = {**inputs, "done": True, "output": old.get("output", "")}
        if request.preview:
            rerun = UNKNOWN in json.dumps(inputs) or _reruns(inputs, old)
            return provider_pb2.UpdateResponse(properties=_struct(finished | ({"output": UNKNOWN} if rerun else {})))
        if not _reruns(inputs, old):
            await self._verify(inputs, context)
            return provider_pb2.UpdateResponse(properties=_struct(finished))
        return provider_pb2.UpdateResponse(properties=_struct(await self._run(request.urn, inputs, context)))

    async def Read(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Look at the machine: a task whose work was changed by hand is unfinished, and says what differs."""
        outputs = _values(request.properties)
        if _type(request.urn) == TASK and outputs.get("probe"):
            try:
                drift = await self._runner.probe(_task(outputs), _quiet)
            except TaskError as error:
                await self._engine.warn(request.urn, f"not looked at: {error}")
            else:
                outputs["done"] = bool(outputs["done"]) and not drift
                if drift:
                    await self._engine.warn(request.urn, drift.rstrip())
        return provider_pb2.ReadResponse(id=request.id, properties=_struct(outputs), inputs=request.inputs)

    async def Delete(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Undo the task."""
        if _type(request.urn) == TASK:
            task = _task(_values(request.properties))

            async def progress(message: str) -> None:
                await self._engine.progress(request.urn, message)

            async def warn(message: str) -> None:
                await self._engine.warn(request.urn, message)

            try:
                await self._runner.undo(task, progress, warn)
            except TaskError as error:
                await context.abort(grpc.StatusCode.UNKNOWN, str(error))
        return empty_pb2.Empty()

    async def _run(self, urn: str, inputs: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """Run the task; a failure is stored too, so that it is run again or undone later."""

        async def progress(message: str) -> None:
            await self._engine.progress(urn, message)

        try:
            output = await self._runner.run(_task(inputs), progress)
        except TaskError as error:
            await _abort_unfinished(context, _name(urn), {**inputs, "done": False, "output": ""}, inputs, str(error))
        return {**inputs, "done": True, "output": output}

    async def _verify(self, inputs: Mapping[str, Any], context: Context) -> None:
        try:
            await self._runner.verify(_task(inputs))
        except TaskError as error:
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))


async def _quiet(message: str) -> None:
    """Looking is too short to report on."""


async def _abort_unfinished(
    context: Context, name: str, outputs: Mapping[str, Any], inputs: Mapping[str, Any], reason: str
) -> NoReturn:
    failure = provider_pb2.ErrorResourceInitFailed(
        id=name, properties=_struct(outputs), inputs=_struct(inputs), reasons=[reason]
    )
    detail = any_pb2.Any()
    detail.Pack(failure)
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=reason, details=[detail])
    await context.abort(grpc.StatusCode.UNKNOWN, reason, (("grpc-status-details-bin", status.SerializeToString()),))


def _reruns(inputs: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    return not old.get("done") or _task(inputs).reruns(_task(old))


def _task(properties: Mapping[str, Any]) -> Task:
    return Task.model_validate({k: v for k, v in properties.items() if k not in ("done", "output")})


def _values(properties: struct_pb2.Struct) -> dict[str, Any]:
    return dict(json_format.MessageToDict(properties))


def _struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(dict(values), struct_pb2.Struct())


def _changes(changed: bool) -> Any:
    return provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE


def _type(urn: str) -> str:
    return urn.split("::")[2].rsplit("$", 1)[-1]


def _name(urn: str) -> str:
    return urn.split("::")[3]
