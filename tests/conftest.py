"""Which tests run where: those that simulate machines come last, and only where that can be done."""

import os

import pytest


def unfit() -> str | None:
    """Say why machines cannot be simulated here."""
    if os.uname().sysname != "Linux":
        return "the rehearsal needs Linux: run `make test` in a virtual machine with it"
    if os.geteuid() != 0:
        return "the rehearsal needs root: run `sudo make test`"
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "drill" not in config.option.markexpr:
        items[:] = [item for item in items if not item.get_closest_marker("drill")]
    items.sort(key=on_machines)
    reason = unfit()
    for item in items:
        if reason and on_machines(item):
            item.add_marker(pytest.mark.skip(reason=reason))


def on_machines(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in ("rehearsal", "drill"))
