"""Renders Helm charts with the Helm library of Pulumi's Kubernetes provider plugin, as `pulumi up` does."""

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

from components.kubernetes.manifest import BcryptHash, ComputedSecret, DerivedPassword, Json, SecretTemplate
from components.settings.model import SecretRef

PLUGIN = "pulumi-resource-kubernetes"
RENDER_TIMEOUT = 60.0  # in seconds
MAX_MESSAGE_BYTES = 256 << 20
API_VERSIONS = (
    "v1", "policy/v1/PodDisruptionBudget", "batch/v1/CronJob", "cert-manager.io/v1", "monitoring.coreos.com/v1",
    "monitoring.coreos.com/v1/ServiceMonitor", "monitoring.coreos.com/v1/PodMonitor",
    "monitoring.coreos.com/v1/PrometheusRule",
)  # fmt: skip
"""Kubernetes APIs that charts require in addition to the APIs in Helm's built-in list."""


NO_CLUSTER = """\
{apiVersion: v1, kind: Config, current-context: none, users: [{name: none, user: {}}],
 clusters: [{name: none, cluster: {server: "https://127.0.0.1:1"}}],
 contexts: [{name: none, context: {cluster: none, user: none}}]}
"""
"""A kubeconfig without a cluster; if the plugin got no kubeconfig, the plugin would use your own kubeconfig."""


class RenderError(Exception):
    """homelab cannot render a Helm chart; the error message states the cause and the fix."""


class Renderer:
    """A running process of Pulumi's Kubernetes provider plugin, which renders charts without a cluster."""

    def __init__(self, channel: grpc.Channel, version: str) -> None:
        self._stub, self._version = provider_pb2_grpc.ResourceProviderStub(channel), version
        variables = {"kubernetes:config:kubeconfig": NO_CLUSTER}
        request = provider_pb2.ConfigureRequest(variables=variables, acceptSecrets=True)
        try:
            self._stub.Configure(request, timeout=RENDER_TIMEOUT, wait_for_ready=True)
        except grpc.RpcError as error:
            raise RenderError(f"{PLUGIN} does not start: {error.details()}") from error

    def render(self, archive: Path, name: str, namespace: str, values: Mapping[str, Json]) -> list[dict[str, Any]]:
        """Render all Kubernetes objects of a Helm chart's archive, including hooks and CRDs. Raises `RenderError`."""
        options = {
            "path": str(archive.parent.absolute()), "chart": archive.name, "release_name": name,
            "namespace": namespace,
            "kube_version": self._version, "api_versions": API_VERSIONS, "values": _plain(values),
        }  # fmt: skip
        arguments = struct_pb2.Struct()
        arguments.update({"jsonOpts": json.dumps(options)})
        request = provider_pb2.InvokeRequest(tok="kubernetes:helm:template", args=arguments)
        try:
            answer = self._stub.Invoke(request, timeout=RENDER_TIMEOUT)
        except grpc.RpcError as error:
            raise RenderError(f"{archive.name} cannot be rendered: {error.details()}") from error
        objects = json_format.MessageToDict(getattr(answer, "return")).get("result", [])
        return [item for item in objects if isinstance(item, dict)]


@contextmanager
def start_renderer(version: str, program: Path | None = None) -> Iterator[Renderer]:
    """Start Pulumi's Kubernetes provider plugin to render charts for a Kubernetes version. Raises `RenderError`."""
    command = [str(program or find_plugin()), "127.0.0.1:0"]  # the engine's address, which the plugin does not contact
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        try:
            port = running.stdout.readline().strip() if running.stdout else ""
            if not port.isdigit():
                raise RenderError(f"{command[0]} did not start.")
            limits = [
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            ]
            with grpc.insecure_channel(f"127.0.0.1:{port}", options=limits) as channel:
                yield Renderer(channel, version.partition("+")[0])
        finally:
            running.kill()


def find_plugin() -> Path:
    """Return the path of Pulumi's Kubernetes provider plugin: the plugin on PATH, or the newest installed version.

    Raises `RenderError`.
    """
    if on_path := shutil.which(PLUGIN):
        return Path(on_path)
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    installed = [path for path in home.glob(f"plugins/resource-kubernetes-v*/{PLUGIN}") if os.access(path, os.X_OK)]
    if not installed:
        raise RenderError(
            "Pulumi's Kubernetes plugin, which renders the charts, is not installed: "
            f"run `pulumi plugin install resource kubernetes {metadata.version('pulumi-kubernetes')}`"
        )
    return max(installed, key=_number)


def _number(program: Path) -> list[int]:
    return [int(part) for part in program.parent.name.rpartition("-v")[2].split(".") if part.isdigit()]


def _plain(tree: Json) -> Json:
    """Replace each secret in Helm values with a placeholder text."""
    if isinstance(tree, SecretRef | DerivedPassword | BcryptHash | SecretTemplate | ComputedSecret):
        return "secret"
    if isinstance(tree, Mapping):
        return {key: _plain(value) for key, value in tree.items()}
    return [_plain(value) for value in tree] if isinstance(tree, list | tuple) else tree
