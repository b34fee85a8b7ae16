"""`./homelab bundle` against a host that stands for K3s' releases and the charts' repositories."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

import cli
from components.cluster.k3s.config import BINARIES
from rehearsal import charts as stand_ins
from rehearsal import releases
from stacks import catalog, platform_settings
from stacks.catalog import K3S_VERSION
from tests.support import fake_helm
from tests.support.chart_repository import pack_chart
from tests.support.files_over_https import Upstream
from tests.support.mirror_host import (
    SIZE,
    digest,
    index,
    write_stack_file,
)


def run(file: Path, *options: str) -> Result:
    target = str(file.parent / "bundle")
    words = ["bundle", target, "--stack", "lab", "--config-file", str(file), *options]
    return CliRunner().invoke(cli.app, words, env={"COLUMNS": "200"})


def names(file: Path) -> set[str]:
    bundle = file.parent / "bundle"
    return {str(each.relative_to(bundle)) for each in bundle.rglob("*") if each.is_file()}


def k3s_files(*architectures: str) -> set[str]:
    per = [(f"sha256sum-{arch}.txt", BINARIES[arch], f"k3s-airgap-images-{arch}.tar.zst") for arch in architectures]
    return {f"{K3S_VERSION}/{name}" for each in (*per, ("install.sh", "install.sh.sha256sum")) for name in each}


CHARTS = {"charts/index.yaml", "charts/metallb-0.16.1.tgz", "images.txt"}


def test_everything_is_laid_out_as_a_mirror(host: Upstream, file: Path) -> None:
    result = run(file)
    assert result.exit_code == 0, result.output
    assert names(file) == k3s_files("amd64") | CHARTS
    bundle = file.parent / "bundle"
    for name in k3s_files("amd64"):
        assert (bundle / name).read_bytes() == (host.root / name).read_bytes()
    images = (bundle / "images.txt").read_text()
    assert images == (
        "# metallb 0.16.1\nquay.io/frr:10.5\nquay.io/metallb/controller:v0.16.1\nquay.io/metallb/speaker:v0.16.1\n"
    )
    asked = json.loads((file.parent / "bin/asked.json").read_text())
    assert asked["chart"] == "metallb-0.16.1.tgz"
    assert asked["values"]["controller"]["priorityClassName"] == "system-cluster-critical", "the layer's own values"
    (entry,) = yaml.safe_load((bundle / "charts/index.yaml").read_text())["entries"]["metallb"]
    assert entry["digest"] == digest((bundle / "charts" / entry["urls"][0]).read_bytes())
    assert releases.bundled(bundle, K3S_VERSION, "amd64").real, "the rehearsal takes it"
    packed_ = stand_ins.lay_out(file.parent / "mirror", [catalog.LAYERS[0].charts[0]], LAB, stand_ins.Sources(bundle))
    assert [each.real for each in packed_] == [True]


LAB = stand_ins.LabEndpoints("https://192.168.1.254:8443", "-----BEGIN CERTIFICATE-----\n", "192.168.1.254:8080")


@pytest.mark.parametrize(
    ("arch", "options", "wanted"),
    [
        (None, (), ("amd64", "arm64", "arm")),
        ("arm64", (), ("arm64",)),
        ("arm64", ("--arch", "amd64", "--arch", "arm"), ("amd64", "arm")),
    ],
)
def test_architectures_are_those_of_the_machines_or_those_asked_for(
    host: Upstream, file: Path, arch: str | None, options: tuple[str, ...], wanted: tuple[str, ...]
) -> None:
    write_stack_file(file.parent, {}, arch)
    assert run(file, *options).exit_code == 0
    assert names(file) == k3s_files(*wanted) | {"charts/index.yaml", "images.txt"}


def test_an_unknown_architecture_is_refused(file: Path) -> None:
    result = run(file, "--arch", "riscv64")
    assert (result.exit_code, "--arch riscv64: K3s supports only amd64, arm64, arm." in result.output) == (1, True)


def test_what_is_there_and_right_is_not_fetched_again(host: Upstream, file: Path) -> None:
    result = run(file)
    assert result.exit_code == 0
    assert "metallb 0.16.1: downloaded, verified against its repository's checksum; not pinned" in result.output
    before = host.ranges("k3s-airgap-images-amd64.tar.zst")
    archive = file.parent / "bundle" / K3S_VERSION / "k3s"
    archive.write_bytes(b"changed here")
    result = run(file)
    assert result.exit_code == 0, result.output
    assert host.ranges("k3s-airgap-images-amd64.tar.zst") == before == [""]
    assert archive.read_bytes() == b"k3s amd64", "what is there and wrong is"


def test_a_half_is_not_taken_for_the_whole_and_gone_on_with(host: Upstream, file: Path) -> None:
    name = "k3s-airgap-images-amd64.tar.zst"
    host.truncated[name] = 1 << 20
    result = run(file)
    assert result.exit_code == 1
    assert f"{name} stopped " in result.output
    assert "is incomplete: fix the errors above, and run `./homelab bundle` again." in result.output
    there = names(file)
    assert f"{K3S_VERSION}/{name}.part" in there
    assert not {f"{K3S_VERSION}/{name}", f"{K3S_VERSION}/sha256sum-amd64.txt"} & there
    result = run(file)
    assert result.exit_code == 0, result.output
    assert host.ranges(name) == ["", f"bytes={1 << 20}-"]
    assert names(file) == k3s_files("amd64") | CHARTS
    assert (file.parent / "bundle" / K3S_VERSION / name).read_bytes() == (host.root / K3S_VERSION / name).read_bytes()


@pytest.mark.parametrize("left", [b"x" * 100, b"x" * (SIZE * 2)])
def test_a_half_of_something_else_is_thrown_away(host: Upstream, file: Path, left: bytes) -> None:
    folder = file.parent / "bundle" / K3S_VERSION
    folder.mkdir(parents=True)
    (folder / "k3s-airgap-images-amd64.tar.zst.part").write_bytes(left)
    assert "k3s-airgap-images-amd64.tar.zst does not match its checksum" in run(file).output
    result = run(file)
    assert result.exit_code == 0, result.output
    assert names(file) == k3s_files("amd64") | CHARTS


def test_a_wrong_sum_is_refused_and_not_kept(host: Upstream, file: Path) -> None:
    (host.root / K3S_VERSION / "k3s").write_bytes(b"changed on the way")
    result = run(file)
    assert result.exit_code == 1
    assert (
        f"/k3s does not match its checksum; homelab did not save the file.\nfound  {digest(b'changed on the way')}"
        in (result.output)
    )
    assert names(file) == {f"{K3S_VERSION}/install.sh", f"{K3S_VERSION}/install.sh.sha256sum"} | CHARTS


def test_a_list_without_the_file_is_refused(host: Upstream, file: Path) -> None:
    (host.root / K3S_VERSION / "sha256sum-amd64.txt").write_text(f"{'1' * 64}  k3s-airgap-images-amd64.tar.zst\n")
    assert "has no checksum of k3s, so homelab cannot verify the file." in run(file).output


@pytest.mark.parametrize("pin", ["amd64", "installer"])
def test_pins_are_enforced(host: Upstream, file: Path, pin: str) -> None:
    write_stack_file(file.parent, {}, k3s={"pins": {pin: "0" * 64}})
    result = run(file)
    assert result.exit_code == 1
    assert "does not match k3s.pins; homelab did not save the file." in result.output
    assert not [name for name in names(file) if name.endswith("install.sh" if pin == "installer" else "/k3s")]


def test_a_missing_chart_is_named_and_all_else_is_there(host: Upstream, file: Path) -> None:
    write_stack_file(file.parent, {"metallb": {"addresses": ["10.9.0.200/29"]}, "certManager": {}, "traefik": {}})
    result = run(file)
    assert result.exit_code == 1
    assert "/charts/index.yaml has no chart cert-manager; the index has metallb." in result.output
    assert "has no chart traefik" in result.output
    assert names(file) == k3s_files("amd64") | CHARTS


def test_a_chart_that_is_not_what_its_index_says(host: Upstream, file: Path) -> None:
    index(host.root, digest="0" * 64)
    result = run(file)
    assert result.exit_code == 1
    assert "metallb.tgz does not have the checksum in the repository's index; homelab did not use it." in result.output
    assert not any(name.endswith(".tgz") for name in names(file))


@pytest.mark.parametrize("by", ["file", "program"])
def test_a_pinned_chart_is_verified_by_its_pin(
    host: Upstream, file: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    pin = digest((host.root / "charts/metallb.tgz").read_bytes())
    if by == "file":
        write_stack_file(file.parent, {"metallb": {"addresses": ["10.9.0.200/29"]}, "pins": {"metallb": pin}})
    else:
        monkeypatch.setattr(platform_settings, "PINS", {"metallb-0.16.1.tgz": pin})
    result = run(file)
    assert result.exit_code == 0, result.output
    assert "metallb 0.16.1: downloaded, verified against its pin" in result.output
    (file.parent / "bundle/charts/metallb-0.16.1.tgz").unlink()
    (host.root / "charts/metallb.tgz").write_bytes(pack_chart({"metallb/Chart.yaml": "name: metallb"}))
    index(host.root)
    result = run(file)
    assert result.exit_code == 1
    assert (
        f"metallb.tgz does not have the pinned checksum; homelab did not use it.\npinned sha256 {pin}\n"
        in result.output
    )
    assert not any(name.endswith(".tgz") for name in names(file))


def test_another_chart_under_its_name(host: Upstream, file: Path) -> None:
    (host.root / "charts/metallb.tgz").write_bytes(pack_chart({"web/Chart.yaml": "name: web"}))
    index(host.root)
    assert "is not the chart metallb, because metallb/Chart.yaml is missing." in run(file).output


def test_mirrors_of_the_file_are_not_asked(host: Upstream, file: Path) -> None:
    """They are what the bundle is for."""
    chart = {"metallb": digest((host.root / "charts/metallb.tgz").read_bytes())}
    platform = {"chartMirror": "http://10.9.0.1/charts", "metallb": {"addresses": ["10.9.0.200/29"]}, "pins": chart}
    pins = {arch: digest((host.root / K3S_VERSION / f"sha256sum-{arch}.txt").read_bytes()) for arch in BINARIES}
    pins["installer"] = digest((host.root / K3S_VERSION / "install.sh").read_bytes())
    write_stack_file(file.parent, platform, k3s={"mirror": "http://10.9.0.1/k3s", "pins": pins})
    result = run(file)
    assert result.exit_code == 0, result.output


def test_a_chart_that_cannot_be_rendered_is_named(host: Upstream, file: Path) -> None:
    fake_helm.install(file.parent / "bin", "at '/speaker': got string, want object")
    result = run(file)
    assert result.exit_code == 1
    assert (
        "images.txt lacks the images of metallb: metallb-0.16.1.tgz cannot be rendered: at '/speaker'" in result.output
    )
    assert names(file) == k3s_files("amd64") | CHARTS


def test_without_the_plugin_that_renders_the_list_is_said_to_lack_all(
    host: Upstream, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("PULUMI_HOME", str(file.parent))
    result = run(file)
    assert result.exit_code == 1
    assert "pulumi plugin install resource kubernetes" in result.output


def test_images_that_a_layer_names_itself_are_listed(host: Upstream, file: Path) -> None:
    write_stack_file(file.parent, {"ray": {"clusters": {"lab": {"version": "2.53.0"}}}})
    run(file)
    assert "# ray\nrayproject/ray:2.53.0\n" in (file.parent / "bundle/images.txt").read_text()
