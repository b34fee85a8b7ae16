"""The command group `./homelab app` of the command-line interface."""

import typer

from operations.app.backups import backup, restore
from operations.app.logs import logs
from operations.app.rollouts import restart, rollback
from operations.app.run import run
from operations.app.shell import db, shell
from operations.app.status import status

app = typer.Typer(no_args_is_help=True, help="Operate a deployed app: status, logs, shell, restart, psql.")
for command in (status, logs, shell, restart, rollback, run, db, backup, restore):
    app.command()(command)
