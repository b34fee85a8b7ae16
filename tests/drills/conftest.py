"""Fixtures for all drills, and the table of their measurements at the end of a run."""

import pytest

from tests.drills.measurements import Figure

FIGURES = pytest.StashKey[list[tuple[str, str]]]()


@pytest.fixture(scope="session", autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Store the drills' labs in a temporary folder, apart from the user's labs."""
    pytest.MonkeyPatch().setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))


@pytest.fixture(scope="session")
def figure(pytestconfig: pytest.Config) -> Figure:
    """Return a function that records a drill's measurement for the table at the end."""
    figures = pytestconfig.stash.setdefault(FIGURES, [])
    return lambda drill, value: figures.append((drill, value))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    figures = config.stash.get(FIGURES, [])
    if figures:
        width = max(len(drill) for drill, _ in figures)
        terminalreporter.section("figures")
        for drill, value in figures:
            terminalreporter.line(f"{drill:{width}}  {value}")
