"""Builds Go programs from modules whose digests are pinned in go.sum files."""

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from rehearsal.shell import RehearsalError, run

MIN_VERSION = (1, 26)
# Go does not look up these modules in the public checksum database; a go.sum or a constant pins their digests
UNLISTED = "github.com/k3s-io/*,github.com/rancher/*,github.com/pulumi/pulumi-kubernetes/*"


def release() -> str:
    """Return the version of the installed Go, such as go1.26.1; fail if Go is missing or too old."""
    if not shutil.which("go"):
        raise RehearsalError(_install("is not installed"))
    installed = run(["go", "env", "GOVERSION"], env=_environment()).strip()
    numbers = re.match(r"go(\d+)\.(\d+)", installed)
    if not numbers or (int(numbers[1]), int(numbers[2])) < MIN_VERSION:
        raise RehearsalError(_install(f"is {installed}"))
    return installed


def require_c_compiler() -> None:
    """Fail if no C compiler is installed, because K3s' SQLite needs a C compiler."""
    if not shutil.which(os.environ.get("CC") or "gcc"):
        raise RehearsalError("Building K3s needs a C compiler for SQLite: install gcc and libc6-dev.")


def module(path: str, version: str, pinned: str) -> Path:
    """Download a Go module, verify the `h1:` digest `pinned`, and return the module's read-only source folder."""
    printed = run(["go", "mod", "download", "-json", f"{path}@{version}"], env=_environment(), cwd=Path("/"))
    answer = json.loads(printed)
    if answer["Sum"] != pinned:
        raise RehearsalError(
            f"The Go module {path}@{version} was rejected: its digest is {answer['Sum']}, not the pinned {pinned}."
        )
    return Path(answer["Dir"])


def required(path: str, folder: Path) -> Path:
    """Return the source folder of a Go module that the go.mod in `folder` requires."""
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
    arch: str = "",
) -> None:
    """Build `package` at the version that the go.mod in `folder` requires.

    `variables` sets Go variables at link time (-X). `overlay` adds files to the build without changing source folders.
    `cgo` enables cgo (True), disables cgo for a static program (False), or uses Go's default (None).
    `arch` is the processor architecture, by default the host's.
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
    chosen = {} if cgo is None else {"CGO_ENABLED": str(int(cgo))}
    target = {"GOARCH": arch} if arch else {}
    run([*command, package], env=_environment() | chosen | target, cwd=folder)
    if overlay:
        replaced.unlink()


def target(arch: str) -> tuple[str, ...]:
    """Return the ingredient of a recipe that builds for `arch`; the host's architecture is part of every recipe."""
    return (f"GOARCH={arch}",) if arch else ()


def _link(variables: Mapping[str, str]) -> str:
    return " ".join(["-s -w", *(f"-X {name}={value}" for name, value in variables.items())])


def _environment() -> dict[str, str]:
    return dict(os.environ) | {
        "GOFLAGS": "-mod=readonly -buildvcs=false",
        "GOWORK": "off",
        "GONOSUMDB": UNLISTED,
    }


def _install(problem: str) -> str:
    least = ".".join(map(str, MIN_VERSION))
    return (
        f"Go {problem}, but the rehearsal must build programs that it cannot download: "
        f"install Go {least} or newer from go.dev/dl."
    )
