"""Fixtures for all drills, and the table of their measurements at the end of a run."""

import pytest

from tests.drills.measurements import Recorder

MEASUREMENTS = pytest.StashKey[list[tuple[str, str]]]()


@pytest.fixture(scope="session", autouse=True)
def temporary_labs_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Store the drills' labs in a temporary folder, apart from the user's labs."""
    pytest.MonkeyPatch().setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))


@pytest.fixture(scope="session")
def record(pytestconfig: pytest.Config) -> Recorder:
    """Return a function that records a drill's measurement for the table at the end."""
    measurements = pytestconfig.stash.setdefault(MEASUREMENTS, [])
    return lambda drill, value: measurements.append((drill, value))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    measurements = config.stash.get(MEASUREMENTS, [])
    if measurements:
        width = max(len(drill) for drill, _ in measurements)
        terminalreporter.section("measurements")
        for drill, value in measurements:
            terminalreporter.line(f"{drill:{width}}  {value}")
