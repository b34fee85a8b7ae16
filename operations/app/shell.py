"""`./homelab app shell` and `./homelab app db`: run a program in a pod of the app, or psql or mariadb in the
pod of the app's database server."""

import sys
from typing import Annotated

import typer

from components.app import mariadb
from components.app.database import cluster_name
from operations.app.parts import CLUSTERS, Part, is_ready, part_named, pods
from operations.app.target import AppName, AppStackName, Target, target
from operations.kubectl import Object
from operations.pulumi_stack import StackError, StackFile

_SHELL = ("sh", "-c", "command -v bash >/dev/null && exec bash; exec sh")
_NOT_FOUND = ("executable file not found", "no such file or directory")


def shell(
    command: Annotated[list[str] | None, typer.Argument(help="Program and arguments, after --. Default: sh.")] = None,
    stack: AppStackName = "",
    config_file: StackFile = None,
    app: AppName = "",
    *,
    worker: Annotated[
        str, typer.Option(help="Worker in whose pod to run the program. Default: the app's own pods.")
    ] = "",
    container: Annotated[
        str, typer.Option(help="Name of a container, such as a sidecar. Default: the main container.")
    ] = "",
) -> None:
    """Open a shell in a ready pod of the app, or run a program in the pod: `./homelab app shell -- ls /data`."""
    with target(stack, config_file, app) as found:
        part = part_named(found.app, worker)
        if part.is_job:
            raise StackError(f"{part.title} has no long-running pod: use `./homelab app run` instead.")
        pod = _ready_pod(found, part)
        place = [pod["metadata"]["name"], f"--container={container or part.container}"]
        if not command:
            _require_shell(found, pod, place)
        raise typer.Exit(found.kubectl.attach("exec", *_terminal(), *place, "--", *(command or _SHELL)))


def db(
    arguments: Annotated[list[str] | None, typer.Argument(help="Arguments of psql, after --.")] = None,
    stack: AppStackName = "",
    config_file: StackFile = None,
    app: AppName = "",
    *,
    superuser: Annotated[bool, typer.Option("--superuser", help="Keep the rights of the user postgres.")] = False,
) -> None:
    """Open psql in the app's database on the primary instance, with the role that owns the database. In an app with
    MariaDB only, open mariadb in the app's database."""
    with target(stack, config_file, app) as found:
        postgres = found.app.postgres
        if postgres is None and found.app.mariadb is not None:
            if superuser:
                raise StackError("--superuser: is for PostgreSQL; MariaDB's command has all rights without it")
            command = mariadb.client_command(found.app.mariadb, arguments or [])
            place = [f"{mariadb.server_name(found.app)}-0", f"--container={mariadb.CONTAINER}"]
            raise typer.Exit(found.kubectl.attach("exec", *_terminal(), *place, "--", *command))
        if postgres is None:
            raise StackError(f"App {found.app.name} has no database: its stack file does not set postgres or mariadb.")
        name = cluster_name(found.app, postgres)
        cluster = found.kubectl.find(CLUSTERS, name)
        if cluster is None:
            raise StackError(f"The database {name} does not exist: run `pulumi up --stack {found.stack}`.")
        status = cluster.get("status") or {}
        if not (primary := status.get("currentPrimary")):
            raise StackError(
                f"The database {name} has no primary: {status.get('phase') or 'it has just been created'}."
            )
        # psql changes to the app's role, so that new tables belong to this role and not to the superuser
        role = "" if superuser else f" options='-c role={postgres.database}'"
        psql = ["psql", "--dbname", f"dbname={postgres.database}{role}", *(arguments or [])]
        place = [str(primary), "--container=postgres"]
        raise typer.Exit(found.kubectl.attach("exec", *_terminal(), *place, "--", *psql))


def _terminal() -> list[str]:
    """Return kubectl's options for standard input; kubectl gets a TTY only if standard input and output are both a
    terminal."""
    return ["--stdin", "--tty"] if sys.stdin.isatty() and sys.stdout.isatty() else ["--stdin"]


def _ready_pod(found: Target, part: Part) -> Object:
    pod = next((pod for pod in pods(found.kubectl, part) if is_ready(pod)), None)
    if pod is None:
        fix = f"run `./homelab app status --stack {found.stack}` to see the reason"
        raise StackError(f"{part.title} has no ready pod: {fix}.")
    return pod


def _require_shell(found: Target, pod: Object, place: list[str]) -> None:
    """Raise an error that names alternatives if the container's image has no shell."""
    result = found.kubectl.result("exec", *place, "--", "sh", "-c", "exit 0")
    if result.returncode == 0:
        return
    if result.returncode not in (126, 127) and not any(text in result.stderr for text in _NOT_FOUND):
        raise StackError(f"`kubectl exec` failed: {result.stderr.strip()}")
    name, container = pod["metadata"]["name"], place[1].partition("=")[2]
    raise StackError(
        f"The image of container {container} has no shell. Run a program of the image with `./homelab app shell "
        f"--stack {found.stack} -- PROGRAM`. The administrator can start a shell from another image: `kubectl debug "
        f"-n {found.app.name} -it {name} --target={container} --profile=restricted --image=IMAGE`."
    )
