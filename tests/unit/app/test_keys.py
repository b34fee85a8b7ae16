"""The tables of Kubernetes' keys: every key of apps exists, and no field of pods, workloads or Services is missing."""

import re
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import pytest
import yaml
from pulumi._types import input_type_py_to_pulumi_names
from pulumi_kubernetes.apps.v1 import DeploymentSpecArgs, StatefulSetSpecArgs
from pulumi_kubernetes.batch.v1 import CronJobSpecArgs, JobSpecArgs
from pulumi_kubernetes.core.v1 import ServicePortArgs, ServiceSpecArgs
from pulumi_kubernetes.networking.v1 import IngressSpecArgs

from components.app.settings import AppSettings
from components.settings.model import Model
from stacks.validation_errors import is_model, without_none
from tests.contracts import upstream
from tests.support.settings_fixtures import ROOT

PAGES = "".join((ROOT / f"docs/{name}.md").read_text() for name in ("apps-keys", "apps-kubernetes-fields"))
TEXT = r"`([^`]+)`"


def rows(*sections: str) -> Iterator[tuple[str, str]]:
    """Yield the first two cells of each row in these sections, or in all."""
    for section in re.split(r"^## ", PAGES, flags=re.MULTILINE)[1:]:
        if not sections or section.partition("\n")[0] in sections:
            for line in section.splitlines():
                if line.startswith("| ") and not line.startswith(("| ---", "| Kubernetes |")):
                    kubernetes, app, _ = line.removeprefix("| ").removesuffix("|").split(" | ", 2)
                    yield kubernetes, app


def has_key(model: type[Model], path: str) -> bool:
    """Whether the settings have a key, such as `volumes.*.nfs.server`."""
    key, _, rest = path.partition(".")
    kind: Any = {field.alias: without_none(field.annotation) for field in model.model_fields.values()}.get(key)
    if kind is None or not rest:
        return kind is not None
    if get_origin(kind) is dict:
        star, _, rest = rest.partition(".")
        kind = get_args(kind)[1]
        return star == "*" and is_model(kind) and has_key(kind, rest)
    return is_model(kind) and has_key(kind, rest)


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("image", True),
        ("imge", False),
        ("volumes.*.nfs.server", True),
        ("volumes.nfs", False),
        ("image.tag", False),
        ("probes.readiness.failures", True),
        ("postgres.sizes", False),
    ],
)
def test_keys_are_looked_up_in_the_models(path: str, there: bool) -> None:
    assert has_key(AppSettings, path) == there


def test_every_key_of_apps_in_the_table_exists() -> None:
    named = {key for _, app in rows() for key in re.findall(TEXT, app)}
    assert len(named) > 60
    assert {key for key in named if not has_key(AppSettings, key)} == set()


def is_used(settings: Any, path: str) -> bool:
    """Whether the settings of an app contain a key, such as `volumes.*.nfs.server`."""
    if isinstance(settings, list):
        return any(is_used(entry, path) for entry in settings)
    key, _, rest = path.partition(".")
    if not isinstance(settings, dict) or not path:
        return not path
    found = settings.values() if key == "*" else [settings[key]] if key in settings else []
    return any(not rest or is_used(each, rest) for each in found)


def test_samples_and_apps_of_the_tests_use_every_key_of_the_table() -> None:
    folders = ("samples/apps", "tests/settings/apps", "tests/settings/apps-stacks")
    files = [file for folder in folders for file in sorted((ROOT / folder).glob("*.yaml"))]
    sections = [yaml.safe_load(file.read_text())["config"] for file in files]
    apps = [section["homelab:app"] for section in sections if "homelab:app" in section]
    apps += [app for section in sections for app in section.get("homelab:apps", {}).values() if isinstance(app, dict)]
    assert len(apps) >= 30
    named = {key for _, cell in rows() for key in re.findall(TEXT, cell)}
    assert {key for key in named if not any(is_used(app, key) for app in apps)} == set()


def test_every_row_has_a_key_or_a_dash() -> None:
    assert [row for row in rows() if row[1] != "—" and not re.fullmatch(rf"{TEXT}(, {TEXT})*", row[1])] == []


def fields(section: str) -> set[str]:
    """Return the first parts of the Kubernetes fields in a section, such as `ports` for `ports[].port`."""
    return {re.split(r"[.\[]", key)[0] for kubernetes, _ in rows(section) for key in re.findall(TEXT, kubernetes)} - {
        ""
    }


@pytest.mark.parametrize(
    ("section", "types", "obsolete"),
    [
        ("Deployments and StatefulSets", (DeploymentSpecArgs, StatefulSetSpecArgs), set()),
        ("Jobs", (JobSpecArgs,), set()),
        ("CronJobs", (CronJobSpecArgs,), set()),
        ("Services", (ServiceSpecArgs,), {"ipFamily", "topologyKeys"}),
        ("Ingresses", (IngressSpecArgs,), set()),
    ],
)
def test_table_has_every_field_of_an_object(section: str, types: tuple[type, ...], obsolete: set[str]) -> None:
    published = {name for each in types for name in input_type_py_to_pulumi_names(each).values()}
    assert obsolete <= published
    assert fields(section) == published - obsolete


def test_table_has_every_field_of_a_port_of_a_service() -> None:
    named = {key for kubernetes, _ in rows("Services") for key in re.findall(r"`ports\[\]\.(\w+)`", kubernetes)}
    assert named == set(input_type_py_to_pulumi_names(ServicePortArgs).values())


@pytest.mark.parametrize("section", ["Pods", "Containers"])
def test_table_has_every_field(section: str) -> None:
    pooler = {"apiVersion": "postgresql.cnpg.io/v1", "kind": "Pooler"}
    upstream.need(pooler)
    schema = upstream.object_schema(pooler["apiVersion"], pooler["kind"])["properties"]["spec"]
    pod = schema["properties"]["template"]["properties"]["spec"]["properties"]
    wanted = pod if section == "Pods" else pod["containers"]["items"]["properties"]
    assert fields(section) == set(wanted)
