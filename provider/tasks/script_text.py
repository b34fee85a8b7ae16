"""Prepend variables and the library `lib.sh` to the scripts in `components/scripts`."""

from collections.abc import Mapping
from pathlib import Path

from provider.errors import TaskError
from provider.ssh.connections import render_script


def script_text(folder: Path, variables: Mapping[str, str], name: str) -> str:
    """Render a script, preceded by its variables and by the library `lib.sh`. Raises TaskError."""
    try:
        text = (folder / name).read_text()
    except FileNotFoundError as cause:
        raise TaskError(
            f"Pulumi's state refers to the script {name}, which this version of homelab does not have; no changes were "
            "made. First run `pulumi up` with the version of homelab that wrote Pulumi's state."
        ) from cause
    return render_script(variables, (folder / "lib.sh").read_text(), text)
