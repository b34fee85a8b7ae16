"""`./homelab diagram`: everything of the lab is in the picture, and every text in its box."""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

import cli
from bench.labs import stack_document
from components.kubernetes.chart import Chart
from operations.picture.layout import draw_lab
from operations.picture.svg import fit_text
from operations.picture.theme import DARK, LIGHT, STYLES, VALUE
from stacks.settings import AppStack, LabStack
from tests.support.app_stacks import APPS
from tests.support.settings_fixtures import ROOT, SAMPLE, VALID

SHOP = ROOT / "Pulumi.shop.yaml"
LONG = "a-machine-whose-name-is-as-long-as-names-may-be-which-is-63-ch"
STYLE = {style.name: style for style in STYLES}
NODES: dict[str, Any] = {"address": "fd00:1234:5678:9abc:def0:1234:5678:9abc", "labels": {"zone": "the-cellar" * 6}}


def run(*options: str) -> Result:
    return CliRunner().invoke(cli.app, ["diagram", *options])


def elements(svg: str, name: str) -> list[ElementTree.Element]:
    return [each for each in ElementTree.fromstring(svg).iter() if each.tag.endswith(f"}}{name}")]


def texts(svg: str) -> list[str]:
    """What is written, in full: what was cut has a title."""
    return ["".join(each.itertext()) if not len(each) else str(each[0].text) for each in elements(svg, "text")]


def span(text: ElementTree.Element) -> tuple[float, float]:
    """From where to where a text reaches, by the widths of the widest of the usual fonts."""
    style = STYLE[text.attrib["class"].split()[0]]
    shown = "".join(text.itertext()) if not len(text) else str(text[0].tail)
    size = re.search(r"[\d.]+", text.attrib.get("style", ""))
    width = style.width(shown, float(size[0]) if size else style.size)
    x = float(text.attrib["x"]) - {"middle": width / 2, "end": width}.get(text.attrib.get("text-anchor", ""), 0)
    return x, x + width


