"""What scripts share: packages that are installed, files that are fetched."""

from pathlib import Path

import pytest

from tests.support.machine_scripts import FakeMachine

LOCKED = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 812 (apt-get)"
LISTS = f"""
case $* in
  *update)
    echo >>tries
    [ "$(wc -l <tries)" -ge 3 ] || {{ echo "{LOCKED}"; echo 'E: Unable to lock directory'; exit 100; }}
    touch lists ;;
  *) [ -e lists ] || {{ echo 'E: Unable to locate package unzip'; exit 100; }} ;;
esac
"""
SERVED = {"dpkg-query": "exit 1", "curl": "exit 22"}


def test_package_lists_that_another_program_holds_are_waited_for(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path, SERVED | {"apt-get": LISTS})
    done = machine.run_text("install_packages unzip")
    assert (done.status, done.progress) == (0, ["installing unzip", f"waiting for the package lists: {LOCKED}"])
    assert len(machine.file("tries").read_text().splitlines()) == 3


def test_package_lists_that_cannot_be_had_are_not_waited_for(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path, SERVED | {"apt-get": "case $* in *update) echo 'E: no network'; exit 100 ;; esac"})
    done = machine.run_text("install_packages unzip")
    assert (done.status, done.progress) == (0, ["installing unzip", "the package lists could not be refreshed"])
    assert sum("update" in call for call in done.calls) == 1


@pytest.mark.parametrize(("url", "kept"), [("https://m.lan/k3s", True), ("http://m.lan/k3s", False)])
def test_what_is_fetched_over_https_is_not_redirected_to_http(tmp_path: Path, url: str, kept: bool) -> None:
    machine = FakeMachine(tmp_path, SERVED | {"curl": ""})
    done = machine.run_text(f"fetch {url} file")
    assert done.status == 0
    (call,) = done.calls
    assert ("--proto-redir =https" in call) is kept


@pytest.mark.parametrize(("taken", "pause"), [(1, 20), (30, 120), (900, 200)])
def test_what_takes_long_to_ask_is_asked_less_often(tmp_path: Path, taken: int, pause: int) -> None:
    asks = f"asks() {{ clock=$((clock + {taken})); [ $((tries += 1)) = 2 ]; }}; read_uptime() {{ now=$clock; }}"
    done = FakeMachine(tmp_path, {"sleep": ""}).run_text(f"clock=0 tries=0; {asks}; wait_for 10 asks")
    assert (done.status, done.calls) == (0, [f"sleep {pause}e-2"])


def test_a_wait_ends_in_time_although_the_clock_is_set_back(tmp_path: Path) -> None:
    """Bash counts SECONDS and EPOCHREALTIME by the clock of the day."""
    asks = "asks() { SECONDS=0; EPOCHREALTIME=0; false; }"
    done = FakeMachine(tmp_path, {}).run_text(f"{asks}; wait_for 1 asks || die 'not within 1 s'")
    assert (done.status, done.errors) == (1, "not within 1 s\n")


@pytest.mark.parametrize("tool", ["cat", "chmod", "sync", "mv"])
@pytest.mark.parametrize("call", ["set_it", "set_it || true", "if set_it; then :; fi"])
def test_what_cannot_be_written_leaves_the_file_and_ends_the_script(tmp_path: Path, tool: str, call: str) -> None:
    """Also where Bash goes on after what fails, as it does within a condition."""
    machine = FakeMachine(tmp_path, {tool: "echo 'No space left on device' >&2; exit 1", "df": "echo 0"})
    machine.file("cmdline.txt").write_text("root=1\n")
    done = machine.run_text(f"set_it() {{ write_atomically $PWD/cmdline.txt 644 <<<'root=2'; }}; {call}; echo went on")
    assert (done.status, done.output) == (1, "")
    assert "cmdline.txt could not be written and is unchanged." in done.errors
    assert [file.name for file in tmp_path.glob("cmdline*")] == ["cmdline.txt"]
    assert machine.file("cmdline.txt").read_text() == "root=1\n"


def test_what_is_as_it_should_be_is_not_written(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path, {})
    once = "write_atomically $PWD/file 600 <<<text; echo $changed"
    text = f"{once}; {once}"
    assert machine.run_text(text).output == "yes\nno\n"
    assert machine.run_text("write_atomically $PWD/file 644 <<<text; echo $changed").output == "yes\n", "another mode"
