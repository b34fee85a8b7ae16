"""The samples of apps, and an app with rare keys, become objects that Kubernetes accepts, as far as schemas tell."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stacks import stackfile
from tests.contracts import objects, upstream
from tests.contracts.schemas import Validator
from tests.support.app_samples import APP_SAMPLES, sample_objects
from tests.support.settings_fixtures import ROOT

RARE_KEYS = ROOT / "tests/settings/apps/cache.yaml"
every_sample = pytest.mark.parametrize("file", [*APP_SAMPLES, RARE_KEYS], ids=stackfile.stack_name)
POOLER = {"apiVersion": "postgresql.cnpg.io/v1", "kind": "Pooler"}
"""The kind whose CRD contains the whole schema of a pod template."""


def pod_templates(object_: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the pod template of a workload."""
    spec = object_.get("spec", {})
    if object_["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    if object_["kind"] in ("CronJob", "Deployment", "Job", "StatefulSet"):
        yield spec["template"]


@every_sample
def test_objects_are_those_that_kubernetes_knows(file: Path) -> None:
    for each in sample_objects(file):
        group = str(each["apiVersion"]).partition("/")[0]
        if group.endswith((".io", ".com")) and group in upstream.GROUPS:
            upstream.need(each)
        assert [*objects.problems(each)] == [], f"{each['kind']} {each['metadata']['name']}"


@every_sample
def test_pods_have_only_fields_of_pods(file: Path) -> None:
    upstream.need(POOLER)
    pooler = upstream.object_schema(POOLER["apiVersion"], POOLER["kind"])
    validator = Validator(pooler["properties"]["spec"]["properties"]["template"], closed=True)
    templates = [template for each in sample_objects(file) for template in pod_templates(each)]
    assert templates
    for template in templates:
        assert [*validator.problems({"spec": template["spec"]})] == []


def test_a_field_that_pods_do_not_have_is_found() -> None:
    upstream.need(POOLER)
    pooler = upstream.object_schema(POOLER["apiVersion"], POOLER["kind"])
    validator = Validator(pooler["properties"]["spec"]["properties"]["template"], closed=True)
    wrong = {"spec": {"containers": [{"name": "a", "imagee": "b"}]}}
    assert [*validator.problems(wrong)] == [(("spec", "containers", 0, "imagee"), "is not known")]
