"""Values that somebody gave a chart: known by its defaults, its comments, its schema, its sub-charts; else named."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from provider.charts.values import unknown
from provider.errors import TaskError
from provider.model import Chart
from tests.support.chart_repository import Repository, pack_chart
from tests.support.files_over_http import serve_files
from tests.support.plugin_client import CHART, running_plugin
from tests.support.plugin_fixtures import run_scenario

FILES = {
    "web/Chart.yaml": "name: web\ndependencies: [{name: redis, alias: cache}]",
    "web/values.yaml": "ports: {web: {port: 80}}\nextra: {}\nlist: []\n# priorityClassName: high\nredis: {own: 1}\n",
    "web/values.schema.json": json.dumps({"properties": {"hidden": {"properties": {"deep": {"type": "string"}}}}}),
    "web/charts/redis/values.yaml": "size: 1",
    "web/templates/values.yaml": "no: [values",
}


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    (tmp_path / "charts").mkdir()
    with serve_files(tmp_path / "charts", tmp_path / "state") as url:
        yield Repository(url, tmp_path / "charts")


def strangers(repository: Repository, *keys: str, files: Mapping[str, str] = FILES) -> dict[str, str]:
    repository.publish(pack_chart(files))
    chart = Chart(
        name="web", version="1.10", repository=repository.url, keys=tuple(tuple(key.split(".")) for key in keys)
    )
    return dict(unknown(chart))


KNOWN = ["ports.web.port", "extra.any.thing", "list", "priorityClassName", "hidden.deep", "redis.own", "redis.size",
         "cache.size", "ports.web"]  # fmt: skip


@pytest.mark.parametrize("key", KNOWN)
def test_known(repository: Repository, key: str) -> None:
    assert strangers(repository, key) == {}


@pytest.mark.parametrize(
    ("key", "stranger", "near"),
    [
        ("port.web.port", "port", "ports"),
        ("ports.webb.port", "ports.webb", "web"),
        ("ports.web.prt", "ports.web.prt", "port"),
        ("hidden.shallow", "hidden.shallow", ""),
        ("redis.siz", "redis.siz", "size"),
        ("cache.siz", "cache.siz", "size"),
    ],
)
def test_stranger_is_named_with_the_nearest(repository: Repository, key: str, stranger: str, near: str) -> None:
    assert strangers(repository, key, "extra.x") == {stranger: near}


def test_chart_that_takes_any_value(repository: Repository) -> None:
    files = FILES | {"web/values.schema.json": '{"additionalProperties": true}'}
    assert strangers(repository, "whatever", files=files) == {}


@pytest.mark.parametrize("name", ["web/values.yaml", "web/values.schema.json", "web/charts/redis/values.yaml"])
def test_file_that_cannot_be_read(repository: Repository, name: str) -> None:
    with pytest.raises(TaskError, match=f"{name} cannot be read"):
        strangers(repository, "x", files=FILES | {name: "{"})


def test_engine_is_told_in_the_preview(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    chart = {"name": "web", "version": "1.10", "repository": repository.url}

    async def scenario() -> None:
        async with running_plugin() as plug:
            (reason,) = await plug.failures(chart | {"keys": [["port", "web"]]}, {}, CHART)
            assert reason == (
                "homelab:platform.values.web: the chart 1.10 has no such values:\n  port; did you mean ports?"
            )
            assert await plug.failures(chart | {"keys": [["ports", "web"]]}, {}, CHART) == []

    repository.publish(pack_chart(FILES))
    run_scenario(scenario())
