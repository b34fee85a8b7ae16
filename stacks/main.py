"""Which program a stack runs: its configuration tells."""

import asyncio

import pulumi
import pulumi.log

from stacks import homelab, sections, shop


def deploy() -> None:
    """Describe an app where the stack has `homelab:app`, else a lab."""
    # four calls of the engine for each resource, each waited for, also when nobody asked for them with --debug
    pulumi.log.debug = _unsaid
    config, secrets = sections.given()
    program = shop if "app" in {*config, *secrets} and "cluster" not in config else homelab
    program.deploy()
    pulumi.run(_begun)


def _unsaid(*_: object, **__: object) -> None: ...


async def _begun() -> None:
    """Let all registrations begin.

    The SDK awaits those that have begun one by one. For others it watches every output anew whenever one comes, which
    takes the square of their number.
    """
    await asyncio.sleep(0)
