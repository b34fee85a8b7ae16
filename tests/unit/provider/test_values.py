"""Keys of Helm values in the stack file: refused if the top level or the chart's schema does not have them."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from provider.charts.values import refused_keys
from provider.errors import TaskError
from provider.model import Chart
from tests.support.chart_repository import Repository, pack_chart
from tests.support.files_over_http import serve_files
from tests.support.plugin_client import CHART, running_plugin
from tests.support.plugin_fixtures import run_scenario

SCHEMA = {
    "properties": {
        "hidden": {"additionalProperties": False, "properties": {"deep": {"type": ["string", "null"]}}},
        "referring": {"$ref": "#/$defs/closed"},
        "map": {"additionalProperties": {"$ref": "#/$defs/closed"}},
        "remote": {"$ref": "https://example.org/schema.json#/$defs/closed"},
        "patterns": {"patternProperties": {"^x-": {}}, "additionalProperties": False},
    },
    "$defs": {"closed": {"additionalProperties": False, "properties": {"size": {}}}},
}
FILES = {
    "web/Chart.yaml": "name: web\ndependencies: [{name: redis, alias: cache}, {name: postgres}]",
    "web/values.yaml": "ports: {web: {port: 80}}\n# priorityClassName: high\n#tolerations:\n#  - key: x\n",
    "web/values.schema.json": json.dumps(SCHEMA),
    "web/templates/values.yaml": "no: [values",
}


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    (tmp_path / "charts").mkdir()
    with serve_files(tmp_path / "charts", tmp_path / "state") as url:
        yield Repository(url, tmp_path / "charts")


def refused(repository: Repository, *keys: str, files: Mapping[str, str] = FILES) -> dict[str, str]:
    repository.publish(pack_chart(files))
    paths = tuple(tuple(key.split(".")) for key in keys)
    return refused_keys(Chart(name="web", version="1.10", repository=repository.url, keys=paths))


KNOWN = ["ports.web.port", "priorityClassName", "tolerations", "hidden.deep", "redis.size", "cache.size", "postgres",
         "global.registry", "tags.all", "referring.size.x", "map.any.size", "remote.any", "patterns.any"]  # fmt: skip


@pytest.mark.parametrize("key", KNOWN)
def test_known_key(repository: Repository, key: str) -> None:
    assert refused(repository, key) == {}


@pytest.mark.parametrize(
    ("defaults", "key"),
    [
        ("ports: {web: {port: 80}}", ("ports", "ssh", "port")),
        ("configs: {params: {create: true}}", ("configs", "params", "server.insecure")),
        ("log: {}", ("log", "level")),
        ("extraArgs: null", ("extraArgs", "name")),
    ],
)
def test_nested_key_without_default(repository: Repository, defaults: str, key: tuple[str, ...]) -> None:
    repository.publish(pack_chart({"web/Chart.yaml": "name: web", "web/values.yaml": defaults}))
    chart = Chart(name="web", version="1.10", repository=repository.url, keys=(key,))
    assert refused_keys(chart) == {}


def test_unknown_top_level_key_with_similar_ones(repository: Repository) -> None:
    assert refused(repository, "port.web.port", "port.ssh", "hiden", "xyz") == {
        "port": "ports", "hiden": "hidden", "xyz": "",
    }  # fmt: skip


@pytest.mark.parametrize("key", ["hidden.shallow", "hidden.deep.deeper", "referring.siz", "map.any.siz"])
def test_nested_key_that_the_schema_forbids(repository: Repository, key: str) -> None:
    assert refused(repository, key, "ports.any") == {key: ""}


def test_schema_that_is_a_reference(repository: Repository) -> None:
    schema = {"$ref": "#/$defs/values", "$defs": {"values": SCHEMA | {"additionalProperties": False}}}
    files = FILES | {"web/values.schema.json": json.dumps(schema), "web/values.yaml": ""}
    assert refused(repository, "hidden.deep", "hidden.shallow", "hiden", files=files) == {
        "hidden.shallow": "", "hiden": "hidden",
    }  # fmt: skip


def test_chart_that_takes_any_value(repository: Repository) -> None:
    files = FILES | {"web/values.schema.json": '{"additionalProperties": true}'}
    assert refused(repository, "whatever", files=files) == {}


@pytest.mark.parametrize("name", ["values.yaml", "values.schema.json", "Chart.yaml"])
def test_file_that_cannot_be_read(repository: Repository, name: str) -> None:
    with pytest.raises(TaskError, match=f"{name} cannot be read"):
        refused(repository, "x", files=FILES | {f"web/{name}": "{"})


def test_preview_reports_unknown_keys(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    chart = {"name": "web", "version": "1.10", "repository": repository.url}

    async def scenario() -> None:
        async with running_plugin() as plug:
            (reason,) = await plug.failures(chart | {"keys": [["port", "web"]]}, {}, CHART)
            assert reason == (
                "homelab:platform.values.web: version 1.10 of the chart has no such values:\n"
                "  port; did you mean ports?"
            )
            assert await plug.failures(chart | {"keys": [["ports", "web"]]}, {}, CHART) == []

    repository.publish(pack_chart(FILES))
    run_scenario(scenario())
