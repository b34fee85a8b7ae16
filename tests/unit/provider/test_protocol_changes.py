"""What the plugin runs again, what a failure leaves, and what a preview says."""

from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from pulumi.runtime.proto import provider_pb2
from pulumi.runtime.rpc import UNKNOWN

from provider.tasks import runner
from tests.support.plugin_client import from_struct, init_failure, rpc_error, running_plugin, task_inputs
from tests.support.plugin_fixtures import run_scenario, write_scripts
from tests.support.ssh_server import ssh_machines


def test_failed_task_is_kept_as_unfinished_and_run_again(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, work='[ -e mended ] || die "it is broken"; echo fine')

    async def scenario() -> None:
        async with running_plugin() as plug, ssh_machines(tmp_path, "a") as (a,):
            await plug.configure()
            given = task_inputs(a.machine(), "work", variables={"BIG": "x" * 100_000})
            error = await rpc_error(plug.create(given))
            assert error.code() == grpc.StatusCode.UNKNOWN
            found = init_failure(error)
            assert list(found.reasons) == ["a (127.0.0.1): work.sh failed\nit is broken"]
            old = from_struct(found.properties)
            assert (found.id, from_struct(found.inputs), old) == (
                "a-roll",
                given,
                given | {"done": False, "output": ""},
            )
            assert await plug.diff(old, given) == (True, [])
            (a.home / "mended").touch()
            new = await plug.update(old, given)
            assert (new["done"], new["output"]) == (True, "fine\n")
            assert await plug.diff(new, given) == (False, [])

    run_scenario(scenario())


def test_update_that_fails_is_kept_as_unfinished(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, work='[ "$HOW" = well ] || die broken')

    async def scenario() -> None:
        async with running_plugin() as plug, ssh_machines(tmp_path, "a") as (a,):
            await plug.configure()
            good, bad = (task_inputs(a.machine(), "work", variables={"HOW": how}) for how in ("well", "ill"))
            old = from_struct((await plug.create(good)).properties)
            found = init_failure(await rpc_error(plug.update(old, bad)))
            assert from_struct(found.properties) == bad | {"done": False, "output": ""}
            assert (await plug.update(from_struct(found.properties), good))["done"]

    run_scenario(scenario())


@pytest.mark.parametrize(
    ("change", "runs"),
    [
        ({"variables": {"X": "2"}}, True),
        ({"secrets": {"Y": "2"}}, True),
        ({"digest": "2"}, True),
        ({"run": [{"script": "count.sh"}, {"script": "count.sh"}]}, True),
        ({"undo": [{"script": "count.sh"}]}, False),
        ({"probe": "count.sh"}, False),
        ({"turn": {"group": "agents", "width": 2}}, False),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_run_again(change: dict[str, Any], runs: bool, scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, count="echo once >>runs")

    async def scenario() -> None:
        async with running_plugin() as plug, ssh_machines(tmp_path, "a") as (a,):
            await plug.configure()
            given = task_inputs(a.machine(), "count")
            old = from_struct((await plug.create(given)).properties)
            assert await plug.diff(old, given | change) == (True, list(change))
            seen = await plug.update(old, given | change, preview=True)
            assert (seen["output"] == UNKNOWN) == runs
            new = await plug.update(old, given | change)
            assert new == given | change | {"done": True, "output": ""}
            assert ((a.home / "runs").read_text().count("once") > 1) == runs

    run_scenario(scenario())


def test_chart_runs_again_when_it_changes_and_its_crds_are_not_stored(
    scripts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scripts(scripts, show='echo "$CRDS" >>shown')
    monkeypatch.setattr(runner, "crds", lambda chart: f"{chart.name} {chart.version}")
    old_chart, new_chart = ({"name": "web", "version": n, "repository": "http://lab"} for n in ("1", "2"))

    async def scenario() -> None:
        async with running_plugin() as plug, ssh_machines(tmp_path, "a") as (a,):
            await plug.configure()
            given = task_inputs(a.machine(), "show", chart=old_chart)
            old = from_struct((await plug.create(given)).properties)
            assert old == given | {"done": True, "output": ""}
            assert await plug.diff(old, given | {"chart": new_chart}) == (True, ["chart"])
            new = await plug.update(old, given | {"chart": new_chart})
            assert (a.home / "shown").read_text() == "web 1\nweb 2\n"
            assert new["chart"] == new_chart

    run_scenario(scenario())


def test_chart_that_cannot_be_had_leaves_the_task_unfinished(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, show="touch shown")

    async def scenario() -> None:
        async with running_plugin() as plug, ssh_machines(tmp_path, "a") as (a,):
            await plug.configure()
            chart = {"name": "web", "version": "1", "repository": "ftp://lab/charts"}
            found = init_failure(await rpc_error(plug.create(task_inputs(a.machine(), "show", chart=chart))))
            assert "only https://, http:// and oci:// are supported" in found.reasons[0]
            assert not (a.home / "shown").exists()

    run_scenario(scenario())


def test_another_way_to_the_machine_is_tried_and_runs_nothing(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, count="echo once >>runs")

    async def scenario() -> None:
        async with running_plugin() as plug, ssh_machines(tmp_path, "a", "b") as (a, b):
            await plug.configure()
            given = task_inputs(a.machine(), "count")
            old = from_struct((await plug.create(given)).properties)
            moved = given | {"machine": b.machine().model_dump(by_alias=True)}
            assert await plug.diff(old, moved) == (True, ["machine"])
            assert (await plug.update(old, moved))["machine"]["port"] == b.port
            assert (len(b.logins), list(b.home.iterdir())) == (1, [])
            wrong = given | {"machine": b.machine(host_key=a.machine().host_key).model_dump(by_alias=True)}
            assert "shows another host key" in str((await rpc_error(plug.update(old, wrong))).details())

    run_scenario(scenario())


def test_what_happens_once_never_happens_again(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, count="echo once >>runs")

    async def scenario() -> None:
        async with running_plugin() as plug, ssh_machines(tmp_path, "a") as (a,):
            await plug.configure()
            given = task_inputs(a.machine(), "count", once=True)
            old = from_struct((await plug.create(given)).properties)
            other = given | {"variables": {"X": "2"}, "secrets": {"Y": "2"}, "digest": "2"}
            assert await plug.diff(old, other) == (False, [])
            assert (await plug.update(old, other))["done"]
            assert (await plug.update(old, other, preview=True))["output"] == ""
            assert (a.home / "runs").read_text() == "once\n"
            assert await plug.diff(old | {"done": False}, other) == (True, [])
            await plug.update(old | {"done": False}, other)
            assert (a.home / "runs").read_text() == "once\nonce\n"

    run_scenario(scenario())


def test_preview_connects_nowhere(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_plugin() as plug, ssh_machines(tmp_path, "a") as (a,):
            await plug.stub.Configure(provider_pb2.ConfigureRequest())
            given = task_inputs(a.machine(), "any", secrets=UNKNOWN)
            made = await plug.create(given, preview=True)
            assert from_struct(made.properties) == given | {"done": True, "output": UNKNOWN}
            old = task_inputs(a.machine(), "any") | {"done": True, "output": "old"}
            assert (await plug.update(old, given, preview=True))["output"] == UNKNOWN
            assert not a.connections

    run_scenario(scenario())
