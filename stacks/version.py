"""Version of homelab, which is part of the platform's stack outputs."""

import tomllib
from pathlib import Path

VERSION = str(tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]["version"])
