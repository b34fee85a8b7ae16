"""Where a rehearsal finds the project and keeps its labs."""

import os
from pathlib import Path

PROJECT = Path(__file__).parents[1]
ACME = "server/acme"
"""The folder of a lab with what its ACME server needs and knows."""
VOLUMES = "volumes"
"""The folder of a lab with the volumes of its storage, which every machine has."""


def states() -> Path:
    """The folder that holds every lab's state."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    folder = Path(base) / "homelab"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def stacks() -> list[str]:
    """The stacks that have a lab on this computer."""
    return sorted(path.name for path in states().iterdir() if path.is_dir())
