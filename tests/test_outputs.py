"""The contract between the homelab stack and app stacks: what one exports, the other reads."""

import gc
from dataclasses import fields
from typing import Any

import pulumi
import pytest
from google.protobuf import json_format, struct_pb2
from pulumi.runtime.proto import resource_pb2

from stacks.outputs import ClusterOutputs
from tests.envelopes import is_sealed, opened
from tests.recorder import Recording, config_of, record
from tests.settings_fixtures import ROOT

HOMELAB = record(config_of(ROOT / "tests/settings/valid/three-servers.yaml"))
STACK_OUTPUTS = HOMELAB.stack_outputs


def app(patch: pytest.MonkeyPatch, outputs: dict[str, Any]) -> Recording:
    """Run an app stack's program that reads the homelab stack, which has these outputs, and exports all it read."""

    def read(self: Recording, request: Any) -> Any:
        found = {"name": request.properties["name"], "outputs": outputs}
        secret = [name for name, value in outputs.items() if is_sealed(value)]
        properties = json_format.ParseDict(found | {"secretOutputNames": secret}, struct_pb2.Struct())
        return resource_pb2.ReadResourceResponse(urn="urn:pulumi:app::app::x::homelab", properties=properties)

    patch.setattr(Recording, "ReadResource", read)

    def program() -> None:
        ClusterOutputs.of(pulumi.StackReference("organization/homelab/lab")).export()

    return record({}, "app", program)


def test_app_stack_reads_what_homelab_exports(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = app(monkeypatch, STACK_OUTPUTS).stack_outputs
    assert opened(seen) == opened(STACK_OUTPUTS)
    assert is_sealed(seen["kubeconfig"])


def test_every_field_is_exported_and_nothing_else() -> None:
    assert STACK_OUTPUTS.keys() == {field.name for field in fields(ClusterOutputs)}


def test_values_of_the_outputs() -> None:
    seen = opened(STACK_OUTPUTS)
    assert (seen["name"], seen["domain"]) == ("lab", "lab.example.com")
    assert seen["endpoint"] == "https://10.0.0.240:6443"
    assert seen["nodes"][0] == {"name": "a", "role": "server", "address": "10.0.0.11"}


@pytest.mark.filterwarnings("ignore:coroutine 'Output")  # those that a failed program leaves behind
@pytest.mark.parametrize("name", [field.name for field in fields(ClusterOutputs)])
def test_missing_output_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = {key: value for key, value in STACK_OUTPUTS.items() if key != name}
    with pytest.raises(KeyError, match=name):
        app(monkeypatch, outputs)
    gc.collect()
