"""Rendering of charts: which plugin, what it is asked, what is said where it fails, and the images in its answer."""

import json
from pathlib import Path
from typing import Any

import pytest

from components.kubernetes.manifest import BcryptHash, DerivedPassword, SecretTemplate
from components.settings.model import SecretRef
from operations import chart_images, render
from operations.render import RenderError
from tests.support import fake_helm

POD = {"kind": "Pod", "spec": {"containers": [{"image": "a/b:1"}]}}
SECRET = SecretRef(secret="token")


def test_plugin_is_asked_for_the_archive_with_the_values(tmp_path: Path) -> None:
    program = fake_helm.install(tmp_path / "bin", [POD])
    values = {
        "a": [1, None],
        "b": {"c": SECRET, "d": BcryptHash(SECRET), "e": SecretTemplate("{}", (DerivedPassword("x"),))},
    }
    with render.start_renderer("v1.36.3+k3s1", program) as helm:
        assert helm.render(tmp_path / "web-1.tgz", "web", "shop", values) == [POD]
    asked = json.loads((tmp_path / "bin/asked.json").read_text())
    assert (asked["path"], asked["chart"], asked["release_name"]) == (str(tmp_path), "web-1.tgz", "web")
    assert asked["namespace"] == "shop"
    assert asked["kube_version"] == "v1.36.3"
    assert asked["values"] == {"a": [1, None], "b": {"c": "secret", "d": "secret", "e": "secret"}}


def test_what_helm_refuses_is_said(tmp_path: Path) -> None:
    program = fake_helm.install(tmp_path / "bin", "at '/replicas': got string, want integer")
    said = r"web-1.tgz cannot be rendered: at '/replicas': got string"
    with render.start_renderer("v1.36.3+k3s1", program) as helm, pytest.raises(RenderError, match=said):
        helm.render(tmp_path / "web-1.tgz", "web", "shop", {})


def test_plugin_that_does_not_start(tmp_path: Path) -> None:
    program = tmp_path / "broken"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(RenderError, match="broken did not start"), render.start_renderer("v1.36.3", program):
        raise AssertionError


def test_newest_plugin_that_pulumi_has_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path))
    with pytest.raises(RenderError, match=r"pulumi plugin install resource kubernetes \d+\.\d+\.\d+`$"):
        render.find_plugin()
    for version in ("4.9.0", "4.25.0", "4.3.1"):
        fake_helm.install_in(tmp_path / f"plugins/resource-kubernetes-v{version}")
    assert render.find_plugin().parent.name == "resource-kubernetes-v4.25.0"
    found = fake_helm.install(tmp_path / "bin", [])
    monkeypatch.setenv("PATH", str(found.parent))
    assert render.find_plugin() == found, "what is on PATH is what Pulumi takes"


@pytest.mark.parametrize(
    ("tree", "images"),
    [
        ({"spec": {"initContainers": [{"image": "x/a:1"}], "containers": [{"image": "web"}]}}, {"x/a:1", "web"}),
        ({"kind": "Prometheus", "spec": {"image": "quay.io/a/b:v1", "version": "v1"}}, {"quay.io/a/b:v1"}),
        ({"spec": {"set": {"registry": "quay.io", "repository": "a/b", "tag": "1"}}}, {"quay.io/a/b:1"}),
        ({"args": ["--solver-image=quay.io/a/solver:v1", "--url=https://a.lab/x:1"]}, {"quay.io/a/solver:v1"}),
        ({"command": ["manager", "--engine-image", "lab/engine:v1", "--port", "80:1"]}, {"lab/engine:v1"}),
        ({"env": [{"name": "DEFAULT_IMAGE", "value": "a/b:1"}, {"name": "X", "value": "a/c:1"}]}, {"a/b:1"}),
        ({"env": [{"name": "KAFKA_IMAGES", "value": "4=q.io/a/k:4\n5=q.io/a/k:5"}]}, {"q.io/a/k:4", "q.io/a/k:5"}),
        ({"data": {"set.yaml": "plugin: registry.k8s.io/a/b:v1@sha256:" + "0f" * 32}},
         {"registry.k8s.io/a/b:v1@sha256:" + "0f" * 32}),
        ({"data": {"class.yaml": "storageclass.kubernetes.io/is-default-class: 'true'"}}, set()),
        ({"kind": "CustomResourceDefinition", "spec": {"image": "a/b:1"}}, set()),
    ],
)  # fmt: skip
def test_images_in_objects(tree: Any, images: set[str]) -> None:
    assert chart_images.of_objects([{"kind": "Thing", **tree}]) == images
