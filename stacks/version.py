"""The version of this program, which is the platform's."""

import tomllib
from pathlib import Path

VERSION = str(tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]["version"])
