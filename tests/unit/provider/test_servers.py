"""Which server speaks for the cluster, and which may go."""

from pathlib import Path
from typing import Any

import grpc
from pulumi.runtime.proto import provider_pb2

from provider.model import Settings, Step
from provider.tasks.runner import Runner
from tests.support.plugin_client import rpc_error, running_plugin, to_struct
from tests.support.plugin_fixtures import Reports, run_scenario, task, task_failure, write_scripts
from tests.support.ssh_server import KEYS, SshMachine, ssh_machines

SERVING = "[ -e serving ]"


def settings(*servers: SshMachine) -> Settings:
    return Settings(keys=KEYS, servers=tuple(server.machine() for server in servers))


def test_the_first_server_that_serves_is_taken(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, where="pwd", **{"node/check-api": SERVING})

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a", "b", "c") as (a, b, c):
            given = task(a.machine(), Step(script="where.sh", on="server"))
            runner = Runner(settings(a, b, c))
            assert await runner.run(given, Reports()) == f"{a.home}\n", "when none serves, the first that answers"
            for each in (b, c):
                (each.home / "serving").touch()
            assert await runner.run(given, Reports()) == f"{b.home}\n"
            other = task(b.machine(), Step(script="where.sh", on="other"))
            assert await runner.run(other, Reports()) == f"{c.home}\n", "another one than the task's own"

    run_scenario(scenario())


def test_a_step_goes_on_elsewhere_when_its_server_stops_serving(scripts: Path, tmp_path: Path) -> None:
    write_scripts(
        scripts,
        where='[ -e serving ] && [ ! -e stops ] || { rm -f serving; die "refused"; }; pwd',
        **{"node/check-api": SERVING},
    )

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a", "b") as (a, b):
            for each in (a, b):
                (each.home / "serving").touch()
            (a.home / "stops").touch()
            told = Reports()
            given = task(a.machine(), Step(script="where.sh", on="server"))
            assert await Runner(settings(a, b)).run(given, told) == f"{b.home}\n"
            assert any("on another server" in text for text in told)

    run_scenario(scenario())


def test_a_step_that_fails_while_its_server_serves_is_not_repeated(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, fail="echo once >>runs; die broken", **{"node/check-api": "true"})

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a", "b") as (a, b):
            given = task(a.machine(), Step(script="fail.sh", on="server"))
            assert "broken" in str(await task_failure(Runner(settings(a, b)).run(given, Reports())))
            assert (a.home / "runs").read_text() == "once\n"
            assert not (b.home / "runs").exists()

    run_scenario(scenario())


def test_servers_that_cannot_be_spared_are_refused_before_anything(scripts: Path, tmp_path: Path) -> None:
    check = '[ "$REMOVED_SERVERS" != "b c" ] || die "$REMOVED_SERVERS cannot go"'
    write_scripts(scripts, **{"cluster/check-node-removal": check, "node/check-api": "true"})

    async def scenario() -> None:
        async with running_plugin() as plug, ssh_machines(tmp_path, "a", "b", "c") as (a, b, c):

            async def going_to(*servers: SshMachine) -> Any:
                old, new = (to_struct({"settings": settings(*each).model_dump_json(by_alias=True)})
                            for each in ((a, b, c), servers))  # fmt: skip
                return await plug.stub.DiffConfig(provider_pb2.DiffRequest(old_inputs=old, news=new))

            assert (await going_to(a, b, c)).changes == provider_pb2.DiffResponse.DIFF_NONE
            assert not a.logins, "nobody is asked when nobody goes"
            assert (await going_to(a, b)).changes == provider_pb2.DiffResponse.DIFF_SOME
            error = await rpc_error(going_to(a))
            assert (error.code(), error.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "b c cannot go")
            await a.lose_power()
            assert (await going_to(a)).changes == provider_pb2.DiffResponse.DIFF_SOME, "nobody answers, nobody knows"

    run_scenario(scenario())
