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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("rehearsal") is not None)
    reason = unfit()
    for item in items:
        if reason and item.get_closest_marker("rehearsal"):
            item.add_marker(pytest.mark.skip(reason=reason))
