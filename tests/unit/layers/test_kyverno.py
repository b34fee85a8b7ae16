"""Kyverno: which policies there are, what they do, and whom they leave alone."""

import re
from typing import Any

import pytest
from pydantic import ValidationError

from components.layers.kyverno.layer import Kyverno, KyvernoSettings
from components.layers.kyverno.policies import _VERSIONED
from components.platform.layer import LAYER_LABEL
from tests.support.layer_fixtures import lab, layer, objects, problems, values


def policies(**given: Any) -> dict[str, Any]:
    return {name: spec for (_, name), spec in objects("kyverno", lab(kyverno=given)).items()}


@pytest.mark.parametrize(("name", "replicas"), [("three-servers", 3), ("one-server", 1)])
def test_admission_follows_the_machines(name: str, replicas: int) -> None:
    given = values("kyverno", lab(name, kyverno={}))["admissionController"]
    assert given["replicas"] == replicas
    assert given["podDisruptionBudget"]["enabled"] is (replicas > 1)


@pytest.mark.parametrize(("enforce", "action", "failing"), [(False, "Audit", "Ignore"), (True, "Deny", "Fail")])
def test_policies_report_until_they_are_to_refuse(enforce: bool, action: str, failing: str) -> None:
    found = policies(enforce=enforce)
    assert list(found) == ["no-privileged", "memory-limits", "image-versions"]
    for spec in found.values():
        assert (spec["validationActions"], spec["failurePolicy"]) == ([action], failing)


def test_whom_policies_leave_alone_the_webhook_leaves_alone_too() -> None:
    selector = values("kyverno", lab(kyverno={"exempt": ["legacy"]}))["config"]["webhooks"]["namespaceSelector"]
    name, label = selector["matchExpressions"]
    assert {"kube-system", "legacy"} <= set(name["values"])
    assert name["operator"] == "NotIn"
    assert label == {"key": LAYER_LABEL, "operator": "DoesNotExist"}
    for spec in policies(exempt=["legacy"]).values():
        assert spec["matchConstraints"]["namespaceSelector"] == selector


def test_every_kind_of_container_is_looked_at() -> None:
    found = policies(registries=["ghcr.io"])
    for name, spec in found.items():
        (variable,) = spec["variables"]
        assert "initContainers" in variable["expression"]
        assert ("ephemeralContainers" in variable["expression"]) is (name != "memory-limits"), "they can have no limits"


@pytest.mark.parametrize(
    ("image", "named"),
    [
        ("nginx", False),
        ("nginx:latest", False),
        ("registry.lan:5000/nginx", False),
        ("registry.lan:5000/nginx:latest", False),
        ("nginx:1.29", True),
        ("registry.lan:5000/nginx:1.29", True),
        (f"ghcr.io/a/b@sha256:{'0f' * 32}", True),
        (f"ghcr.io/a/b:latest@sha256:{'0f' * 32}", True),
    ],
)
def test_images_name_a_version(image: str, named: bool) -> None:
    (pattern,) = re.findall(r"matches\('(.*?)'\)", _VERSIONED)
    (ending,) = re.findall(r"!c\.image\.endsWith\('(.*?)'\)", _VERSIONED)
    assert (bool(re.search(pattern, image)) and not image.endswith(ending)) is named


@pytest.mark.parametrize(
    ("image", "trusted"),
    [
        ("nginx:1", True),
        ("library/nginx:1", True),
        ("docker.io/library/nginx:1", True),
        ("ghcr.io/owner/app:1", True),
        ("ghcr.io/ownerx/app:1", False),
        ("quay.io/a/b:1", False),
        ("registry:5000/b:1", False),
    ],
)
def test_images_come_from_where_they_may(image: str, trusted: bool) -> None:
    spec = policies(registries=["docker.io", "ghcr.io/owner"])["image-sources"]
    expression = spec["validations"][0]["expression"]
    assert '["docker.io/", "ghcr.io/owner/"].exists(source, c.image.startsWith(source))' in expression
    (pattern,) = re.findall(r"!c\.image\.matches\('(.*?)'\)", expression)
    assert (image.startswith(("docker.io/", "ghcr.io/owner/")) or not re.search(pattern, image)) is trusted
    other = policies(registries=["ghcr.io/owner"])["image-sources"]["validations"][0]["expression"]
    assert "matches" not in other, "an image without a host is Docker Hub's"


def test_policies_of_your_own_outlive_it() -> None:
    assert values("kyverno", lab(kyverno={}))["crds"] == {"install": False}, "a release would take its CRDs along"
    assert Kyverno.charts_with_crds_folder == ("kyverno",)
    assert not layer("kyverno", lab(kyverno={})).user_data_queries


def test_namespaces_that_the_pod_network_makes_are_exempt() -> None:
    found = lab(kyverno={"enforce": True}, calico={})
    for spec in (spec for (_, _), spec in objects("kyverno", found).items()):
        (name, _) = spec["matchConstraints"]["namespaceSelector"]["matchExpressions"]
        assert {"calico-system", "calico-apiserver"} <= set(name["values"])
    assert problems("kyverno", lab(kyverno={"exempt": ["calico-system"]}, calico={})) == [
        "exempt.0: is always exempt; remove it"
    ]


@pytest.mark.parametrize("name", ["kube-system", "kyverno"])
def test_what_is_exempt_in_any_case_is_not_listed(name: str) -> None:
    assert problems("kyverno", lab(kyverno={"exempt": [name]})) == ["exempt.0: is always exempt; remove it"]


@pytest.mark.parametrize("source", ["https://ghcr.io", "ghcr.io/", "GHCR.io", "a'b"])
def test_what_is_no_registry_is_refused(source: str) -> None:
    with pytest.raises(ValidationError, match="is not a registry"):
        KyvernoSettings.model_validate({"registries": [source]})
