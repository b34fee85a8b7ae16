"""Cluster settings of a valid stack file with changes, and canaries as its secrets."""

import asyncio
import contextvars
from typing import Any

import pulumi
import yaml

from components.cluster.k3s import config as k3s
from components.cluster.settings import ClusterSettings
from stacks import stackfile
from stacks.settings import LabStack
from tests.contracts.cases import secrets_of
from tests.support.recorder import canary
from tests.support.settings_fixtures import ROOT


def cluster(name: str, **changes: Any) -> ClusterSettings:
    """Return the cluster settings of a valid stack file, with other values for whole sections."""
    config, _ = stackfile.read(ROOT / f"tests/settings/valid/{name}.yaml")
    given = config["cluster"] | changes
    return LabStack.parse({"cluster": given}, set(secrets_of(given)), "lab").cluster


def k3s_config(name: str, node: int = 0, **changes: Any) -> dict[str, Any]:
    found = cluster(name, **changes)
    return dict(yaml.safe_load(k3s.config_yaml(found, found.nodes[node])))


def render_with_canaries(render: Any, *given: Any) -> tuple[str, bool]:
    """Render with canaries as secrets; return the text, and whether Pulumi treats it as secret."""

    async def both() -> tuple[str, bool]:
        names = ("s3Id", "s3Key", "registry", "other")
        values = {f"homelab:{name}": canary(name) for name in names}
        pulumi.runtime.set_all_config(values, list(values))
        output = render(*given)
        return await output.future(), await output.is_secret()

    return contextvars.copy_context().run(asyncio.run, both())
