"""The documentation names what is there: links, commands, settings, files and error messages."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main
from ruamel.yaml import YAML
from typer.testing import CliRunner

from cli import app
from components.platform.layer import CatalogEntry
from stacks import stackfile
from stacks.catalog import LAYERS
from stacks.reference import GENERATED_MARK
from stacks.settings import AppStack, LabStack
from tests.support.app_samples import named_secrets
from tests.support.settings_fixtures import ROOT

FOLDERS = ("*.md", "docs/*.md", "*/README.md", "samples/*/README.md")
PAGES = sorted(page for pattern in FOLDERS for page in ROOT.glob(pattern))
LIMITS = {"README.md": 199}
LIMIT = 149
EXAMPLES = {"components/layers/whoami.py", "rehearsal/charts/whoami/", "crds/"}  # a layer that the reader writes
MADE = {".charts/"}  # by a run

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_HOMELAB = re.compile(r"\./homelab((?: +[^\s`#|;]+)*)")
_MAKE = re.compile(r"(?:`|^)make ([a-z]+)", re.MULTILINE)
_FILE = re.compile(r"`((?:[\w.-]+/)+(?:[\w-]+\.(?:py|sh|md|yaml))?)`")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> Iterator[str]:
    return (text for kind, text in _FENCE.findall(page.read_text()) if kind == language)


def prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(prose(page)):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_pages_are_short(page: Path) -> None:
    lines = page.read_text().partition(GENERATED_MARK)[0].splitlines()
    assert len(lines) <= LIMITS.get(name(page), LIMIT)
    assert [line for line in lines if len(line) > 120 and not line.startswith("|")] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_make_has_the_targets_named(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert targets >= set(_MAKE.findall(page.read_text()))


def test_make_reads_the_variables_named() -> None:
    known = set(re.findall(r"^(\w+) \?=", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {variable for page in PAGES for variable in re.findall(r"\bmake [a-z]+ ([A-Z]+)=", page.read_text())}
    assert "DRILLS" in named
    assert named <= known


def test_one_file_of_drills_runs_alone() -> None:
    """Not beside all others: pytest runs a folder whole, whatever else is named."""
    command = subprocess.run(
        ["make", "--dry-run", "drills", "DRILLS=tests/drills/test_upgrade.py"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert re.findall(r"tests/drills\S*", command) == ["tests/drills/test_upgrade.py"]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_homelab_has_the_commands_named(page: Path) -> None:
    for words in _HOMELAB.findall(page.read_text()):
        existing = words.replace("FOLDER", str(ROOT)).replace("preview.json", str(ROOT / "Pulumi.yaml"))
        if existing.strip() != "--help":
            resolve(existing.split())


@pytest.mark.parametrize(
    "words", ["nothing", "rehearse nothing", "rehearse", "pin --nothing", "rehearse power loud pi-1"]
)
def test_a_command_that_is_not_there_is_found_out(words: str) -> None:
    with pytest.raises(AssertionError):
        resolve(words.split())


def test_the_page_of_the_commands_shows_their_help() -> None:
    shown = (ROOT / "docs" / "commands.md").read_text()
    said = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80"}, prog_name="homelab").output
    assert "\n".join(line.rstrip() for line in said.strip("\n ").splitlines()) in shown


def resolve(words: list[str]) -> None:
    """Parse `./homelab WORDS` as it would be run, without running it."""
    command: Any = typer.main.get_command(app)
    context = typer.Context(command)
    while hasattr(command, "get_command"):
        found = command.get_command(context, words[0]) if words else None
        assert found, f"no command: {words}"
        command, words = found, words[1:]
        context = typer.Context(command, parent=context)
    try:
        command.make_context(command.name, words)
    except Exception as error:
        raise AssertionError(f"{command.name} {words}: {error}") from error


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_named_exist(page: Path) -> None:
    for path in set(_FILE.findall(prose(page).partition(GENERATED_MARK)[0])) - EXAMPLES - MADE:
        assert any((folder / path).exists() for folder in (ROOT, page.parent, ROOT / "components/scripts")), path


def test_tests_named_in_comparisons_are_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs/compared.md").read_text()))
    files = (ROOT / "tests").rglob("test_*.py")
    assert len(named) > 25
    assert named <= {name for file in files for name in re.findall(r"def (test_\w+)", file.read_text())}


def config_of(text: str) -> dict[str, Any]:
    """The configuration that a yaml block shows: a stack file, some of its keys, or a part of `homelab:cluster`."""
    content = dict(YAML(typ="safe", pure=True).load(text))
    if "config" in content:
        return {key.partition(":")[2]: value for key, value in content["config"].items()}
    readme = config_of(next(text for text in blocks(ROOT / "README.md", "yaml") if text.startswith("config:")))
    if any(key.startswith("homelab:") for key in content):
        shown = {key.partition(":")[2]: value for key, value in content.items()}
        return shown if {"app", "apps"} & shown.keys() else readme | shown
    return readme | {"cluster": readme["cluster"] | content}


@pytest.mark.parametrize("text", [pytest.param(text, id=name(page)) for page in PAGES for text in blocks(page, "yaml")])
def test_settings_shown_are_valid(text: str) -> None:
    config = config_of(text)
    (AppStack if {"app", "apps"} & config.keys() else LabStack).parse(config, named_secrets(config), "homelab")


def test_the_readme_shows_a_whole_stack_file(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.homelab.yaml"
    file.write_text(next(blocks(ROOT / "README.md", "yaml")))
    shown, sample = LabStack.read(file).cluster, LabStack.read(ROOT / file.name).cluster
    assert (shown.api, shown.ssh) == (sample.api, sample.ssh)
    assert {node.host_key for node in shown.nodes} <= {node.host_key for node in sample.nodes}


def test_layout_of_the_mirror_is_what_scripts_fetch() -> None:
    layout = next(blocks(ROOT / "docs/air-gap.md", ""))
    stage = (ROOT / "components/scripts/node/stage-k3s.sh").read_text()
    names = set(re.findall(r"binary=([\w-]+)", stage)) | {"install.sh", "install.sh.sha256sum"}
    for arch in ("amd64", "arm64", "arm"):
        names |= {f"sha256sum-{arch}.txt", f"k3s-airgap-images-{arch}.tar.zst"}
    assert set(layout.split()[1:]) == names


def test_errors_explained_are_those_of_the_program() -> None:
    table = (ROOT / "docs/errors.md").read_text()
    shown = re.findall(r"^\| `(.+?)` \|", table, re.MULTILINE)
    sources = [*(ROOT / "components/scripts").rglob("*.sh"), *(ROOT / "provider").rglob("*.py")]
    said = "".join(source.read_text().replace("\\`", "`") for source in sources)
    assert len(shown) > 10
    for message in shown:
        for part in re.split(r"\s*…\s*", message):
            assert part in said, message


def test_secrets_named_by_a_stack_file_are_collected() -> None:
    config, secrets = stackfile.read(ROOT / "tests/settings/valid/air-gap.yaml")
    assert named_secrets(config) == secrets


@pytest.mark.parametrize("entry", LAYERS, ids=lambda entry: entry.layer.key)
def test_every_layer_has_a_line_and_an_example_that_is_valid(entry: CatalogEntry) -> None:
    key, page = entry.layer.key, (ROOT / "docs/platform.md").read_text()
    (line,) = re.findall(rf"^\| (?:`\w+`, )*`{key}`.* \|$", page.partition(GENERATED_MARK)[0], re.MULTILINE)
    example = line.split(" | ")[-1].removesuffix(" |").strip("`")
    if example == "see its page":
        (linked,) = re.findall(r"\]\(([\w-]+\.md)", line)
        assert f"\n  {key}:" in (ROOT / "docs" / linked).read_text()
    else:
        ((shown, settings),) = YAML(typ="safe", pure=True).load(example).items()
        next(each for each in LAYERS if each.layer.key == shown).layer.settings_type.model_validate(settings)
        assert f"`{shown}`" in line
