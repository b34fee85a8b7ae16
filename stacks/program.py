"""Entry point that runs the Pulumi program of a lab or of an app, depending on the stack's configuration."""

import asyncio

import pulumi
import pulumi.log

from stacks import app, config_sections, homelab
from stacks.app_sections import APP_SECTIONS


def deploy() -> None:
    """Deploy apps if the stack's configuration has `homelab:app` or `homelab:apps`, and a lab in all other cases."""
    # the Pulumi SDK sends four debug messages for each resource and waits for each reply, even without --debug
    pulumi.log.debug = _ignore_debug
    config, secrets = config_sections.read_running_config()
    app_keys = {section.key for section in APP_SECTIONS}
    program = app if app_keys & {*config, *secrets} and "cluster" not in config else homelab
    program.deploy()
    pulumi.run(_start_registrations)


def _ignore_debug(*_: object, **__: object) -> None: ...


async def _start_registrations() -> None:
    """Start all resource registrations before Pulumi's SDK awaits the registrations.

    The SDK awaits started registrations one by one. Until all registrations have started, the SDK watches all outputs
    again whenever an output resolves, which takes quadratic time.
    """
    await asyncio.sleep(0)
