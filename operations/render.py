"""What a chart installs with the values of a layer: rendered by the Helm in Pulumi's Kubernetes plugin, as in `up`."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format, struct_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from components.manifest import Derived, Filled, Hashed, Made, Tree
from components.model import SecretRef

PLUGIN = "pulumi-resource-kubernetes"
SECONDS = 60.0
LARGEST = 256 << 20
APIS = (
    "v1", "policy/v1/PodDisruptionBudget", "batch/v1/CronJob", "cert-manager.io/v1", "monitoring.coreos.com/v1",
    "monitoring.coreos.com/v1/ServiceMonitor", "monitoring.coreos.com/v1/PodMonitor",
    "monitoring.coreos.com/v1/PrometheusRule",
)  # fmt: skip
"""What charts ask a cluster for, besides what they know that every one serves."""


NO_CLUSTER = """\
{apiVersion: v1, kind: Config, current-context: none, users: [{name: none, user: {}}],
 clusters: [{name: none, cluster: {server: "https://127.0.0.1:1"}}],
 contexts: [{name: none, context: {cluster: none, user: none}}]}
"""
"""A kubeconfig that leads nowhere: without any, the plugin would take the user's own."""


class RenderError(Exception):
    """A chart cannot be rendered. The text says why and what to do."""


class Renderer:
    """The plugin, which runs. It renders without a cluster."""

    def __init__(self, channel: grpc.Channel, version: str) -> None:
        self._stub, self._version = provider_pb2_grpc.ResourceProviderStub(channel), version
        variables = {"kubernetes:config:kubeconfig": NO_CLUSTER}
        request = provider_pb2.ConfigureRequest(variables=variables, acceptSecrets=True)
        try:
            self._stub.Configure(request, timeout=SECONDS, wait_for_ready=True)
        except grpc.RpcError as error:
            raise RenderError(f"{PLUGIN} does not start: {error.details()}") from error

    def objects(self, archive: Path, name: str, namespace: str, values: Mapping[str, Tree]) -> list[dict[str, Any]]:
        """All objects of a chart's archive, hooks and CRDs among them. Raises RenderError."""
        asked = {
            "path": str(archive.parent.absolute()), "chart": archive.name, "release_name": name,
            "namespace": namespace,
            "kube_version": self._version, "api_versions": APIS, "values": _plain(values),
        }  # fmt: skip
        arguments = struct_pb2.Struct()
        arguments.update({"jsonOpts": json.dumps(asked)})
        request = provider_pb2.InvokeRequest(tok="kubernetes:helm:template", args=arguments)
        try:
            answer = self._stub.Invoke(request, timeout=SECONDS)
        except grpc.RpcError as error:
            raise RenderError(f"{archive.name} cannot be rendered: {error.details()}") from error
        found = json_format.MessageToDict(getattr(answer, "return")).get("result", [])
        return [each for each in found if isinstance(each, dict)]


@contextmanager
def renderer(version: str, program: Path | None = None) -> Iterator[Renderer]:
    """Run the plugin, for charts on a Kubernetes of that version. Raises RenderError."""
    command = [str(program or plugin()), "127.0.0.1:0"]  # the engine, which it tells nothing
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        try:
            port = running.stdout.readline().strip() if running.stdout else ""
            if not port.isdigit():
                raise RenderError(f"{command[0]} did not start.")
            limits = [("grpc.max_receive_message_length", LARGEST), ("grpc.max_send_message_length", LARGEST)]
            with grpc.insecure_channel(f"127.0.0.1:{port}", options=limits) as channel:
                yield Renderer(channel, version.partition("+")[0])
        finally:
            running.kill()


def plugin() -> Path:
    """Pulumi's Kubernetes plugin: on PATH, or the newest that Pulumi has installed. Raises RenderError."""
    if found := shutil.which(PLUGIN):
        return Path(found)
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    installed = [each for each in home.glob(f"plugins/resource-kubernetes-v*/{PLUGIN}") if os.access(each, os.X_OK)]
    if not installed:
        raise RenderError(
            "Charts are rendered by Pulumi's Kubernetes plugin, which is not here: "
            f"pulumi plugin install resource kubernetes {metadata.version('pulumi-kubernetes')}"
        )
    return max(installed, key=_number)


def _number(program: Path) -> list[int]:
    return [int(part) for part in program.parent.name.rpartition("-v")[2].split(".") if part.isdigit()]


def _plain(tree: Tree) -> Tree:
    """The values with a text in place of each secret."""
    if isinstance(tree, SecretRef | Derived | Hashed | Filled | Made):
        return "secret"
    if isinstance(tree, Mapping):
        return {key: _plain(value) for key, value in tree.items()}
    return [_plain(value) for value in tree] if isinstance(tree, list | tuple) else tree
