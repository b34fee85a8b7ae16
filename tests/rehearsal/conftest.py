"""Fixtures for all rehearsed labs."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def temporary_labs_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Store the tests' labs in a temporary folder, apart from the user's labs."""
    pytest.MonkeyPatch().setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
