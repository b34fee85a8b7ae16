"""A fake of Pulumi's Kubernetes provider, which answers requests to render charts with objects from a file."""

import json
import sys
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import struct_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

ROOT = Path(__file__).parents[2]


class Plugin(provider_pb2_grpc.ResourceProviderServicer):
    """Records the request; answers with a list of objects from a JSON file, or fails with a text from it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Accept a kubeconfig without a cluster."""
        assert "127.0.0.1:1" in request.variables["kubernetes:config:kubeconfig"]
        return provider_pb2.ConfigureResponse()

    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Answer with the objects, or fail with the text."""
        (self._folder / "asked.json").write_text(request.args["jsonOpts"])
        answer = json.loads((self._folder / "answer.json").read_text())
        if isinstance(answer, str):
            context.abort(grpc.StatusCode.UNKNOWN, answer)
        given = struct_pb2.Struct()
        given.update({"result": answer})
        answered = provider_pb2.InvokeResponse()
        getattr(answered, "return").CopyFrom(given)
        return answered


def install(folder: Path, answer: Any) -> Path:
    """Write the provider's program into a folder for PATH."""
    folder.mkdir(exist_ok=True)
    (folder / "answer.json").write_text(json.dumps(answer))
    program = folder / "pulumi-resource-kubernetes"
    program.write_text(f"#!/bin/sh\ncd {ROOT} && exec {sys.executable} -m tests.support.fake_helm {folder}\n")
    program.chmod(0o755)
    return program


def install_in(folder: Path) -> Path:
    """Write the provider's program into a folder of Pulumi plugins."""
    folder.mkdir(parents=True)
    return install(folder, [])


def main() -> None:
    """Serve until the process is ended."""
    server = grpc.server(futures.ThreadPoolExecutor(1))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Plugin(Path(sys.argv[1])), server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
