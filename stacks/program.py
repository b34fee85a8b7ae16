"""Selection of the Pulumi program by the stack's configuration."""

import asyncio

import pulumi
import pulumi.log

from stacks import app, config_sections, homelab


def deploy() -> None:
    """Deploy an app if the stack has `homelab:app`, else a lab."""
    # the SDK's debug messages cost four blocking engine calls for each resource, even without --debug
    pulumi.log.debug = _ignore_debug
    config, secrets = config_sections.read_running_config()
    program = app if "app" in {*config, *secrets} and "cluster" not in config else homelab
    program.deploy()
    pulumi.run(_start_registrations)


def _ignore_debug(*_: object, **__: object) -> None: ...


async def _start_registrations() -> None:
    """Let all resource registrations start.

    The SDK awaits started registrations one by one. With registrations that have not started, it watches all
    outputs again whenever one resolves, so the time grows with the square of their number.
    """
    await asyncio.sleep(0)
