"""Pulumi's state from before the scripts were moved into folders: nothing changes, and everything can be undone."""

import json
from pathlib import Path
from typing import Any

import pytest
from pulumi.runtime.proto import provider_pb2
from pulumi.runtime.rpc import UNKNOWN

from components.cluster.node import DRIFT_CHECKS
from provider.model import Settings
from provider.protocol import renamed_scripts
from tests.support.plugin_client import rpc_error, running_plugin, task_inputs, to_struct
from tests.support.plugin_fixtures import run_scenario, write_scripts
from tests.support.recorder import MACHINES, config_of, record
from tests.support.settings_fixtures import ROOT
from tests.support.ssh_server import KEYS, ssh_machines

TABLE = json.loads(Path(renamed_scripts.__file__).with_suffix(".json").read_text())
BEFORE = json.loads(Path(__file__).with_name("tasks_before_the_move.json").read_text())
"""By stack file and name of a task, what the program of before said of the task's scripts."""
OLD_DIGEST, NEW_DIGEST = next(iter(TABLE["digests"].items()))
RENAMED_LATER = {"platform/refuse-data-loss.sh"}
"""Scripts that a release after the move renamed."""
FINISHED = {"done": True, "output": ""}


def recorded(file: str) -> dict[str, dict[str, Any]]:
    return {task.name: task.plain for task in record(config_of(ROOT / "tests/settings/valid" / file)).tasks}


def is_second_quorum_check(step: dict[str, Any]) -> bool:
    """Whether a later release than the one of the move added the step."""
    return step["script"] == "cluster/wait-for-quorum.sh" and ("turn" in step or "reboot" in step["when"])


def test_every_script_of_before_has_a_new_name() -> None:
    folder = ROOT / "components/scripts"
    assert len(TABLE["names"]) == 64 + len(RENAMED_LATER)
    assert len(set(TABLE["names"].values())) == 64
    assert all((folder / name).is_file() for name in TABLE["names"].values())
    assert not [name for name in TABLE["names"] if (folder / name).exists()]


@pytest.mark.parametrize("file", BEFORE)
def test_a_lab_of_before_shows_no_change(file: str) -> None:
    now = recorded(file)
    assert now.keys() == BEFORE[file].keys()

    async def scenario() -> None:
        async with running_plugin() as plug:
            for name, scripts_before in BEFORE[file].items():
                # another release may have changed scripts: then its digest differs from the one of the move
                new = now[name] | {"digest": TABLE["digests"][scripts_before["digest"]]}
                new["run"] = [step for step in new["run"] if not is_second_quorum_check(step)]
                old = now[name] | scripts_before
                assert await plug.diff(old | FINISHED, new) == (False, []), name
                assert await plug.diff(old | FINISHED, new | {"digest": "another"}) == (
                    (False, []) if new["once"] else (True, ["digest"])
                ), name

    run_scenario(scenario())


@pytest.mark.parametrize("file", BEFORE)
def test_the_provider_of_before_shows_no_change(file: str) -> None:
    run = record(config_of(ROOT / "tests/settings/valid" / file))
    (new,) = (each.plain for each in run.registered if each.type == MACHINES)
    names = {new: old for old, new in TABLE["names"].items() if old not in RENAMED_LATER}
    old = json.loads(new["settings"])
    assert old["probes"][: len(DRIFT_CHECKS)] == [*DRIFT_CHECKS]
    old["probes"] = [names[probe] for probe in old["probes"]]

    async def scenario() -> None:
        async with running_plugin() as plug:
            for before, expected in (
                (json.dumps(old), provider_pb2.DiffResponse.DIFF_NONE),
                (json.dumps(old | {"flags": ["other"]}), provider_pb2.DiffResponse.DIFF_SOME),
                (UNKNOWN, provider_pb2.DiffResponse.DIFF_SOME),
            ):
                request = provider_pb2.DiffRequest(old_inputs=to_struct({"settings": before}), news=to_struct(new))
                assert (await plug.stub.DiffConfig(request)).changes == expected

    run_scenario(scenario())


def test_a_new_connection_runs_no_renamed_script(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, **{"node/reboot": "touch ran"})

    async def scenario() -> None:
        async with running_plugin() as plug, ssh_machines(tmp_path, "a") as (a,):
            await plug.configure()
            new = task_inputs(a.machine(), "node/reboot", digest=NEW_DIGEST)
            old = new | {"run": [{"script": "reboot.sh"}], "digest": OLD_DIGEST, "done": True, "output": "kept"}
            old["machine"] = old["machine"] | {"port": 1}
            assert await plug.diff(old, new) == (True, ["machine"])
            assert (await plug.update(old, new))["output"] == "kept"
            assert not (a.home / "ran").exists()
            await plug.update(old, new | {"digest": "another"})
            assert (a.home / "ran").exists()

    run_scenario(scenario())


def test_undo_of_before_runs_the_scripts_of_today(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, **{"node/uninstall-k3s": "touch uninstalled", "node/restore-host": "touch restored"})

    async def scenario() -> None:
        async with running_plugin() as plug, ssh_machines(tmp_path, "a") as (a,):
            await plug.configure()
            undo = [{"script": "uninstall.sh"}, {"script": "restore.sh"}]
            await plug.delete(task_inputs(a.machine(), "stage", undo=undo, probe="prepared.sh") | FINISHED)
            assert (a.home / "uninstalled").exists()
            assert (a.home / "restored").exists()

    run_scenario(scenario())


def test_a_layer_of_before_the_later_rename_shows_no_change_and_keeps_its_guard(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, **{"platform/check-remaining-data": "die 'user data'", "node/check-api": "true"})
    now = recorded("storage.yaml")["harbor-guard"]
    (check,) = now["undo"]
    old = now | {"undo": [check | {"script": "platform/refuse-data-loss.sh"}]} | FINISHED

    async def scenario() -> None:
        async with running_plugin() as plug, ssh_machines(tmp_path, "a") as (a,):
            await plug.configure(servers=(a.machine(),))
            assert await plug.diff(old, now) == (False, [])
            undo = [{"script": "platform/refuse-data-loss.sh", "on": "server"}]
            error = await rpc_error(plug.delete(task_inputs(a.machine(), undo=undo) | FINISHED))
            assert "user data" in (error.details() or "")

    run_scenario(scenario())


def test_an_unknown_script_is_named(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_plugin() as plug, ssh_machines(tmp_path, "a") as (a,):
            await plug.configure(servers=(a.machine(),), probes=("gone.sh",))
            error = await rpc_error(plug.delete(task_inputs(a.machine(), undo=[{"script": "gone.sh"}]) | FINISHED))
            assert "Pulumi's state refers to the script gone.sh" in (error.details() or "")
            error = await rpc_error(plug.create(task_inputs(a.machine(), "reboot")))
            assert "refers to the script reboot.sh" in (error.details() or ""), "only state has old names"

    run_scenario(scenario())


def test_other_settings_stay_as_they_are() -> None:
    text = Settings(keys=KEYS, probes=DRIFT_CHECKS).model_dump_json(by_alias=True)
    for given in ({}, {"settings": ""}, {"settings": UNKNOWN}, {"settings": text}, {"settings": "{}"}):
        assert renamed_scripts.settings_from_state(given) == given
