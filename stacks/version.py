"""The version of homelab, which the platform's outputs contain."""

import tomllib
from pathlib import Path

VERSION = str(tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]["version"])
