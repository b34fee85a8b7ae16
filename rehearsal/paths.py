"""The paths of the project and of the folders that contain rehearsed labs."""

import os
from pathlib import Path

PROJECT = Path(__file__).parents[1]
ACME_FOLDER = "server/acme"
"""Subfolder of a lab's folder with the files of the ACME server and the DNS server."""
ONLINE_FILE = "online.json"
"""File in a lab's folder: whether the Internet was reachable when the lab was created."""
VOLUMES_FOLDER = "volumes"
"""Subfolder of a lab's folder with the Longhorn volumes; every machine mounts the subfolder."""


def labs_folder() -> Path:
    """Return the folder that contains all rehearsed labs; create the folder if it is missing."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    folder = Path(base) / "homelab"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def stacks_with_labs() -> list[str]:
    """List the stacks that have a rehearsed lab on the host."""
    return sorted(path.name for path in labs_folder().iterdir() if path.is_dir())
