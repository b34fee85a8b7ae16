"""What scripts share: packages that are installed, files that are fetched."""

from pathlib import Path

import pytest

from tests.machine_scripts import Fake

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


def uses(machine: Fake, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a script of its own, beside the library."""
    scripts = machine.file("scripts/lib.sh").parent
    for name in ("lib", "own"):
        found = Path(__file__).parent.parent / "components/scripts/lib.sh"
        (scripts / f"{name}.sh").write_text(found.read_text() if name == "lib" else text)
    monkeypatch.setattr("tests.machine_scripts.SCRIPTS", scripts)


def test_package_lists_that_another_program_holds_are_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Fake(tmp_path, SERVED | {"apt-get": LISTS})
    uses(machine, "install_packages unzip", monkeypatch)
    done = machine.run("own")
    assert (done.status, done.progress) == (0, ["installing unzip", f"waiting for the package lists: {LOCKED}"])
    assert len(machine.file("tries").read_text().splitlines()) == 3


def test_package_lists_that_cannot_be_had_are_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Fake(tmp_path, SERVED | {"apt-get": "case $* in *update) echo 'E: no network'; exit 100 ;; esac"})
    uses(machine, "install_packages unzip", monkeypatch)
    done = machine.run("own")
    assert (done.status, done.progress) == (0, ["installing unzip", "the package lists could not be refreshed"])
    assert sum("update" in call for call in done.calls) == 1


@pytest.mark.parametrize(("url", "kept"), [("https://m.lan/k3s", True), ("http://m.lan/k3s", False)])
def test_what_is_fetched_over_https_is_not_redirected_to_http(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, kept: bool
) -> None:
    machine = Fake(tmp_path, SERVED | {"curl": ""})
    uses(machine, f"fetch {url} file", monkeypatch)
    done = machine.run("own")
    assert done.status == 0
    (call,) = done.calls
    assert ("--proto-redir =https" in call) is kept
