"""What runs on machines: each script has its frame, and is given what it reads and nothing else."""

import re
import subprocess
from pathlib import Path

import pytest

from components.provider_resources import COMMENT_LINE
from provider.model import Task
from tests.support.recorder import Recording, Resource, config_of, record
from tests.support.settings_fixtures import ROOT, SAMPLE, VALID
from tests.unit.platform.test_platform import RUN

SCRIPTS = ROOT / "components/scripts"
LIBRARY = (SCRIPTS / "lib.sh").read_text()
FILES = sorted(SCRIPTS.glob("*/*.sh"))
SHELL_OWN = {"SECONDS", "EPOCHREALTIME", "LINENO", "BASH_COMMAND", "BASH_REMATCH", "PATH", "RANDOM"}
OF_PLUGIN = {"node/check-api.sh", "cluster/check-node-removal.sh", "cluster/check-destroy-marker.sh"}
ALWAYS = {"NOW", "SERVERS", "FLAGS", "CLUSTER", "RETIRED", "UNREACHABLE", "FOREIGN", "UNDO"}  # given by the plugin
EXPORTED = {"CA", "CA_HASH", "TURN", "FINISHED"}  # given by earlier steps of a task

LOOKING = {"node/collect-facts.sh", "etcd/list-snapshots.sh"}
"""What looks at machines, and changes nothing."""

FUNCTION = r"^(\w+)\(\) \{(?: (?P<line>[^#\n].*) \}$|(?P<body>(?s:.*?))^\})"
NAMES = {str(file.relative_to(SCRIPTS)) for file in FILES}
CASES: list[tuple[str, Recording]] = [(file.stem, record(config_of(file))) for file in (*VALID, SAMPLE)]
CASES.append(("platform", RUN))
TASKS = [
    pytest.param(task, id=f"{name}:{task.name}")
    for name, run in CASES
    for task in sorted(run.tasks, key=lambda task: task.name)
]


def named(file: Path) -> str:
    """A script's name, as tasks have it."""
    return str(file.relative_to(SCRIPTS))


def functions(text: str) -> dict[str, str]:
    """Functions of a script -> their text; both forms that are used, on one line and over several."""
    found = re.finditer(FUNCTION, text, re.MULTILINE)
    return {match[1]: match["line"] or match["body"] for match in found}


def whole(script: str) -> str:
    """A script and the functions of the library that it uses, directly or through others."""
    text, used = uncommented((SCRIPTS / script).read_text()), set[str]()
    library = functions(LIBRARY)
    while new := {name for name in library if re.search(rf"\b{name}\b", text)} - used:
        used |= new
        text += "".join(library[name] for name in sorted(new))
    return uncommented(text)


def uncommented(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.lstrip().startswith("#"))


def reads(script: str) -> set[str]:
    """Variables that must be given to a script."""
    text = whole(script)
    found = re.findall(r"\$\{?([A-Z][A-Z0-9_]*)", text) + re.findall(r"\(\(.*?\b(NOW)\b", text)
    return set(found) - SHELL_OWN


def has_default(script: str) -> set[str]:
    """Variables that a script reads only with a default, as `${NAME:-}`."""
    plain = re.findall(r"\$\{?([A-Z][A-Z0-9_]*)(?![A-Z0-9_]|:-)", whole(script))
    return reads(script) - set(plain)


def given(task: Resource) -> set[str]:
    chart = task.plain.get("chart") or {"keys": []}
    fetched = set[str]() if "keys" in chart else {"CRDS"}
    return {*task.plain["variables"], *task.plain["secrets"]} | fetched


def exported(task: Resource) -> set[str]:
    """What earlier steps may give, and what scripts do without where none did."""
    names = {name for step in task.plain["run"] for name in step.get("exports", ())}
    assert names <= EXPORTED
    return EXPORTED


def scripts(task: Resource) -> set[str]:
    names = {step["script"] for step in (*task.plain["run"], *task.plain["undo"])}
    return names | {task.plain["probe"]} - {""}


@pytest.mark.parametrize("task", TASKS)
def test_task_gives_what_its_scripts_read_and_nothing_else(task: Resource) -> None:
    known = set[str]().union(*map(reads, scripts(task)))
    required = set[str]().union(*(reads(script) - has_default(script) for script in scripts(task)))
    missing, dead = required - ALWAYS - exported(task) - given(task), given(task) - known - ALWAYS
    assert not missing, f"{task.name} does not give {missing}"
    assert not dead, f"{task.name} gives {dead}, which nothing reads"


