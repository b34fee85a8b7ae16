"""Faults on a machine simulated by a folder: the script is killed before each command, or the disk is full."""

import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.machine_scripts import FakeMachine, ScriptRun

PAGE = 4096
OWN_MOUNTS = ("unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child")
"""Runs a command with its own mounts, and kills the command's processes when it ends."""
_MADE: dict[tuple[Callable[[FakeMachine], None], Path], Path] = {}
VOLATILE = ("var/lib/homelab/program",)
"""Files that contain times."""
IGNORED = ("bin", "calls", "snapshots", "tmp")
"""Files of the test, not of the machine."""

# Before every command: a copy of the machine, if the commands before changed it. After one that surely changed nothing,
# nobody looks; what a subshell ran is known outside of it by a file. No match of its own: scripts read BASH_REMATCH.
WATCH = r"""
watched='' watched_last=''
changes_nothing() {{
  local text=${{1//'1>&2'/}}; text=${{text//'> /dev/null'/}}
  case $text in
    *'>'*) return 1 ;;
    'local '* | 'read '* | 'shift'* | 'return'* | 'for '* | 'case '* | '['* | 'umask '* | 'cmp '*) ;;
    'printf '*) [[ $1 = *'1>&2' ]] ;;
    *) text=${{text%% *}}; [[ $text = [a-z_]*=* ]] || declare -F "$text" >/dev/null ;;
  esac
}}
watch_state() {{
  local before=$watched_last; watched_last=$BASH_COMMAND
  if [ "$BASH_SUBSHELL" = 0 ] && [ -e {copies}-looked ]; then /bin/rm {copies}-looked; before=rm; fi
  if [ "$BASH_SUBSHELL" != 0 ] && ! changes_nothing "$watched_last"; then : >{copies}-looked; fi
  if changes_nothing "$before"; then return 0; fi
  local now; now=$(exec find {root} -path '{root}/bin' -prune -o ! -name calls -printf '%P %s %C@ %y %m %l\n')
  [ "$now" != "$watched" ] || return 0
  watched=$now
  cp -a {root} "$(mktemp -d {copies}/XXXXXX)/root"
}}
set -T
trap watch_state DEBUG
"""

# FREE is how many bytes the script finds; the filler goes before the second run, as somebody makes room
ON_A_SMALL_DISK = """
set -eu
mount -t tmpfs -o size={size} tmpfs {root}
cp -a {copy}/. {root}
mkdir {root}/tmp
filler={root}/tmp/filler
touch $filler
available=$(($(stat -f -c '%a' {root}) * $(stat -f -c '%S' {root})))
fallocate -l $((available - {free})) $filler
status=0
cd {root}
bash -s <{script} >{result}/output 2>{result}/errors || status=$?
echo $status >{result}/status
rm $filler
cp -a {root} {result}/root
"""


