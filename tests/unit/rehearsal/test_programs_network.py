"""MetalLB, FRR and Traefik of the rehearsal: charts, CRDs and arguments. The tests build no programs."""

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.kubernetes.chart import Chart
from rehearsal import charts, go
from rehearsal.programs import catalog as programs
from rehearsal.programs import frr, metallb, traefik
from rehearsal.recipes import SOURCES
from stacks import catalog
from stacks.settings import LabStack
from tests.contracts import helm
from tests.contracts.cases import CASES
from tests.contracts.places import NotHereError
from tests.support.settings_fixtures import ROOT


def version(name: str) -> str:
    return next(chart.version for entry in catalog.LAYERS for chart in entry.charts if chart.name == name)


def test_chart_of_metallb_is_packed_with_what_was_packed_in_it(tmp_path: Path) -> None:
    upstream = tmp_path / "upstream"
    (upstream / "charts/crds/templates").mkdir(parents=True)
    (upstream / "Chart.yaml").write_text("apiVersion: v2\nname: metallb\nversion: 0.16.1\n")
    (upstream / "charts/crds/templates/crds.yaml").write_text("kind: CustomResourceDefinition\n")
    with tarfile.open(upstream / "charts/frr-k8s-0.0.25.tgz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("frr-k8s/Chart.yaml"), io.BytesIO())
    for file in upstream.rglob("*"):
        file.chmod(0o555 if file.is_dir() else 0o444)  # as in the module cache
    metallb.copy_chart(upstream, tmp_path / "chart")
    found = {str(file.relative_to(tmp_path / "chart")) for file in (tmp_path / "chart").rglob("*") if file.is_file()}
    assert found == {"Chart.yaml", "charts/crds/templates/crds.yaml", "charts/frr-k8s/Chart.yaml"}
    assert charts.pack_module(Chart("metallb", "0.17.0", "https://charts.invalid"), tmp_path / "chart")


def test_crds_of_traefik_are_found_by_name() -> None:
    text = "kind: A\nmetadata:\n  name: one.traefik.io\nspec: {}\n\n---\nkind: A\nmetadata:\n  name: two.traefik.io\n"
    found = traefik.definitions(text)
    assert found.keys() == {"one.traefik.io", "two.traefik.io"}
    assert [yaml.safe_load(each)["kind"] for each in found.values()] == ["A", "A"]


def test_images_have_the_names_that_the_charts_ask_for(tmp_path: Path) -> None:
    assert [each.name for each in metallb.images(tmp_path)] == [
        f"quay.io/metallb/controller:v{version('metallb')}", f"quay.io/metallb/speaker:v{version('metallb')}",
    ]  # fmt: skip
    values = yaml.safe_load((charts.STAND_INS / "traefik/values.yaml").read_text())["image"]
    (image,) = traefik.images(tmp_path)
    assert image.name == f"{values['registry']}/library/{values['repository']}:{values['tag']}"


def test_frr_has_the_version_that_metallb_requires(tmp_path: Path) -> None:
    assert f"{frr.MODULE} v{frr.VERSION} " in (SOURCES / "metallb/go.mod").read_text()
    found = {image.name: image for image in frr.images(tmp_path)}
    assert set(found[f"quay.io/metallb/frr-k8s:v{frr.VERSION}"].files) == {
        "/frr-k8s", "/frr-metrics", "/frr-status", "/frr-reloader.sh", "/statuscleaner",
    }  # fmt: skip


def test_images_of_bgp_mode_are_those_of_the_chart(tmp_path: Path) -> None:
    try:
        values = next(case.values["metallb"] for case in CASES if case.name == "metallb-routers-only")
        made = helm.objects("metallb", values)
    except NotHereError as error:
        pytest.skip(str(error))
    pods = [each["spec"]["template"]["spec"] for each in made if each["kind"] in ("DaemonSet", "Deployment")]
    wanted = {box["image"] for pod in pods for box in (*pod.get("initContainers", ()), *pod["containers"])}
    assert wanted == {image.name for image in (*metallb.images(tmp_path), *frr.images(tmp_path))}


BGP = {"asn": 64512, "peers": [{"address": "10.0.0.1", "asn": 64513}]}


@pytest.mark.parametrize(
    ("platform", "built"),
    [
        ({}, False),
        ({"metallb": {"addresses": ["10.0.0.200-10.0.0.209"]}}, False),
        ({"metallb": {"addresses": ["10.0.0.200-10.0.0.209"], "bgp": BGP}}, True),
    ],
)
def test_frr_is_built_only_for_bgp(tmp_path: Path, platform: dict[str, Any], built: bool) -> None:
    content = yaml.safe_load((ROOT / "tests/settings/valid/three-servers.yaml").read_text())
    content["config"]["homelab:platform"] = platform
    file = tmp_path / "Pulumi.lab.yaml"
    file.write_text(yaml.safe_dump(content))
    assert (frr.PROGRAM in programs.programs_for(LabStack.read(file))) is built


def test_lego_without_its_dns_providers_is_where_traefiks_module_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream = tmp_path / "lego"
    for name in ("lego/client.go", "providers/dns/cloud/cloud.go", "providers/http/file/file.go", "README.md"):
        (upstream / name).parent.mkdir(parents=True, exist_ok=True)
        (upstream / name).write_text("package x\n")
    monkeypatch.setattr(go, "module", lambda *_: upstream)
    target = tmp_path / "source"
    target.mkdir()
    traefik.source().make(target)
    names = {str(file.relative_to(target)) for file in target.rglob("*") if file.is_file()}
    assert names == {
        *("go.mod", "go.sum", "ext/go.mod", "ext/ext.go", "lego/go.mod", "lego/lego/client.go"),
        *("lego/providers/dns/none.go", "lego/providers/http/file/file.go"),
    }
    assert "replace" in (target / "go.mod").read_text()


def test_traefik_is_told_what_the_values_say(tmp_path: Path) -> None:
    lab = charts.LabEndpoints("https://192.168.1.254:8443", "authority", "192.168.1.254:8080")
    archive = tmp_path / "traefik.tgz"
    archive.write_bytes(charts.pack_stand_in(Chart("traefik", version("traefik"), "https://charts.invalid"), lab))
    values = next(case.values["traefik"] for case in CASES if case.name == "traefik-default")
    try:
        objects = {each["kind"]: each for each in helm.objects_of(archive, "traefik", values)}
    except NotHereError as error:
        pytest.skip(str(error))
    arguments = objects["Deployment"]["spec"]["template"]["spec"]["containers"][0]["args"]
    assert {
        # the port that clients use, not the one inside of the pod
        "--entryPoints.web.http.redirections.entryPoint.to=:443",
        "--entryPoints.websecure.http.tls=true",
        "--providers.kubernetescrd.crossProviderNamespaces=traefik",
        "--providers.kubernetesingress.ingressendpoint.publishedservice=traefik/traefik",
    } <= set(arguments)
    ports = {each["name"]: (each["port"], each["targetPort"]) for each in objects["Service"]["spec"]["ports"]}
    assert ports == {"web": (80, "web"), "websecure": (443, "websecure")}
