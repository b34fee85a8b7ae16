"""Runs the real Pulumi program under a monitor that records every resource as the engine receives it."""

import asyncio
import contextvars
import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime import rpc
from pulumi.runtime.mocks import MockEngine, MockMonitor, Mocks, MockSettings
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.stack import run_in_stack

from stacks import homelab, stackfile
from stacks.settings import NAMESPACE
from tests.support.envelopes import sealed, unsealed

STACK = "pulumi:pulumi:Stack"
TASK = "homelab:index:Task"
SECRET = "homelab:index:Secret"
CHART = "homelab:index:Chart"
DATABASE = "kubernetes:postgresql.cnpg.io/v1:Cluster"
DATABASE_IMAGE = "ghcr.io/cloudnative-pg/postgresql:17"
"""Image that the webhook of CloudNativePG writes into a Cluster without an image."""
MACHINES = "pulumi:providers:homelab"
KUBERNETES = "pulumi:providers:kubernetes"
Program = Callable[[], None]


@dataclass(frozen=True)
class Resource:
    """A registered resource. Inputs are as sent: secrets are in envelopes."""

    urn: str
    type: str
    name: str
    custom: bool
    parent: str
    provider: str
    depends_on: frozenset[str]
    secret_outputs: frozenset[str]
    ignored: frozenset[str]
    inputs: Mapping[str, Any]
    protected: bool = False
    deleted_with: str = ""
    replaced_by_deletion: bool = False

    @property
    def role(self) -> str:
        """The task's role: the last word of its name."""
        return self.name.rpartition("-")[2]

    @property
    def plain(self) -> dict[str, Any]:
        """The inputs without envelopes, as the plugin gets them."""
        return dict(unsealed(self.inputs))


@dataclass
class Recording(MockMonitor):
    """The resources that a run registered, and the outputs of components by URN."""

    preview: bool = False
    resources_by_urn: dict[str, Resource] = field(default_factory=dict)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(_Nothing())

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        urn = self.make_urn(request.parent, request.type, request.name)
        assert urn not in self.resources_by_urn, f"{urn} is registered twice"
        inputs = json_format.MessageToDict(request.object)
        self.resources_by_urn[urn] = Resource(
            urn, request.type, request.name, request.custom, request.parent, request.provider,
            frozenset(request.dependencies).union(*(each.urns for each in request.propertyDependencies.values())),
            frozenset(request.additionalSecretOutputs), frozenset(request.ignoreChanges), inputs, request.protect,
            request.deletedWith, request.deleteBeforeReplace,
        )  # fmt: skip
        outputs = inputs | self._made(request)
        reply = json_format.ParseDict(outputs, struct_pb2.Struct())
        return resource_pb2.RegisterResourceResponse(urn=urn, id=request.name if request.custom else "", object=reply)

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802
        self.outputs[request.urn] = json_format.MessageToDict(request.outputs)
        return empty_pb2.Empty()

    def _made(self, request: Any) -> dict[str, Any]:
        """Return the outputs that plugins add to the inputs, secret if the program marked them so."""
        if request.type.startswith("kubernetes:core/v1:") and "name" not in request.object["metadata"]:
            metadata = json_format.MessageToDict(request.object["metadata"])
            return {"metadata": metadata | {"name": f"{request.name}-1a2b3c4d"}}
        if request.type == CHART:
            given = json_format.MessageToDict(request.object)
            return {"path": f"./.charts/{given['name']}.tgz", "sha256": given.get("sha256") or generated(given["name"])}
        if request.type == DATABASE:
            spec = json_format.MessageToDict(request.object["spec"])
            return {"spec": {"imageName": DATABASE_IMAGE, **spec}}
        kind = {TASK: "output", SECRET: "value"}.get(request.type)
        if kind is None:
            return {}
        value = rpc.UNKNOWN if self.preview else generated(request.name)
        if request.name == "cluster-kubeconfig" and not self.preview:
            value = "\n".join((generated("authority"), generated("certificate-admin"), generated("certificate-apps")))
        return {kind: sealed(value) if kind in request.additionalSecretOutputs else value}

    @property
    def registered(self) -> list[Resource]:
        """All resources except the stack."""
        return [each for each in self.resources_by_urn.values() if each.type != STACK]

    @property
    def tasks(self) -> list[Resource]:
        return [each for each in self.registered if each.type == TASK]

    @property
    def stack_outputs(self) -> dict[str, Any]:
        return next(outputs for urn, outputs in self.outputs.items() if self.resources_by_urn[urn].type == STACK)

    def resource(self, name: str) -> Resource:
        (found,) = (each for each in self.registered if each.custom and each.name == name)
        return found

    def tasks_of_role(self, role: str) -> dict[str, Resource]:
        """Return the tasks of one role (`prepare`, `join`, …) by their node."""
        return {self.node_of(each): each for each in self.tasks if self.node_of(each) and each.role == role}

    def node_of(self, task: Resource) -> str:
        """Return the name of a task's node; empty for tasks of the cluster."""
        parent = self.resources_by_urn[task.parent]
        return parent.name if parent.type.endswith(":Node") else ""

    def tasks_before(self, resource: Resource) -> frozenset[str]:
        """Return the names of the tasks that must end before this resource starts."""
        return frozenset(each.name for each in self.dependencies(resource) if each.type == TASK)

    def dependencies(self, resource: Resource) -> list[Resource]:
        """Return all resources, direct and transitive, that must exist before this one."""
        seen: set[str] = set()
        queue = list(resource.depends_on)
        while queue:
            urn = queue.pop()
            if urn not in seen and urn in self.resources_by_urn:  # and not in another stack
                seen.add(urn)
                queue += self.resources_by_urn[urn].depends_on
        return [self.resources_by_urn[urn] for urn in seen]


