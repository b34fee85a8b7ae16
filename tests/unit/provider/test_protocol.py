"""The plugin as the engine speaks to it, from start to end."""

import asyncio
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, provider_pb2, provider_pb2_grpc
from pulumi.runtime.rpc import UNKNOWN

from tests.support.plugin_client import (
    SECRET,
    TASK,
    from_struct,
    init_failure,
    rpc_error,
    running_plugin,
    task_inputs,
    to_struct,
)
from tests.support.plugin_fixtures import run_scenario, wait_for_file, write_scripts
from tests.support.settings_fixtures import ROOT
from tests.support.ssh_server import ssh_machines


def test_task_is_run_and_its_progress_shown(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, hello='say working; echo "hello $WHO"')

    async def scenario() -> None:
        async with running_plugin() as plug, ssh_machines(tmp_path, "a") as (a,):
            answer = await plug.configure(servers=(a.machine(),))
            assert answer.supportsPreview
            given = task_inputs(a.machine(), "hello", variables={"WHO": "you"})
            made = await plug.create(given)
            assert (made.id, from_struct(made.properties)) == (
                "a-roll",
                given | {"done": True, "output": "hello you\n"},
            )
            assert plug.engine.texts(engine_pb2.INFO) == ["a: working"]
            assert {(each.urn, each.ephemeral) for each in plug.engine.logged} == {(TASK, True)}

    run_scenario(scenario())


def test_cancel_lets_the_step_end_and_begins_no_other(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, first="touch began; wait_for 5 test -e go; touch ended", second="touch second")

    async def scenario() -> None:
        async with running_plugin() as plug, ssh_machines(tmp_path, "a") as (a,):
            await plug.configure()
            work = asyncio.ensure_future(plug.create(task_inputs(a.machine(), "first", "second")))
            await wait_for_file(a.home / "began")
            await plug.stub.Cancel(empty_pb2.Empty())
            (a.home / "go").touch()
            found = init_failure(await rpc_error(work))
            assert "cancelled before second.sh; run `pulumi up` to continue." in found.reasons[0]
            assert (a.home / "ended").exists()
            assert not (a.home / "second").exists()

    run_scenario(scenario())


def test_delete_undoes_and_warns_of_what_is_gone(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, leave="touch left", stuck="die 'it is stuck'")

    async def scenario() -> None:
        async with running_plugin() as plug, ssh_machines(tmp_path, "a") as (a,):
            await plug.configure()
            given = task_inputs(a.machine(), undo=[{"script": "leave.sh"}]) | {"done": True, "output": ""}
            await plug.delete(given)
            assert (a.home / "left").exists()
            stuck = given | {"undo": [{"script": "stuck.sh"}]}
            assert "it is stuck" in str((await rpc_error(plug.delete(stuck))).details())
            assert plug.engine.texts(engine_pb2.WARNING) == []
            await a.lose_power()
            await plug.delete(given)
            (warning,) = plug.engine.texts(engine_pb2.WARNING)
            assert "homelab did not clean up a, because the script leave.sh did not run." in warning

    run_scenario(scenario())


def test_a_refresh_gives_back_what_is_known_and_asks_no_machine(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_plugin() as plug, ssh_machines(tmp_path, "a") as (a,):
            await plug.configure()
            given = task_inputs(a.machine(), "hello")
            known = provider_pb2.ReadRequest(
                id="a-roll",
                urn=TASK,
                inputs=to_struct(given),
                properties=to_struct(given | {"done": True, "output": ""}),
            )
            found = await plug.stub.Read(known)
            assert (found.id, found.inputs, found.properties) == (known.id, known.inputs, known.properties)
            assert (a.logins, a.commands) == ([], [])

    run_scenario(scenario())


def test_secret_is_random_kept_and_unknown_in_a_preview() -> None:
    async def scenario() -> None:
        async with running_plugin() as plug:
            values = [from_struct((await plug.create({"bytes": 32}, SECRET)).properties)["value"] for _ in range(2)]
            assert len(set(values)) == 2
            assert all(len(bytes.fromhex(value)) == 32 for value in values)
            made = await plug.create({"bytes": 32}, SECRET, preview=True)
            assert from_struct(made.properties)["value"] == UNKNOWN
            await plug.delete({"bytes": 32, "value": values[0]}, SECRET)
            assert await plug.diff({"bytes": 32, "value": values[0]}, {"bytes": 32}, SECRET) == (False, [])

    run_scenario(scenario())


def test_secret_is_made_anew_for_another_generation_and_for_nothing_else() -> None:
    async def scenario() -> None:
        async with running_plugin() as plug:
            first = from_struct((await plug.create({"bytes": 32}, SECRET)).properties)
            given = {"bytes": 32, "generation": 1}
            assert (await plug.update(first, given, urn=SECRET))["value"] == first["value"]
            raised = given | {"generation": 2}
            assert await plug.diff(given | {"value": "x"}, raised, SECRET) == (True, ["generation"])
            assert (await plug.update(first | given, raised, urn=SECRET, preview=True))["value"] == UNKNOWN
            second = await plug.update(first | given, raised, urn=SECRET)
            assert second["value"] != first["value"]
            assert (await plug.update(second, raised, urn=SECRET))["value"] == second["value"]

    run_scenario(scenario())


def test_settings_that_are_wrong_are_refused() -> None:
    async def scenario() -> None:
        async with running_plugin() as plug:
            error = await rpc_error(plug.configure(keys={"sshKey": "no key"}))
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert "the secret sshKey must be a valid SSH private key" in str(error.details())

    run_scenario(scenario())


def test_engine_starts_the_program_and_it_ends_with_the_engine() -> None:
    program = ROOT / "provider/pulumi-resource-homelab"
    shell = subprocess.Popen(
        ["sh", "-c", '"$0" 127.0.0.1:1 & wait', program], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert shell.stdout
        port = int(shell.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub: Any = provider_pb2_grpc.ResourceProviderStub(channel)
            assert stub.GetPluginInfo(empty_pb2.Empty(), timeout=5).version
            made = stub.Create(provider_pb2.CreateRequest(urn=SECRET, properties=to_struct({"bytes": 8})), timeout=5)
            assert len(from_struct(made.properties)["value"]) == 16
        shell.kill()
        started = time.monotonic()
        assert shell.stdout.read() == "", "nothing but the port is printed"
        assert time.monotonic() - started < 5
    finally:
        with_group_gone(shell)


def with_group_gone(shell: subprocess.Popen[str]) -> None:
    """End what the test started, if it did not end by itself."""
    with suppress(ProcessLookupError):
        os.killpg(shell.pid, signal.SIGKILL)
    shell.wait()
