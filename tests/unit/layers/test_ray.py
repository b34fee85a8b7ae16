"""Ray: who may run programs, workers, and images by architecture."""

from typing import Any

import pytest
from pydantic import ValidationError

from components.layers.ray import RaySettings
from components.platform.layer import LabContext
from tests.support.cluster_fixtures import cluster
from tests.support.layer_fixtures import lab, objects, problems


def on(archs: tuple[str | None, ...], given: dict[str, Any]) -> LabContext:
    """Ray on the lab of five, whose machines have these architectures; the last one goes for the rest."""
    found = cluster("three-servers")
    wanted = (*archs, *[archs[-1]] * len(found.nodes))
    nodes = tuple(node.model_copy(update={"arch": arch}) for node, arch in zip(found.nodes, wanted, strict=False))
    settings = RaySettings.model_validate({"clusters": {"work": given}})
    return LabContext(found.model_copy(update={"nodes": nodes}), {"ray": settings})


def pods(found: LabContext) -> list[Any]:
    spec = objects("ray", found)["RayCluster", "work"]
    return [group["template"]["spec"] for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"])]


def test_nobody_is_let_in_without_the_token() -> None:
    found = lab(ray={"clusters": {"work": {}}})
    assert objects("ray", found)["RayCluster", "work"]["authOptions"] == {"mode": "token"}


@pytest.mark.parametrize(
    ("archs", "given", "image", "arch"),
    [
        ((None,), {}, "rayproject/ray:2.53.0", "amd64"),
        (("amd64", "arm64"), {}, "rayproject/ray:2.53.0", "amd64"),
        (("arm64",), {}, "rayproject/ray:2.53.0-aarch64", "arm64"),
        (("arm64", None), {}, "rayproject/ray:2.53.0", "amd64"),
        (("amd64", "arm64"), {"arch": "arm64", "version": "2.55.1"}, "rayproject/ray:2.55.1-aarch64", "arm64"),
        (("arm64",), {"image": "lab/ray:1"}, "lab/ray:1", "arm64"),
    ],
)
def test_image_is_for_the_machines_that_pods_are_sent_to(
    archs: tuple[str | None, ...], given: Any, image: str, arch: str
) -> None:
    found = on(archs, given)
    for pod in pods(found):
        assert pod["containers"][0]["image"] == image
        assert pod["nodeSelector"] == {"kubernetes.io/arch": arch}
    assert not problems("ray", found)


def test_workers_come_and_go_between_min_and_max_and_the_head_works_not() -> None:
    spec = objects("ray", on((None,), {"workers": {"min": 1, "max": 4}}))["RayCluster", "work"]
    (workers,) = spec["workerGroupSpecs"]
    assert (workers["replicas"], workers["minReplicas"], workers["maxReplicas"]) == (1, 1, 4)
    assert spec["enableInTreeAutoscaling"] is True
    assert spec["headGroupSpec"]["rayStartParams"] == {"num-cpus": "0"}


@pytest.mark.parametrize(
    ("archs", "given", "report"),
    [
        ((None,), {"workers": {"min": 4}}, "clusters.work.workers.min: exceeds max; raise max, or lower min"),
        (
            ("amd64",),
            {"arch": "arm64"},
            "clusters.work.arch: is arm64, but no untainted node has this architecture; "
            "set another arch, or correct arch of the nodes in cluster.nodes",
        ),
        (
            ("arm64", "arm"),
            {},
            "clusters.work.arch: is amd64, but no untainted node has this architecture; "
            "set another arch, or correct arch of the nodes in cluster.nodes",
        ),
    ],
)
def test_what_is_wrong_is_reported(archs: tuple[str | None, ...], given: Any, report: str) -> None:
    assert problems("ray", on(archs, given)) == [report]


@pytest.mark.parametrize(
    ("version", "reason"), [("2.51.9", "has no authentication"), ("latest", "is not a version of Ray")]
)
def test_versions_without_tokens_are_refused(version: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        RaySettings.model_validate({"clusters": {"work": {"version": version}}})