class _Nothing(Mocks):
    """Fails for calls that the recording does not answer."""

    def call(self, args: Any) -> Any:
        raise AssertionError(f"the program calls {args.token}")

    def new_resource(self, args: Any) -> Any:
        raise AssertionError(f"the program reads {args.name}")


def generated(name: str) -> str:
    """Return the value that a resource generates: hexadecimal digits, as generated secrets have."""
    return hashlib.blake2s(name.encode(), digest_size=16).hexdigest()


def canary(name: str) -> str:
    """Return the value of a secret in recordings."""
    return f"canary-of-{name}"


def config_of(file: Path) -> dict[str, Any]:
    """Read homelab's configuration from a stack file, with canaries as its secrets."""
    config, secrets = stackfile.read(file)
    return {**config, **{name: canary(name) for name in secrets}}


def record(
    config: Mapping[str, Any], stack: str = "lab", program: Program = homelab.deploy, *, preview: bool = False,
    secret: Collection[str] = (),
) -> Recording:  # fmt: skip
    """Run the program with this configuration; canaries, and the keys in `secret`, are secrets of the stack."""

    def run() -> Recording:
        secrets = [f"{NAMESPACE}:{name}" for name, value in config.items() if value == canary(name) or name in secret]
        values = {name: value if isinstance(value, str) else json.dumps(value) for name, value in config.items()}
        pulumi.runtime.set_all_config({f"{NAMESPACE}:{name}": value for name, value in values.items()}, secrets)
        recording = Recording(preview)
        asyncio.run(_run(recording, stack, program))
        return recording

    return contextvars.copy_context().run(run)


async def _run(recording: Recording, stack: str, program: Program) -> None:
    settings = MockSettings(  # type: ignore[no-untyped-call]
        monitor=recording, engine=MockEngine(None), project="homelab", stack=stack, dry_run=recording.preview,
        organization="organization", callbacks=None, outputs=set(),  # not those of a run that failed
    )  # fmt: skip
    pulumi.runtime.settings.configure(settings)
    await run_in_stack(program)
