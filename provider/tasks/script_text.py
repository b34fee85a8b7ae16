"""Read the scripts of `components/scripts` as a machine runs them."""

from collections.abc import Mapping
from pathlib import Path

from provider.errors import TaskError
from provider.ssh.connections import render_script


def script_text(folder: Path, variables: Mapping[str, str], name: str) -> str:
    """Render a script with its variables and the library `lib.sh` in front of it. Raises TaskError."""
    try:
        text = (folder / name).read_text()
    except FileNotFoundError as cause:
        raise TaskError(
            f"homelab has no script {name}, although Pulumi's state names it; no changes were made. First run "
            "`pulumi up` with the version of homelab that wrote the state."
        ) from cause
    return render_script(variables, (folder / "lib.sh").read_text(), text)