def box(rect: ElementTree.Element) -> tuple[float, float, float, float]:
    x, y, width, height = (float(rect.attrib[key]) for key in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


def assert_fits(svg: str) -> None:
    """Every text is inside the smallest box that has its anchor, and boxes overlap only where one holds the other."""
    boxes = [box(rect) for rect in elements(svg, "rect")]
    for text in elements(svg, "text"):
        x, y = float(text.attrib["x"]), float(text.attrib["y"])
        around = [each for each in boxes if each[0] <= x <= each[2] and each[1] <= y <= each[3]]
        left, _, right, _ = min(around, key=lambda each: (each[2] - each[0]) * (each[3] - each[1]))
        began, ended = span(text)
        assert left <= began + 0.1, ElementTree.tostring(text)
        assert ended <= right + 0.1, ElementTree.tostring(text)
    for one in boxes:
        for other in boxes:
            apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
            holds = one[0] <= other[0] and one[1] <= other[1] and one[2] >= other[2] and one[3] >= other[3]
            held = other[0] <= one[0] and other[1] <= one[1] and other[2] >= one[2] and other[3] >= one[3]
            assert apart or holds or held, (one, other)


def test_the_picture_in_the_readme_is_what_the_command_makes(tmp_path: Path) -> None:
    target = tmp_path / "lab.svg"
    result = run("--app", str(SHOP), "--output", str(target))
    assert result.exit_code == 0, result.output
    again = f"run ./homelab diagram --app {SHOP.name} --output docs/lab.svg"
    assert target.read_text() == (ROOT / "docs/lab.svg").read_text(), again
    assert run("--app", str(SHOP)).stdout == target.read_text()
    assert "](docs/lab.svg)" in "\n".join((ROOT / "README.md").read_text().splitlines()[:20])


def test_everything_is_in_it() -> None:
    settings = LabStack.read(SAMPLE)
    shown = texts(draw_lab(settings, [AppStack.read(SHOP).app]))
    for node in settings.cluster.nodes:
        assert {node.name, node.address} <= set(shown)
    assert sum(text.startswith("arm64") for text in shown) == 4
    assert [shown.count(role) for role in ("server", "agent")] == [3, 3]
    assert {"https://192.168.1.240:6443", "shop", "https://shop.lab.example.com", "lab.example.com"} <= set(shown)
    charts: dict[str, Chart] = settings.platform.charts()
    for name in ("metallb", "cert-manager", "traefik", "longhorn", "cloudnative-pg", "argo-cd"):
        assert f"{name} {charts[name].version}" in shown
    order = [shown.index(key) for key in ("traefik", "2", "metallb", "1")]
    assert order[1] < order[0] < order[3] < order[2], "later steps stand above earlier ones"


@pytest.mark.parametrize("file", [SAMPLE, *VALID], ids=lambda file: file.stem)
def test_every_text_is_in_its_box(file: Path) -> None:
    svg = draw_lab(LabStack.read(file), [AppStack.read(app).app for app in APPS])
    assert svg == draw_lab(LabStack.read(file), [AppStack.read(app).app for app in APPS])
    assert_fits(svg)


@pytest.mark.parametrize(("servers", "agents"), [(1, 0), (1, 1), (3, 4), (5, 2), (7, 93)])
def test_any_number_of_machines_with_long_names(servers: int, agents: int) -> None:
    cluster = stack_document(servers, agents)["config"]["homelab:cluster"]
    for index, node in enumerate(cluster["nodes"]):
        node["address"] = f"10.9.0.{101 + index}"
    cluster["nodes"][-1] |= {"name": LONG, "labels": NODES["labels"]}
    cluster["domain"] = f"{LONG}.{LONG}.example.com"
    svg = draw_lab(LabStack.parse({"cluster": cluster}, [], LONG), [])
    assert_fits(svg)
    assert texts(svg).count(LONG) == 2, "what was cut is told in full"
    assert len(elements(svg, "polyline")) >= 2


def test_addresses_of_ipv6_and_a_balancer() -> None:
    cluster = stack_document(1, 0, network={"pods": ["fd00:42::/56"], "services": ["fd00:43::/112"]})
    cluster = cluster["config"]["homelab:cluster"]
    cluster["nodes"][0] |= NODES
    del cluster["api"]
    svg = draw_lab(LabStack.parse({"cluster": cluster}, [], "six"), [])
    assert_fits(svg)
    assert {NODES["address"], f"https://[{NODES['address']}]:6443", "one server"} <= set(texts(svg))
    cluster["api"] = {"vip": "10.9.0.100", "balancer": "haproxy"}
    cluster["nodes"][0]["address"], cluster["network"] = "10.9.0.11", {}
    svg = draw_lab(LabStack.parse({"cluster": cluster}, [], "six"), [])
    assert_fits(svg)
    assert "https://10.9.0.100:7443" in texts(svg)
    assert any("HAProxy" in text for text in texts(svg))
    cluster["api"] = {"external": "api.example.com", "port": 443}
    assert "https://api.example.com:443" in texts(draw_lab(LabStack.parse({"cluster": cluster}, [], "six"), []))


@pytest.mark.parametrize("room", [300.0, 80.0, 30.0, 6.0])
def test_text_shrinks_then_is_cut(room: float) -> None:
    shown, size = fit_text("shop.lab.example.com", VALUE, room)
    assert VALUE.width(shown, size) <= max(room, VALUE.width("…", size))
    assert (shown == "shop.lab.example.com") == (room == 300)


def test_markup_in_a_name_is_text() -> None:
    cluster = stack_document(1, 0)["config"]["homelab:cluster"]
    settings = LabStack.parse({"cluster": cluster}, [], "lab")
    odd = settings.cluster.model_copy(update={"domain": "<script>&\"'"})
    assert "<script>&\"'" in texts(draw_lab(LabStack(odd, settings.platform), []))


def test_light_and_dark_paint_the_same_things() -> None:
    assert LIGHT.keys() == DARK.keys()
    svg = draw_lab(LabStack.read(SAMPLE), [])
    used = {name for each in ElementTree.fromstring(svg).iter() for name in each.attrib.get("class", "").split()}
    assert used - STYLE.keys() == LIGHT.keys() - {"app"}


def luminance(paint: str) -> float:
    digits = paint.partition("fill:#")[2].partition(";")[0]
    digits = digits if len(digits) == 6 else "".join(digit * 2 for digit in digits)
    linear: list[float] = [((value / 255 + 0.055) / 1.055) ** 2.4 for value in bytes.fromhex(digits)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["ground", "card", "endpoint", "server-tag", "agent-tag"])
def test_text_can_be_told_from_what_is_behind_it(palette: dict[str, str], ground: str) -> None:
    for ink in ("ink", "dim") if ground in ("ground", "card") else ("ink",):
        low, high = sorted((luminance(palette[ink]), luminance(palette[ground])))
        assert (high + 0.05) / (low + 0.05) >= 4.5, ink


def test_an_app_on_another_platform_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.web.yaml"
    file.write_text(SHOP.read_text().replace("platform: homelab", "platform: other"))
    result = run("--app", str(file))
    assert result.exit_code == 1
    assert "The app of Pulumi.web.yaml uses the platform other instead of homelab: omit this file." in result.output
    assert "<svg" not in result.output
