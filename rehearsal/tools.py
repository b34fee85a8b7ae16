"""Pulumi, its language host and its Kubernetes provider: found on PATH or in the cache, downloaded, or built."""

import os
import re
import shutil
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from rehearsal import disk_space, recipes
from rehearsal.cache import Recipe, Report, obtain, root
from rehearsal.download import UnreachableError
from rehearsal.shell import RehearsalError, run

LANGUAGE_HOST = Path(__file__).parent / "toolchain/language/pulumi-language-python"


@dataclass(frozen=True)
class Tool:
    """A program with its path and origin; the path is None for a plugin in Pulumi's plugin folder."""

    name: str
    path: Path | None
    origin: str
    official: bool


@dataclass(frozen=True)
class Toolchain:
    """The programs with which the rehearsal runs Pulumi: CLI, Python language host and Kubernetes provider."""

    pulumi: Tool
    language: Tool
    kubernetes: Tool

    @property
    def tools(self) -> tuple[Tool, ...]:
        """All programs of the toolchain, for the summary table `Real and simulated`."""
        return (self.pulumi, self.language, self.kubernetes)

    @property
    def path_env(self) -> str:
        """The PATH of Pulumi's engine: the folder of homelab's Python, the tools' folders, and then the user's PATH."""
        folders = [str(tool.path.parent) for tool in self.tools if tool.path]
        own = [str(Path(sys.executable).parent)]
        return os.pathsep.join(dict.fromkeys([*own, *folders, *os.get_exec_path()]))


def ensure(report: Report) -> Toolchain:
    """Find, download or build the programs that Pulumi needs; `report` receives progress messages."""
    pulumi = _pulumi(report)
    return Toolchain(pulumi, _language(pulumi), _kubernetes(pulumi, report))


def obtain_program(recipe: Recipe, report: Report) -> Path:
    """Return the path of a program; build the program with its recipe unless the cache has the program."""
    return obtain(recipe, report) / recipe.name


def _pulumi(report: Report) -> Tool:
    on_path = _on_path("pulumi")
    if on_path and _at_least(run([on_path, "version"]), recipes.PULUMI_VERSION):
        return Tool("pulumi", Path(on_path), "on PATH", official=True)
    released, built = recipes.released_pulumi(metadata.version("pulumi")), recipes.built_pulumi()
    if not built.folder.is_dir():
        try:
            folder = obtain(released, report)
            return Tool("pulumi", folder / "pulumi", f"release {released.version}", official=True)
        except UnreachableError as error:
            report(f"Pulumi cannot be downloaded ({error}): building Pulumi")
            disk_space.require_build_space()  # without downloads, the rehearsal builds all programs
    folder = obtain(built, report)
    return Tool("pulumi", folder / "pulumi", f"built here from its Go module {built.version}", official=False)


def _language(pulumi: Tool) -> Tool:
    name = "pulumi-language-python"
    assert pulumi.path
    sibling = pulumi.path.with_name(name)
    path = str(sibling) if sibling.exists() else _on_path(name)
    if path:
        return Tool(name, Path(path), pulumi.origin, official=True)
    return Tool(name, LANGUAGE_HOST, "stand-in over Pulumi's Python SDK", official=False)


def _kubernetes(pulumi: Tool, report: Report) -> Tool:
    name, version = "pulumi-resource-kubernetes", metadata.version("pulumi-kubernetes")
    built = recipes.built_provider()
    if on_path := _on_path(name):
        return Tool(name, Path(on_path), "on PATH", official=True)
    if pulumi.official and pulumi.path and not built.folder.is_dir():
        try:
            run([pulumi.path, "plugin", "install", "resource", "kubernetes", version])
            return Tool(name, None, f"release {version}", official=True)
        except RehearsalError as error:
            report(f"Pulumi's Kubernetes provider cannot be downloaded ({error}): building the provider")
    folder = obtain(built, report)
    return Tool(name, folder / name, f"built here from its Go module {built.version}", official=False)


def _on_path(name: str) -> str | None:
    """Find a program on PATH, but ignore cached programs and stand-ins, which a rehearsal adds to PATH."""
    path = shutil.which(name)
    own_folders = (root(), LANGUAGE_HOST.parent)
    return None if path and any(Path(path).is_relative_to(folder) for folder in own_folders) else path


def _at_least(version: str, oldest: str) -> bool:
    numbers = re.search(r"(\d+)\.(\d+)\.(\d+)", version)
    return numbers is not None and [int(n) for n in numbers.groups()] >= [int(n) for n in oldest.split(".")]
