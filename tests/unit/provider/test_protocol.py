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

from tests.support.plugin_client import SECRET, TASK, inputs, plain, plugin, refused, struct, unfinished
from tests.support.plugin_fixtures import appears, play, put
from tests.support.settings_fixtures import ROOT
from tests.support.ssh_server import computers


def test_task_is_run_and_its_progress_shown(scripts: Path, tmp_path: Path) -> None:
    put(scripts, hello='say working; echo "hello $WHO"')

    async def scenario() -> None:
        async with plugin() as plug, computers(tmp_path, "a") as (a,):
            answer = await plug.configure(servers=(a.machine(),))
            assert answer.supportsPreview
            given = inputs(a.machine(), "hello", variables={"WHO": "you"})
            made = await plug.create(given)
            assert (made.id, plain(made.properties)) == ("a-roll", given | {"done": True, "output": "hello you\n"})
            assert plug.engine.texts(engine_pb2.INFO) == ["a: working"]
            assert {(each.urn, each.ephemeral) for each in plug.engine.logged} == {(TASK, True)}

    play(scenario())


def test_cancel_lets_the_step_end_and_begins_no_other(scripts: Path, tmp_path: Path) -> None:
    put(scripts, first="touch began; wait_for 5 test -e go; touch ended", second="touch second")

    async def scenario() -> None:
        async with plugin() as plug, computers(tmp_path, "a") as (a,):
            await plug.configure()
            work = asyncio.ensure_future(plug.create(inputs(a.machine(), "first", "second")))
            await appears(a.home / "began")
            await plug.stub.Cancel(empty_pb2.Empty())
            (a.home / "go").touch()
            found = unfinished(await refused(work))
            assert "cancelled before second.sh; `pulumi up` continues from here" in found.reasons[0]
            assert (a.home / "ended").exists()
            assert not (a.home / "second").exists()

    play(scenario())


def test_delete_undoes_and_warns_of_what_is_gone(scripts: Path, tmp_path: Path) -> None:
    put(scripts, leave="touch left", stuck="die 'it is stuck'")

    async def scenario() -> None:
        async with plugin() as plug, computers(tmp_path, "a") as (a,):
            await plug.configure()
            given = inputs(a.machine(), undo=[{"script": "leave.sh"}]) | {"done": True, "output": ""}
            await plug.delete(given)
            assert (a.home / "left").exists()
            stuck = given | {"undo": [{"script": "stuck.sh"}]}
            assert "it is stuck" in str((await refused(plug.delete(stuck))).details())
            assert plug.engine.texts(engine_pb2.WARNING) == []
            await a.vanish()
            await plug.delete(given)
            (warning,) = plug.engine.texts(engine_pb2.WARNING)
            assert "The machine was not cleaned up: leave.sh did not run." in warning

    play(scenario())


def test_a_refresh_gives_back_what_is_known_and_asks_no_machine(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with plugin() as plug, computers(tmp_path, "a") as (a,):
            await plug.configure()
            given = inputs(a.machine(), "hello")
            known = provider_pb2.ReadRequest(
                id="a-roll", urn=TASK, inputs=struct(given), properties=struct(given | {"done": True, "output": ""})
            )
            found = await plug.stub.Read(known)
            assert (found.id, found.inputs, found.properties) == (known.id, known.inputs, known.properties)
            assert (a.logins, a.commands) == ([], [])

    play(scenario())


def test_secret_is_random_kept_and_unknown_in_a_preview() -> None:
    async def scenario() -> None:
        async with plugin() as plug:
            values = [plain((await plug.create({"bytes": 32}, SECRET)).properties)["value"] for _ in range(2)]
            assert len(set(values)) == 2
            assert all(len(bytes.fromhex(value)) == 32 for value in values)
            made = await plug.create({"bytes": 32}, SECRET, preview=True)
            assert plain(made.properties)["value"] == UNKNOWN
            await plug.delete({"bytes": 32, "value": values[0]}, SECRET)
            assert await plug.diff({"bytes": 32, "value": values[0]}, {"bytes": 32}, SECRET) == (False, [])

    play(scenario())


def test_secret_is_made_anew_for_another_generation_and_for_nothing_else() -> None:
    async def scenario() -> None:
        async with plugin() as plug:
            first = plain((await plug.create({"bytes": 32}, SECRET)).properties)
            given = {"bytes": 32, "generation": 1}
            assert (await plug.update(first, given, urn=SECRET))["value"] == first["value"]
            raised = given | {"generation": 2}
            assert await plug.diff(given | {"value": "x"}, raised, SECRET) == (True, ["generation"])
            assert (await plug.update(first | given, raised, urn=SECRET, preview=True))["value"] == UNKNOWN
            second = await plug.update(first | given, raised, urn=SECRET)
            assert second["value"] != first["value"]
            assert (await plug.update(second, raised, urn=SECRET))["value"] == second["value"]

    play(scenario())


def test_settings_that_are_wrong_are_refused() -> None:
    async def scenario() -> None:
        async with plugin() as plug:
            error = await refused(plug.configure(keys={"sshKey": "no key"}))
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert "the secret sshKey is not a valid SSH private key" in str(error.details())

    play(scenario())


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
            made = stub.Create(provider_pb2.CreateRequest(urn=SECRET, properties=struct({"bytes": 8})), timeout=5)
            assert len(plain(made.properties)["value"]) == 16
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
