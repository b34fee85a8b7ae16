"""Once ArgoCD is gone, nobody takes its Applications apart: they are let go, or their namespace would never end."""

from pathlib import Path

import pytest

from tests.support.machine_scripts import FakeMachine

CHILD = "application.argoproj.io/child"
TOOLS = {
    "curl": "true",
    "k3s": f"""case "$*" in
        *" get "*) echo {CHILD} ;;
        *" patch "*) cat said >&2; [ ! -e said ] ;;
    esac""",
}


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    return FakeMachine(tmp_path, TOOLS)


def test_applications_are_let_go(machine: FakeMachine) -> None:
    done = machine.run("argocd/orphan-applications", NAMESPACE="argocd")
    assert done.status == 0, done.errors
    (patched,) = (call for call in done.calls if " patch " in call)
    assert f"patch {CHILD} -n argocd" in patched
    assert '"finalizers": null' in patched


@pytest.mark.parametrize(("said", "status"), [("Error (NotFound): not found", 0), ("Error (Forbidden): no", 1)])
def test_one_that_went_meanwhile_is_no_error(machine: FakeMachine, said: str, status: int) -> None:
    machine.file("said").write_text(said)
    assert machine.run("argocd/orphan-applications", NAMESPACE="argocd").status == status
