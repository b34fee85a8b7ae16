"""A host with a release of K3s and a Helm repository with the chart of MetalLB, and a stack file that needs them."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.labs import stack_document
from components.cluster.k3s import config
from components.platform.layer import CatalogEntry
from stacks import catalog, platform_settings
from stacks.catalog import K3S_VERSION
from tests.support import fake_helm
from tests.support.chart_repository import pack_chart
from tests.support.files_over_https import Upstream, serve_upstream

SIZE = 3 << 20


METADATA = {
    "name": "metallb",
    "appVersion": "v0.16.1",
    "annotations": {"artifacthub.io/images": "- name: frr\n  image: quay.io/frr:10.5\n"},
}


VALUES = {"controller": {"image": {"repository": "quay.io/metallb/controller", "tag": ""}}}


OBJECTS = [
    {"kind": "Pod", "spec": {"containers": [{"image": "quay.io/metallb/controller:v0.16.1"}]}},
    {"kind": "Pod", "spec": {"containers": [{"image": "quay.io/metallb/speaker:v0.16.1"}]}},
]


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def publish(root: Path) -> None:
    """Write a release of K3s, and a Helm repository with the chart of MetalLB."""
    folder = root / K3S_VERSION
    folder.mkdir(parents=True)
    for arch, binary in config.BINARIES.items():
        files = {binary: f"k3s {arch}".encode(), f"k3s-airgap-images-{arch}.tar.zst": arch.encode() * (SIZE // 5)}
        for name, content in files.items():
            (folder / name).write_bytes(content)
        lines = [f"{digest(content)}  {name}\n" for name, content in files.items()]
        (folder / f"sha256sum-{arch}.txt").write_text("".join(lines))
    (folder / "install.sh").write_text("#!/bin/sh\n")
    (folder / "install.sh.sha256sum").write_text(f"{digest(b'#!/bin/sh' + bytes([10]))}  install.sh\n")
    (root / "charts").mkdir()
    chart = {"metallb/Chart.yaml": yaml.safe_dump(METADATA), "metallb/values.yaml": yaml.safe_dump(VALUES)}
    sub = {"metallb/charts/crds/Chart.yaml": "name: crds", "metallb/templates/pod.yaml": "image: {{ .Values.x }}"}
    (root / "charts/metallb.tgz").write_bytes(pack_chart(chart | sub))
    index(root)


def index(root: Path, **changes: Any) -> None:
    sha = digest((root / "charts/metallb.tgz").read_bytes())
    version = next(chart.version for entry in catalog.LAYERS for chart in entry.charts if chart.name == "metallb")
    release = {"version": version, "urls": ["metallb.tgz"], "digest": sha} | changes
    (root / "charts/index.yaml").write_text(yaml.safe_dump({"entries": {"metallb": [release]}}))


@contextmanager
def serve_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    """Serve the release and the charts; make homelab download from this host."""
    root = tmp_path / "upstream"
    publish(root)
    with serve_upstream(root, tmp_path / "tls", monkeypatch) as found:
        monkeypatch.setattr(config, "RELEASES_URL", found.url)
        monkeypatch.setattr(config, "SOURCES_URL", found.url)
        rows = [
            CatalogEntry(entry.layer, *(replace(chart, repository=f"{found.url}/charts") for chart in entry.charts))
            for entry in catalog.LAYERS
        ]
        monkeypatch.setattr(platform_settings, "LAYERS", rows)
        monkeypatch.setattr(platform_settings, "PINS", {})
        program = fake_helm.install(tmp_path / "bin", OBJECTS)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        yield found


def write_stack_file(folder: Path, platform: dict[str, Any], arch: str | None = "amd64", **more: Any) -> Path:
    document = stack_document(1, 1, **more)
    for node in document["config"]["homelab:cluster"]["nodes"]:
        node.update({"arch": arch} if arch else {})
    document["config"]["homelab:platform"] = platform
    found = folder / "Pulumi.lab.yaml"
    found.write_text(yaml.safe_dump(document))
    return found
