"""Entry point of the Pulumi program, which deploys a lab or an app, depending on the stack's configuration."""

import asyncio

import pulumi
import pulumi.log

from stacks import app, config_sections, homelab


def deploy() -> None:
    """Deploy an app if the stack's configuration contains `homelab:app`, otherwise a lab."""
    # even without --debug, the Pulumi SDK sends four debug messages for each resource, and waits for each reply
    pulumi.log.debug = _ignore_debug
    config, secrets = config_sections.read_running_config()
    program = app if "app" in {*config, *secrets} and "cluster" not in config else homelab
    program.deploy()
    pulumi.run(_start_registrations)


def _ignore_debug(*_: object, **__: object) -> None: ...


async def _start_registrations() -> None:
    """Start all resource registrations before the Pulumi SDK waits for them.

    The Pulumi SDK waits for one started registration after another. Before all registrations have started, the Pulumi
    SDK watches all outputs again after each resolved output, which takes quadratic time.
    """
    await asyncio.sleep(0)
