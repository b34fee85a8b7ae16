"""Stand-ins for charts: packed the same each time, listed in an index, with the kinds of the real ones."""

import gzip
import hashlib
import io
import re
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.kubernetes.chart import Chart
from rehearsal import charts
from rehearsal.charts import Sources, crds
from rehearsal.programs.catalog import PROGRAMS
from rehearsal.shell import RehearsalError
from stacks import catalog
from tests.support.files_over_http import serve_files

LAB = charts.LabEndpoints("https://192.168.1.254:8443", "-----BEGIN CERTIFICATE-----\n", "192.168.1.254:8080")
NAMES = sorted(folder.parent.name for folder in charts.STAND_INS.glob("*/values.yaml"))
LISTS = sorted(charts.STAND_INS.glob("*/crds.yaml"))


def chart(name: str, version: str = "1.2.3") -> Chart:
    return Chart(name, version, "https://charts.example.com")


def content(archive: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(archive))) as tar:
        return {member.name: read.read().decode() for member in tar if (read := tar.extractfile(member))}


def test_every_chart_of_the_catalog_has_a_stand_in_or_comes_with_its_program(tmp_path: Path) -> None:
    brought = {name for program in PROGRAMS if program.chart for name in program.charts}
    listed = [each for entry in catalog.LAYERS for each in entry.charts if each.name not in brought]
    packed = charts.lay_out(tmp_path, listed, LAB)
    assert [(each.chart, each.real) for each in packed] == [(each, False) for each in listed]


