"""The samples of apps under `samples/apps`, and the objects that they become on a platform with all layers."""

from functools import cache
from pathlib import Path
from typing import Any

from stacks import app as shop
from stacks import stackfile
from stacks.settings import AppStack
from tests.support.app_stacks import OUTPUTS, created, run_on_platform
from tests.support.recorder import canary
from tests.support.settings_fixtures import ROOT

FOLDER = ROOT / "samples/apps"
APP_SAMPLES = sorted(FOLDER.glob("Pulumi.*.yaml"))
SAMPLE_LAB: dict[str, Any] = {
    "clusterReaders": ["headlamp", "homepage"],
    "loadBalancerAddresses": ["192.168.1.200-192.168.1.220"],
    "nodes": [
        {"name": "pi-1", "role": "server", "address": "192.168.1.11", "labels": {}, "taints": []},
        {"name": "elitedesk", "role": "agent", "address": "192.168.1.21", "arch": "amd64", "labels": {}, "taints": []},
    ],
}
"""Outputs of the sample lab, which the samples of apps name."""


def named_secrets(value: Any) -> set[str]:
    """Return the names of the secrets that a configuration uses."""
    if isinstance(value, dict):
        own = {value["secret"]} if set(value) == {"secret"} else set()
        return own.union(*map(named_secrets, value.values()))
    return set().union(*map(named_secrets, value)) if isinstance(value, list) else set()


def read_sample(file: Path) -> AppStack:
    """Return the settings of a sample, as if the user had set its secrets."""
    config, _ = stackfile.read(file)
    return AppStack.parse(config, named_secrets(config), stackfile.stack_name(file))


@cache
def sample_objects(file: Path) -> list[dict[str, Any]]:
    """Return the Kubernetes objects of a sample; ConfigMaps and Secrets without a name get one."""
    config, _ = stackfile.read(file)
    secrets = {name: canary(name) for name in named_secrets(config)}
    recording = run_on_platform(shop.deploy, config | secrets, stackfile.stack_name(file), OUTPUTS | SAMPLE_LAB)
    made = [(each.name, whole(each.plain)) for each in created(recording)]
    return [{**object_, "metadata": {"name": name, **object_["metadata"]}} for name, object_ in made]


def whole(value: Any) -> Any:
    """Return numbers as they were before they went over the wire, which has only floating-point numbers."""
    if isinstance(value, dict):
        return {key: whole(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [whole(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