def cached(prepare: Callable[[FakeMachine], None]) -> Callable[[FakeMachine], None]:
    """Run `prepare` once for each path of a machine, and copy the result afterwards: scripts store the path."""

    def made(fake: FakeMachine) -> None:
        key = (prepare, fake.root)
        if key not in _MADE:
            prepare(fake)
            _MADE[key] = Path(tempfile.mkdtemp(dir=fake.root.parent, prefix="made-"))
            shutil.copytree(fake.root, _MADE[key], symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copytree(_MADE[key], fake.root, symlinks=True, dirs_exist_ok=True)

    return made


@dataclass(frozen=True)
class Scenario:
    """A script on a machine: `prepare` creates the machine, `verify` checks it after the script."""

    name: str
    script: str
    variables: Mapping[str, str]
    tools: Mapping[str, str]
    prepare: Callable[[FakeMachine], None]
    on_disk: bool = True  # whether what it changes is on the machine's disk, which may be full
    ignored: str | None = None  # part of the paths of files that a run may leave in any number
    verify: Callable[[FakeMachine], None] = field(default=lambda _: None)
    between_runs: Callable[[FakeMachine], None] = field(default=lambda _: None)  # what goes before the next run

    def machine(self, root: Path) -> FakeMachine:
        """Create the machine."""
        root.mkdir()
        fake = FakeMachine(root, self.tools)
        self.prepare(fake)
        return fake

    def variables_on(self, root: Path) -> dict[str, str]:
        """Return the script's variables, with paths on the machine."""
        return {name: value.replace("ROOT/", f"{root}/") for name, value in self.variables.items()}

    def run(self, fake: FakeMachine) -> ScriptRun:
        return fake.run(self.script, **self.variables_on(fake.root))

    def files(self, root: Path) -> dict[str, str]:
        """Return the mode and content of every file of the machine."""
        known = ((path, content) for path, content in _files(root) if path not in VOLATILE)
        return {path: content for path, content in known if not self.ignored or self.ignored not in path}


def _walk(root: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Yield each folder of a machine, with the names of its folders and of its files."""
    for folder, names, files in os.walk(root):
        ignored = IGNORED if Path(folder) == root else ()
        names[:] = [name for name in names if name not in ignored]
        yield Path(folder), names, [name for name in files if name not in ignored]


def _files(root: Path) -> Iterator[tuple[str, str]]:
    for folder, _, files in _walk(root):
        for path in (folder / name for name in files):
            facts = path.lstat()
            content = str(path.readlink()) if stat.S_ISLNK(facts.st_mode) else path.read_text(errors="replace")
            yield str(path.relative_to(root)), f"{stat.S_IMODE(facts.st_mode):o} {content}"


def _empty_folders(root: Path) -> Iterator[str]:
    return (str(folder.relative_to(root)) for folder, names, files in _walk(root) if not names and not files)


def fingerprint(root: Path) -> str:
    """Return a hash of a machine's files and empty folders. Machines with equal hashes are in the same state."""
    return hashlib.sha256(repr((sorted(_files(root)), sorted(_empty_folders(root)))).encode()).hexdigest()


def disk_states(scenario: Scenario, folder: Path) -> Iterator[Path]:
    """Yield every state of the disk at which the script can be killed, as a copy of the machine."""
    copies = folder / "copies"
    copies.mkdir()
    fake = scenario.machine(folder / "machine")
    text = WATCH.format(root=fake.root, copies=copies) + fake.script(scenario.script)
    done = fake.run_text(text, **scenario.variables_on(fake.root))
    assert done.status == 0, done.errors
    known = set[str]()
    for copy in sorted(copies.iterdir()):
        found = fingerprint(copy / "root")
        if found not in known:
            known.add(found)
            yield copy / "root"


def restore_copy(scenario: Scenario, copy: Path, root: Path) -> FakeMachine:
    """Replace the machine by the copy, at the machine's own path, which its tools contain."""
    shutil.rmtree(root)
    shutil.copytree(copy, root, symlinks=True)
    fake = FakeMachine(root, scenario.tools)
    scenario.between_runs(fake)
    return fake


@dataclass(frozen=True)
class SmallDiskRun:
    """The result of a run with limited space: exit status, errors, and the machine's folder."""

    status: int
    errors: str
    root: Path


def run_on_small_disk(scenario: Scenario, copy: Path, fake: FakeMachine, free: int) -> SmallDiskRun:
    """Run the script on a copy of the machine, on its own file system with `free` bytes left."""
    result = copy.parent / "result"
    shutil.rmtree(result, ignore_errors=True)
    result.mkdir()
    script = result / "script"
    script.write_text(fake.sent_text(scenario.script, **scenario.variables_on(fake.root)))
    if not copy.exists():
        shutil.copytree(fake.root, copy, symlinks=True)  # with its tools
    text = ON_A_SMALL_DISK.format(size=64 << 20, root=fake.root, copy=copy, free=free, script=script, result=result)
    subprocess.run([*OWN_MOUNTS, "bash", "-c", text], check=True, timeout=60)
    found = result / "root"
    return SmallDiskRun(int((result / "status").read_text()), (result / "errors").read_text(), found)