def test_repository_has_an_index_of_what_is_in_it(tmp_path: Path) -> None:
    charts.lay_out(tmp_path, [chart(name) for name in NAMES], LAB)
    index = yaml.safe_load((tmp_path / "charts/index.yaml").read_text())
    assert index["apiVersion"] == "v1"
    assert sorted(index["entries"]) == NAMES
    for name, (release,) in index["entries"].items():
        assert (release["name"], release["version"]) == (name, "1.2.3")
        archive = tmp_path / "charts" / release["urls"][0]
        assert release["digest"] == hashlib.sha256(archive.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", NAMES)
def test_same_chart_gives_the_same_bytes(name: str) -> None:
    packed = charts.pack_stand_in(chart(name), LAB)
    assert packed == charts.pack_stand_in(chart(name), LAB)
    files = content(packed)
    assert all(file.startswith(f"{name}/") for file in files)
    metadata = yaml.safe_load(files[f"{name}/Chart.yaml"])
    assert (metadata["name"], metadata["version"]) == (name, "1.2.3")
    values = yaml.safe_load(files[f"{name}/values.yaml"])
    assert values["rehearsal"]["webhooks"] == "https://192.168.1.254:8443"


def test_crds_of_traefik_are_where_helm_leaves_them_alone() -> None:
    files = content(charts.pack_stand_in(chart("traefik"), LAB))
    assert {"traefik/crds/middlewares.traefik.io.yaml", "traefik/crds/tlsstores.traefik.io.yaml"} <= files.keys()
    assert "traefik/templates/crds.yaml" not in files


def test_values_switch_crds_on_and_keep_them() -> None:
    text = content(charts.pack_stand_in(chart("argo-rollouts"), LAB))["argo-rollouts/templates/crds.yaml"]
    assert text.startswith("{{- if .Values.installCRDs }}\n")
    kept = "  annotations:\n    {{- if .Values.keepCRDs }}\n    helm.sh/resource-policy: keep\n    {{- end }}\n"
    assert text.count(kept) == 5
    assert text.count("{{- end }}") == 6
    assert (
        "resource-policy" not in content(charts.pack_stand_in(chart("longhorn"), LAB))["longhorn/templates/crds.yaml"]
    )
    always = content(charts.pack_stand_in(chart("zfs-localpv"), LAB))["zfs-localpv/templates/crds.yaml"]
    assert always.count("\n    helm.sh/resource-policy: keep\n") == always.count("\nkind: CustomResourceDefinition\n")


def test_crds_of_kubernetes_own_groups_are_marked_or_the_api_refuses_them() -> None:
    text = content(charts.pack_stand_in(chart("zfs-localpv"), LAB))["zfs-localpv/templates/crds.yaml"]
    for each in yaml.safe_load_all(text):
        annotations = each["metadata"]["annotations"]
        assert annotations["helm.sh/resource-policy"] == "keep"
        assert ("api-approved.kubernetes.io" in annotations) == (each["spec"]["group"] == "snapshot.storage.k8s.io")


def test_chart_of_a_module_gets_the_wanted_version(tmp_path: Path) -> None:
    module = tmp_path / "module"
    (module / "templates").mkdir(parents=True)
    (module / "Chart.yaml").write_text("apiVersion: v2\nname: metallb\nversion: 0.0.0\nappVersion: v9\n")
    (module / "templates/one.yaml").write_text("kind: One\n")
    (packed,) = charts.lay_out(tmp_path, [chart("metallb")], LAB, Sources(modules={"metallb": module}))
    assert (packed.real, charts.pins([packed])) == (True, {"metallb": packed.sha256})
    with tarfile.open(tmp_path / "charts/metallb-1.2.3.tgz") as archive:
        texts = {member.name: read.read().decode() for member in archive if (read := archive.extractfile(member))}
    assert texts["metallb/templates/one.yaml"] == "kind: One\n"
    assert yaml.safe_load(texts["metallb/Chart.yaml"]) == {
        "apiVersion": "v2", "name": "metallb", "version": "1.2.3", "appVersion": "v9",
    }  # fmt: skip


def test_files_of_a_module_without_a_chart_join_the_stand_in(tmp_path: Path) -> None:
    (tmp_path / "module/crds").mkdir(parents=True)
    (tmp_path / "module/crds/middlewares.traefik.io.yaml").write_text("the real one\n")
    modules = {"traefik": tmp_path / "module"}
    (packed,) = charts.lay_out(tmp_path, [chart("traefik")], LAB, Sources(modules=modules))
    assert (packed.origin, packed.real) == (charts.STAND_IN_WITH_MODULE, False)
    files = content((tmp_path / "charts/traefik-1.2.3.tgz").read_bytes())
    assert files["traefik/crds/middlewares.traefik.io.yaml"] == "the real one\n"
    assert {"traefik/crds/apis.hub.traefik.io.yaml", "traefik/templates/traefik.yaml"} <= files.keys()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Chart]:
    """A chart of a repository on loopback, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "web-1.2.3.tgz").write_bytes(b"the real one")
    release = {"name": "traefik", "version": "1.2.3", "urls": ["web-1.2.3.tgz"]}
    (folder / "index.yaml").write_text(yaml.safe_dump({"entries": {"traefik": [release]}}))
    with serve_files(folder, tmp_path / "state") as url:
        yield replace(chart("traefik"), repository=url)


def test_chart_of_its_repository_is_fetched_once(repository: Chart, tmp_path: Path) -> None:
    real = hashlib.sha256(b"the real one").hexdigest()
    for sha256 in (None, real):
        wanted = replace(repository, sha256=sha256)
        (packed,) = charts.lay_out(tmp_path, [wanted], LAB, Sources(online=True))
        assert (packed.origin, packed.sha256) == (charts.NETWORK, real)
        assert (tmp_path / "charts/traefik-1.2.3.tgz").read_bytes() == b"the real one"
        (tmp_path / "repository/index.yaml").unlink(missing_ok=True)


def test_chart_that_is_not_to_be_had_stands_in_and_says_why(repository: Chart, tmp_path: Path) -> None:
    for broken, reason in (
        (replace(repository, version="9"), "has no version 9"),
        (replace(repository, sha256="a" * 64), "does not have the pinned checksum"),
    ):
        said: list[str] = []
        (packed,) = charts.lay_out(tmp_path, [broken], LAB, Sources(online=True), said.append)
        assert packed.origin == charts.STAND_IN
        assert "using a stand-in for the chart traefik: " in said[0]
        assert reason in said[0]


def test_chart_for_another_kernel_is_not_fetched(repository: Chart, tmp_path: Path) -> None:
    (packed,) = charts.lay_out(tmp_path, [replace(repository, name="longhorn")], LAB, Sources(online=True))
    assert packed.origin == charts.STAND_IN
    assert set(NAMES) >= charts.NEEDS_OTHER_KERNEL


def test_bundle_goes_before_stand_ins(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    (bundle / "charts").mkdir(parents=True)
    (bundle / "charts/longhorn-1.2.3.tgz").write_bytes(b"the real one")
    packed = charts.lay_out(tmp_path, [chart("longhorn"), chart("traefik")], LAB, Sources(bundle))
    assert [each.real for each in packed] == [True, False]
    assert charts.pins(packed).keys() == {"longhorn", "traefik"}
    pinned = replace(chart("longhorn"), sha256="a" * 64)
    packed = charts.lay_out(tmp_path, [pinned, replace(chart("traefik"), sha256="b" * 64)], LAB, Sources(bundle))
    assert charts.pins(packed).keys() == {"traefik"}, "what is real must be what is pinned"
    archive = (tmp_path / "charts/traefik-1.2.3.tgz").read_bytes()
    assert charts.pins(packed)["traefik"] == hashlib.sha256(archive).hexdigest()
    assert (tmp_path / "charts/longhorn-1.2.3.tgz").read_bytes() == b"the real one"


def test_chart_without_stand_in_is_named(tmp_path: Path) -> None:
    with pytest.raises(RehearsalError, match=r"no stand-in for the chart redis.*charts/redis-1\.2\.3\.tgz"):
        charts.lay_out(tmp_path, [chart("redis")], LAB)


@pytest.mark.parametrize("listing", LISTS, ids=lambda file: file.parent.name)
def test_lists_of_crds_are_well_formed(listing: Path) -> None:
    for group, kinds in yaml.safe_load(listing.read_text())["groups"].items():
        for kind, about in kinds.items():
            made = crds.definition(group, kind, about)
            assert about.keys() <= {"plural", "versions", "scope", "status", "requires"}
            assert re.fullmatch("[a-z0-9]+", about["plural"])
            assert [version["storage"] for version in made["spec"]["versions"]].count(True) == 1
            for version in made["spec"]["versions"]:
                assert_structural(version["schema"]["openAPIV3Schema"])


def assert_structural(schema: dict[str, Any]) -> None:
    """A schema without a type takes everything, one of an object has fields, one of a list elements."""
    assert "type" in schema or schema == {crds.PRESERVE_UNKNOWN: True}
    assert ("items" in schema) == (schema.get("type") == "array")
    assert set(schema.get("required", ())) <= schema.get("properties", {}).keys()
    for child in [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]:
        assert_structural(child)


def test_required_fields_are_required_where_their_parent_is() -> None:
    schema = crds.schema(["spec", "spec.addresses", "spec.acme.solvers[].name"])
    assert schema["required"] == ["spec"]
    spec = schema["properties"]["spec"]
    assert spec["required"] == ["addresses"]
    assert "required" not in spec["properties"]["acme"]
    assert spec["properties"]["acme"]["properties"]["solvers"]["items"]["required"] == ["name"]
