"""Which program a stack runs: its configuration tells."""

from stacks import homelab, sections, shop


def deploy() -> None:
    """Describe an app where the stack has `homelab:app`, else a lab."""
    config, secrets = sections.given()
    program = shop if "app" in {*config, *secrets} and "cluster" not in config else homelab
    program.deploy()
