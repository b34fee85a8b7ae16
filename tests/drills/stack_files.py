"""The stack files of apps in drills."""

from pathlib import Path
from typing import Any

import yaml


def write_stack_file(file: Path, *secrets: str, **sections: Any) -> None:
    """Write a stack file with the sections `app` or `apps`, and with placeholders of the `secrets`."""
    config = {f"homelab:{name}": settings for name, settings in sections.items()}
    placeholders = {f"homelab:{name}": {"secure": "v1:placeholder"} for name in secrets}
    file.write_text(yaml.safe_dump({"config": config | placeholders}))
