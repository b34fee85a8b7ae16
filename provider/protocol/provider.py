"""The plugin's gRPC service for three resource types: tasks, generated secrets and Helm charts."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import grpc
import grpc.aio
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc
from pulumi.runtime.rpc import UNKNOWN

from provider.charts import archives, values
from provider.errors import TaskError
from provider.model import Machine, Settings
from provider.protocol import properties
from provider.protocol.encoding import abort_unfinished, diff_kind, resource_name, resource_type, to_dict, to_struct
from provider.protocol.engine import Engine
from provider.protocol.renamed_scripts import from_state, settings_from_state
from provider.tasks.runner import Runner

VERSION = "0.1.0"
TASK_TYPE = "homelab:index:Task"
SECRET_TYPE = "homelab:index:Secret"  # noqa: S105 - the name of a resource type
CHART_TYPE = "homelab:index:Chart"
Context = grpc.aio.ServicerContext[Any, Any]


class Service(provider_pb2_grpc.ResourceProviderServicer):
    """Serves requests of Pulumi's engine; the engine sends secrets in plaintext and marks secrets in responses."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._runner = Runner(Settings())
        self._warned_machines: set[str] = set()
        self._program_runs = False

    async def GetPluginInfo(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Report the plugin's version."""
        return plugin_pb2.PluginInfo(version=VERSION)

    async def CheckConfig(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Accept the plugin's settings unchanged, because the Pulumi program has validated the settings."""
        self._program_runs = True
        return provider_pb2.CheckResponse(inputs=request.news)

    async def DiffConfig(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Refuse to remove nodes that the cluster needs; report other changes of the plugin's settings as an update."""
        old, new = settings_from_state(to_dict(request.old_inputs)), to_dict(request.news)
        try:
            await self._check_removal(properties.parse_settings(old), properties.parse_settings(new))
        except TaskError as error:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        return provider_pb2.DiffResponse(changes=diff_kind(old != new))

    async def _check_removal(self, old: Settings, new: Settings) -> None:
        """Refuse to remove nodes if etcd would lose its quorum, or if the cluster would lose volumes.

        Raises TaskError.
        """
        kept = {machine.name for machine in (*new.servers, *new.agents)}
        nodes = [machine.name for machine in (*old.servers, *old.agents) if machine.name not in kept]
        servers = [server.name for server in old.servers if server.name in nodes]
        if nodes and len(servers) < len(old.servers) and properties.drift_checks_enabled():
            await Runner(new).check_removal(servers, nodes)

    async def Configure(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Store the plugin's settings, then start the drift checks of all machines."""
        settings = request.variables.get("homelab:config:settings", "{}")  # missing if the value is unknown to Pulumi
        try:
            self._runner = Runner(Settings.model_validate_json(settings), properties.deletes_unreachable())
        except TaskError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        if properties.drift_checks_enabled():
            self._runner.start_drift_checks()
        return provider_pb2.ConfigureResponse(acceptSecrets=False, supportsPreview=True)

    async def Cancel(self, request: Any, context: Context) -> Any:  # noqa: N802
        """After the user has cancelled Pulumi, let the running steps finish, but start no further steps."""
        self._runner.cancel()
        return empty_pb2.Empty()

    async def Check(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Accept the inputs of a resource; add the input `drift` to a task, and the input `sha256` to a chart."""
        self._program_runs = True
        news = to_dict(request.news)
        is_task = resource_type(request.urn) == TASK_TYPE
        if is_task and request.olds.fields and news.get("probe") and properties.drift_checks_enabled():
            news |= await self._drift(request.urn, news)
        failures = []
        if resource_type(request.urn) == CHART_TYPE:
            try:
                news |= await self._archive(news, to_dict(request.olds))
            except TaskError as error:
                failures.append(provider_pb2.CheckFailure(reason=str(error)))
        return provider_pb2.CheckResponse(inputs=to_struct(news), failures=failures)

    async def _archive(self, news: Mapping[str, Any], olds: Mapping[str, Any]) -> dict[str, str]:
        """Store a chart's archive in the cache, and return the archive's SHA-256 as the resource input `sha256`.

        Raises TaskError.
        """
        chart = await asyncio.to_thread(archives.cache, properties.parse_chart(news))
        if {**news, "sha256": chart.sha256} != olds:
            await values.validate(chart)
        return {"sha256": chart.sha256}

    async def _drift(self, urn: str, news: Mapping[str, Any]) -> dict[str, str]:
        if UNKNOWN in json.dumps([news["machine"], news["variables"]]):
            return {}
        machine = Machine.model_validate(news["machine"])
        try:
            drift = await self._runner.check_drift(machine, news["probe"], news["variables"])
        except TaskError as error:
            if machine.name not in self._warned_machines:
                self._warned_machines.add(machine.name)
                await self._engine.warn(urn, f"the machine was not checked for drift: {error}")
            return {}
        if drift:
            await self._engine.warn(urn, f"{machine.name}: {drift}")
        return {"drift": drift} if drift else {}

    async def Diff(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Report which inputs of a resource have changed; always report a failed task as changed."""
        old, new = from_state(to_dict(request.old_inputs)), to_dict(request.news)
        old.pop("drift", None)  # the last update has fixed this drift
        differing = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
        is_task = resource_type(request.urn) == TASK_TYPE
        if is_task and new.get("once"):
            differing = [key for key in differing if key in ("machine", "undo", "drift")]
        unfinished = is_task and not to_dict(request.olds).get("done")
        return provider_pb2.DiffResponse(changes=diff_kind(bool(differing) or unfinished), diffs=differing)

    async def Create(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Create a resource: run the task, generate the secret, or return the path of the chart's archive."""
        inputs = to_dict(request.properties)
        if resource_type(request.urn) == SECRET_TYPE:
            value = properties.generate_secret(inputs, preview=request.preview)
            secret = to_struct({**inputs, "value": value})
            return provider_pb2.CreateResponse(id=resource_name(request.urn), properties=secret)
        if resource_type(request.urn) == CHART_TYPE:
            return provider_pb2.CreateResponse(id=resource_name(request.urn), properties=_with_path(inputs))
        if request.preview:
            return provider_pb2.CreateResponse(properties=to_struct({**inputs, "done": True, "output": UNKNOWN}))
        outputs = await self._run(request.urn, inputs, context)
        return provider_pb2.CreateResponse(id=resource_name(request.urn), properties=to_struct(outputs))

    async def Update(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Update a resource: run a failed or changed task again, generate a new secret, or store new SSH settings."""
        inputs, old = to_dict(request.news), from_state(to_dict(request.olds))
        if resource_type(request.urn) == SECRET_TYPE:
            same = inputs.get("generation", 1) == old.get("generation", 1)
            value = old["value"] if same else properties.generate_secret(inputs, preview=request.preview)
            return provider_pb2.UpdateResponse(properties=to_struct({**inputs, "value": value}))
        if resource_type(request.urn) == CHART_TYPE:
            return provider_pb2.UpdateResponse(properties=_with_path(inputs))
        rerun = bool(inputs.pop("drift", "")) or UNKNOWN in json.dumps(inputs) or properties.needs_rerun(inputs, old)
        finished = {**inputs, "done": True, "output": old.get("output", "")}
        if request.preview:
            return provider_pb2.UpdateResponse(properties=to_struct(finished | ({"output": UNKNOWN} if rerun else {})))
        if not rerun:
            await self._verify(inputs, context)
            return provider_pb2.UpdateResponse(properties=to_struct(finished))
        return provider_pb2.UpdateResponse(properties=to_struct(await self._run(request.urn, inputs, context)))

    async def Read(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Return the stored properties unchanged, because `Check` already detects drift in every Pulumi run."""
        return provider_pb2.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)

    async def Delete(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Undo the task."""
        if resource_type(request.urn) == TASK_TYPE:
            task = properties.parse_task(from_state(to_dict(request.properties)))

            async def progress(message: str) -> None:
                await self._engine.progress(request.urn, message)

            async def warn(message: str) -> None:
                await self._engine.warn(request.urn, message)

            try:
                await self._runner.undo(task, progress, warn, program_runs=self._program_runs)
            except TaskError as error:
                await context.abort(grpc.StatusCode.UNKNOWN, str(error))
        return empty_pb2.Empty()

    async def _run(self, urn: str, inputs: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """Run the task. If the task fails, Pulumi's engine stores the task with the error, and repeats or undoes the
        task later."""

        async def progress(message: str) -> None:
            await self._engine.progress(urn, message)

        try:
            output = await self._runner.run(properties.parse_task(inputs), progress)
        except TaskError as error:
            unfinished = {**inputs, "done": False, "output": ""}
            await abort_unfinished(context, resource_name(urn), unfinished, inputs, str(error))
        return {**inputs, "done": True, "output": output}

    async def _verify(self, inputs: Mapping[str, Any], context: Context) -> None:
        try:
            await self._runner.verify_connection(properties.parse_task(inputs))
        except TaskError as error:
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))


def _with_path(inputs: Mapping[str, Any]) -> Any:
    """Add the path of the cached archive to a chart's properties."""
    return to_struct({**inputs, "path": archives.cached_path(properties.parse_chart(inputs))})
