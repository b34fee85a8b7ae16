"""Go programs that are built here from their modules, each exactly as its go.sum pins it."""

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from rehearsal.shell import RehearsalError, run

OLDEST = (1, 26)
# The checksum database lacks these; a go.sum or a constant here has their digests.
UNLISTED = "github.com/k3s-io/*,github.com/rancher/*,github.com/pulumi/pulumi-kubernetes/*"


def release() -> str:
    """The Go in use, such as go1.26.1; says what to install when there is none that will do."""
    if not shutil.which("go"):
        raise RehearsalError(_install("is not installed"))
    found = run(["go", "env", "GOVERSION"], env=_environment()).strip()
    numbers = re.match(r"go(\d+)\.(\d+)", found)
    if not numbers or (int(numbers[1]), int(numbers[2])) < OLDEST:
        raise RehearsalError(_install(f"is {found}"))
    return found


def compiler() -> None:
    """Fail with what to install when there is no C compiler, which K3s' SQLite needs."""
    if not shutil.which(os.environ.get("CC") or "gcc"):
        raise RehearsalError("K3s is built here, and its SQLite needs a C compiler: install gcc and libc6-dev.")


def module(path: str, version: str, pinned: str) -> Path:
    """The source of a module, read-only, out of the module cache; `pinned` is its h1: digest."""
    printed = run(["go", "mod", "download", "-json", f"{path}@{version}"], env=_environment(), cwd=Path("/"))
    answer = json.loads(printed)
    if answer["Sum"] != pinned:
        raise RehearsalError(f"{path}@{version} was refused: its digest is {answer['Sum']}, pinned is {pinned}.")
    return Path(answer["Dir"])


def required(path: str, folder: Path) -> Path:
    """The source of a module that the go.mod in `folder` requires."""
    answer = json.loads(run(["go", "mod", "download", "-json", path], env=_environment(), cwd=folder))
    return Path(answer["Dir"])


def build(
    package: str,
    output: Path,
    *,
    folder: Path,
    variables: Mapping[str, str] | None = None,
    tags: str = "",
    overlay: Mapping[Path, Path] | None = None,
    cgo: bool | None = None,
) -> None:
    """Build `package` as the module in `folder` requires it.

    `variables` are set at link time; `overlay` puts files into source folders, which stay as they are;
    without `cgo` the program is static, with None it is as this computer can.
    """
    command: list[str | Path] = [
        "go",
        "build",
        "-tags",
        tags,
        "-ldflags",
        _link(variables or {}),
        "-o",
        output,
    ]
    if overlay:
        replaced = output.with_name(f"{output.name}.overlay.json")
        replaced.write_text(json.dumps({"Replace": {str(at): str(by) for at, by in overlay.items()}}))
        command += ["-overlay", replaced]
    environment = _environment() if cgo is None else _environment() | {"CGO_ENABLED": str(int(cgo))}
    run([*command, package], env=environment, cwd=folder)
    if overlay:
        replaced.unlink()


def _link(variables: Mapping[str, str]) -> str:
    return " ".join(["-s -w", *(f"-X {name}={value}" for name, value in variables.items())])


def _environment() -> dict[str, str]:
    return dict(os.environ) | {
        "GOFLAGS": "-mod=readonly -buildvcs=false",
        "GOWORK": "off",
        "GONOSUMDB": UNLISTED,
    }


def _install(why: str) -> str:
    least = ".".join(map(str, OLDEST))
    return f"Go {why}, and what cannot be downloaded is built here: install Go {least} or newer (go.dev/dl)."