@pytest.mark.parametrize("task", TASKS)
def test_plugin_takes_the_task(task: Resource) -> None:
    taken = Task.model_validate(task.plain)
    assert taken.variables.keys().isdisjoint(taken.secrets)
    raised = {flag for step in (*taken.run, *taken.undo) for flag in (*step.when, *step.unless)}
    can_raise = {flag for script in scripts(task) for flag in re.findall(r"\braise_flag (\w+)", whole(script))}
    can_raise |= {f"discard-{task.plain['variables'].get('KEY')}", "retired"}  # the plugin's own
    assert raised <= can_raise, "a step asks for a flag that nothing raises"


def test_every_script_is_used() -> None:
    used = set().union(*(scripts(task) for _, run in CASES for task in run.tasks))
    commands = "".join(file.read_text() for file in (ROOT / "operations").rglob("*.py"))
    by_hand = NAMES.intersection(re.findall(r'"([\w-]+/[\w-]+\.sh)"', commands))
    assert used | by_hand | OF_PLUGIN == NAMES
    assert by_hand - used >= LOOKING


@pytest.mark.parametrize("name", sorted(LOOKING))
def test_what_only_looks_changes_nothing(name: str) -> None:
    """No lock is taken, and nothing of the library that writes is called."""
    text = (SCRIPTS / name).read_text()
    assert not re.search(r"\b(lock|write_atomically|say|raise_flag|keep)\b(?! *=)", "".join(functions(text).values()))
    assert not re.search(r"(?<![0-9<-])>(?!/dev/null|&)", re.sub(r"'[^']*'", "", text))


@pytest.mark.parametrize("file", FILES, ids=named)
def test_script_says_what_it_reads(file: Path) -> None:
    comments = "".join(line for line in file.read_text().splitlines()[1:4] if line.startswith("#"))
    stated, read = set(re.findall(r"\b[A-Z][A-Z_]+\b", comments)), reads(named(file))
    assert read - stated == set()
    assert stated - read <= {"API", "CA", "CD", "DNS", "GPU", "NFS", "NVIDIA", "SSH", "ZFS"}


@pytest.mark.parametrize("file", FILES, ids=named)
def test_script_is_read_whole_before_it_begins(file: Path) -> None:
    """A connection that is lost while the script is sent must not run half of it."""
    text = file.read_text()
    assert text.endswith("\nmain </dev/null\n")
    outside = re.sub(FUNCTION, "", text, flags=re.MULTILINE).partition("\nmain </dev/null")[0]
    lines = [line for line in outside.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert all(re.match(r"[a-z]+=\S+$", line) for line in lines), lines


@pytest.mark.parametrize("file", [*FILES, SCRIPTS / "lib.sh"], ids=named)
def test_comments_are_all_that_the_digest_ignores(file: Path) -> None:
    """A line of a string or a here-document that begins with # would be missing from it."""
    text = file.read_text()
    assert parsed(COMMENT_LINE.sub("", text)) == parsed(text)


def parsed(text: str) -> str:
    """A script as Bash prints it after parsing: without comments, and in one layout."""
    whole = f"whole() {{\n{text}\n}}\ndeclare -f whole"
    done = subprocess.run(["bash", "-c", whole], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_nothing_sleeps_but_the_wait_for_a_condition() -> None:
    assert re.findall(r"\bsleep\b", LIBRARY) == ["sleep"]
    assert "sleep" in functions(LIBRARY)["wait_for"]
    for file in FILES:
        assert not re.search(r"\bsleep\b", file.read_text()), file


@pytest.mark.parametrize("file", FILES, ids=named)
def test_what_is_written_is_never_a_condition(file: Path) -> None:
    """Bash ends no script for what fails in a condition or in a pipe: a full disk would pass for an answer."""
    calls = re.findall(r"^.*\b(?:write_atomically|copy_atomically|put) .*$", file.read_text(), re.MULTILINE)
    statements = [call for call in calls if not call.lstrip().startswith("#")]
    verb = r"\b(?:write_atomically|copy_atomically|put) "
    wrong = re.compile(rf"(?:\b(?:if|while|until)|!|&&|[^|]\|) *{verb}|{verb}[^<]*(?:<<<\S+|<\S+)? *(?:\|\||&&)")
    assert [call for call in statements if wrong.search(call)] == []
