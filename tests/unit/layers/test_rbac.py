"""RBAC: whose rights they are, what is wrong with groups, and how a script gives and takes them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.kubectl_scripts import run
from tests.support.layer_fixtures import lab, layer, problems
from tests.support.recorder import config_of, record
from tests.support.settings_fixtures import ROOT

FILE = ROOT / "tests/settings/valid/people.yaml"
GIVEN: dict[str, Any] = {
    "people": {"anna": ["dev"], "ben": ["dev", "ops"]},
    "groups": {"dev": {"cluster": "view", "namespaces": {"shop": "edit"}}, "ops": {"namespaces": {"shop": "edit"}}},
}
RIGHTS = """\
* homelab-view-anna view anna
* homelab-view-ben view ben
shop homelab-edit-anna edit anna
shop homelab-edit-ben edit ben"""


def test_rights_are_peoples_own_and_each_is_given_once() -> None:
    (service,) = layer("rbac", lab(rbac=GIVEN)).host_services()
    assert service.variables == {"RIGHTS": RIGHTS}
    assert not problems("rbac", lab(rbac=GIVEN))
    assert not layer("rbac", lab(rbac={})).host_services()[0].variables["RIGHTS"]


def test_they_are_given_from_a_server_that_serves_and_looked_at() -> None:
    run = record(config_of(FILE))
    task = run.resource("rbac-rights").plain
    assert task["probe"] == "rbac/check.sh"
    assert [(step["script"], step["on"]) for step in (*task["run"], *task["undo"])] == [
        ("rbac/apply.sh", "server"),
        ("rbac/delete.sh", "server"),
    ]
    assert "solo-roll" in {run.resources_by_urn[urn].name for urn in run.resource("rbac-rights").depends_on}


def test_layer_has_no_namespace_and_makes_none() -> None:
    names = {each.name for each in record(config_of(FILE)).registered}
    assert "rbac-rights" in names
    assert "rbac-namespace" not in names


@pytest.mark.parametrize(
    ("people", "groups", "report"),
    [
        ({"anna": []}, {}, "people.anna: is in no group; add a group, or remove the person"),
        ({"anna": ["dve"]}, {}, "people.anna.0: is not a group; define it under groups"),
        ({"anna": ["dve", "dev"]}, {"dev": {"cluster": "view"}}, "people.anna.0: is not a group; use one of: dev"),
        (
            {},
            {"dev": {"cluster": "view"}},
            "groups.dev: has no members; add the group to a person under people, or remove the group",
        ),
        ({"anna": ["dev"]}, {"dev": {}}, "groups.dev: has no role; set cluster or namespaces"),
        (
            {"anna": ["dev"]},
            {"dev": {"cluster": "edit", "namespaces": {"shop": "edit", "web": "admin"}}},
            "groups.dev.namespaces.shop: grants nothing beyond cluster: edit; remove it",
        ),
    ],
)
def test_what_is_wrong_is_reported(people: Any, groups: Any, report: str) -> None:
    assert problems("rbac", lab(rbac={"people": people, "groups": groups})) == [report]


# by hand: ben's is gone, eve was put beside anna, carl was taken out of the file; blog is not there
BOUND = """\
* "homelab-view-anna" "view" "anna"
shop "homelab-edit-anna" "edit" "anna","eve"
shop "homelab-edit-carl" "edit" "carl"
"""
WANTED = f"{RIGHTS}\nblog homelab-edit-ben edit ben"
ANSWER = f"""
case "$2 $3 $4" in
  "get clusterrolebindings,rolebindings -A") printf %s '{BOUND}' ;;
  "get namespace blog") return 1 ;;
  apply*) cat >>applied ;;
esac
"""


def test_script_gives_what_is_missing_and_takes_what_is_too_much(calls_file: Path) -> None:
    done = run("rbac/apply", calls_file, ANSWER, RIGHTS=WANTED)
    assert done.status == 0, done.errors
    deleted = [call.partition(" delete ")[2] for call in done.calls if " delete " in call]
    assert deleted == [
        "rolebinding/homelab-edit-carl -n shop --ignore-not-found",
        "rolebinding/homelab-edit-anna -n shop --ignore-not-found",
    ]
    assert done.calls.index(next(call for call in done.calls if "apply" in call)) > 2, "it gives after it took"
    decoder, text, made = json.JSONDecoder(), (calls_file.parent / "applied").read_text(), []
    while text.strip():
        each, end = decoder.raw_decode(text.lstrip())
        made.append(each)
        text = text.lstrip()[end:]
    assert {(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in made} == {
        ("ClusterRoleBinding", None, "homelab-view-ben"),
        ("RoleBinding", "shop", "homelab-edit-anna"),
        ("RoleBinding", "shop", "homelab-edit-ben"),
    }
    for each in made:
        assert each["metadata"]["labels"] == {"homelab/rights": "true"}
        assert f"homelab-{each['roleRef']['name']}-{each['subjects'][0]['name']}" == each["metadata"]["name"]
        assert (each["roleRef"]["kind"], each["subjects"][0]["kind"]) == ("ClusterRole", "User")
    assert done.progress[-1].startswith("the namespace blog does not exist yet")


def test_script_with_nothing_to_do_does_nothing(calls_file: Path) -> None:
    answer = f"printf '%s\\n' '{RIGHTS}'"
    done = run("rbac/apply", calls_file, answer, RIGHTS=RIGHTS)
    assert (done.status, done.errors, len(done.calls)) == (0, "", 1)
    done = run("rbac/apply", calls_file, ":", RIGHTS="")
    assert (done.status, len(done.calls)) == (0, 2), done.errors


HOSTILE = r"""
* "homelab-view-anna" "view" "anna\n* system:masters cluster-admin root"
* "homelab-x\n* cluster-admin cluster-admin root" "view" "eve"
* "monitoring" "view" "eve"
"""


def test_text_of_others_removes_no_binding_but_our_own(calls_file: Path) -> None:
    """Names of people and of bindings may hold line breaks; each would be a line that the script reads."""
    answer = ANSWER.replace(BOUND, HOSTILE)
    done = run("rbac/apply", calls_file, answer, RIGHTS="* homelab-view-anna view anna")
    assert done.status == 0, done.errors
    deleted = [call.partition(" delete ")[2] for call in done.calls if " delete " in call]
    assert deleted == ["clusterrolebinding/homelab-view-anna --ignore-not-found"], "which is made again at once"
    assert any(" apply " in call for call in done.calls)


def test_look_names_what_differs(calls_file: Path) -> None:
    done = run("rbac/check", calls_file, ANSWER, RIGHTS=WANTED)
    assert done.status == 0, done.errors
    assert done.output.splitlines() == [
        "carl has the role edit in shop by the binding homelab-edit-carl",
        "anna,eve has the role edit in shop by the binding homelab-edit-anna",
        "ben does not have the role edit in shop",
        "anna does not have the role edit in shop",
        "ben does not have the role view in *",
    ]
    assert not run("rbac/check", calls_file, f"printf '%s\\n' '{RIGHTS}'", RIGHTS=RIGHTS).output


def test_all_is_taken_back_when_the_layer_goes(calls_file: Path) -> None:
    done = run("rbac/delete", calls_file, ":")
    assert done.calls[-1].endswith("delete clusterrolebindings,rolebindings -A -l homelab/rights")
