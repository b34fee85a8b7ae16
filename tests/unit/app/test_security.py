"""What an app's pods may do, and the Pod Security level that follows."""

import gc
import json
from typing import Any

import pulumi
import pytest

from components.app import rights, security
from stacks.settings import AppStack
from tests.support.app_stacks import APPS, OUTPUTS, created, objects, pod_spec, run_fixture
from tests.support.envelopes import is_sealed, unsealed
from tests.support.recorder import canary

SMALL: dict[str, Any] = {
    "user": 1000, "group": None, "supplementalGroups": [], "capabilities": [], "volumes": {},
}  # fmt: skip


def level(**changes: Any) -> str:
    """The level of an app, as the API and the outputs have it."""
    found = run_fixture("home", **{**SMALL, **changes})
    given = objects(found)["Namespace/home"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
    assert found.stack_outputs["podSecurity"] == given, "the preview shows it"
    return str(given)


def share(**kind: Any) -> Any:
    return {"volumes": {"data": {"path": "/data", **kind}}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "restricted"),
        ({"group": 0, "supplementalGroups": [44], "writableRoot": True}, "restricted"),
        (share(claim="old"), "restricted"),
        (share(size="1Gi"), "restricted"),
        (share(size="16Mi", memory=True), "restricted"),
        ({"user": 0}, "baseline"),
        ({"user": 0, "capabilities": ["NET_BIND_SERVICE"]}, "baseline"),
        ({"capabilities": ["NET_BIND_SERVICE"]}, "baseline"),
        ({"capabilities": ["CHOWN"]}, "baseline"),
        (share(nfs={"server": "nas", "path": "/data"}), "baseline"),
        ({"capabilities": ["NET_ADMIN"]}, "privileged"),
        ({"capabilities": ["ALL"]}, "privileged"),
        ({"privileged": True}, "privileged"),
        (share(hostPath={"node": "d", "path": "/data"}), "privileged"),
    ],
)
def test_the_level_follows_and_is_no_higher(changes: dict[str, Any], expected: str) -> None:
    assert level(**changes) == expected


def test_rights_of_the_pod() -> None:
    assert pod_spec(run_fixture("home"), "home")["securityContext"] == {
        "runAsNonRoot": False, "runAsUser": 0, "runAsGroup": 100, "fsGroup": 100,
        "fsGroupChangePolicy": "OnRootMismatch", "supplementalGroups": [44],
        "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "context"),
    [
        (
            {},
            {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": False,
                "capabilities": {"drop": ["ALL"], "add": ["CHOWN", "SETUID", "SETGID"]},
            },
        ),
        (
            {"user": 1000, "capabilities": ["NET_RAW"], "writableRoot": False},
            {
                "allowPrivilegeEscalation": True,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"], "add": ["NET_RAW"]},
            },
        ),
        ({"privileged": True, "capabilities": []}, {"privileged": True, "readOnlyRootFilesystem": False}),
        (
            {"capabilities": ["ALL"]},  # containerd takes away what `drop: [ALL]` names after it gave what `add` names
            {"allowPrivilegeEscalation": True, "readOnlyRootFilesystem": False, "capabilities": {"add": ["ALL"]}},
        ),
    ],
)
def test_rights_of_the_container(changes: dict[str, Any], context: Any) -> None:
    assert pod_spec(run_fixture("home", **changes), "home")["containers"][0]["securityContext"] == context


def test_files_that_are_secrets() -> None:
    found = run_fixture("home")
    (secret,) = (each for each in created(found) if each.name == "home-secrets")
    ((key, value),) = secret.inputs["stringData"].items()
    assert is_sealed(value)
    assert unsealed(value) == canary("apiKey")
    (volume,) = (each for each in pod_spec(found, "home")["volumes"] if each["name"] == "secret-files")
    assert volume["secret"]["items"] == [{"key": key, "path": key}]
    assert volume["secret"]["defaultMode"] == 0o440
    (mount,) = (
        each for each in pod_spec(found, "home")["containers"][0]["volumeMounts"] if each["name"] == "secret-files"
    )
    assert (mount["mountPath"], mount["subPath"], mount["readOnly"]) == ("/etc/home/key.pem", key, True)


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("registry.example.com:5000/a/b:1", "registry.example.com:5000"),
        ("me/app:1", "https://index.docker.io/v1/"),
        ("app:1", "https://index.docker.io/v1/"),
    ],
)
def test_images_of_private_registries(image: str, registry: str) -> None:
    found = run_fixture("home", image=image)
    (secret,) = (each for each in created(found) if each.name == "home-pull")
    assert secret.plain["type"] == "kubernetes.io/dockerconfigjson"
    assert is_sealed(secret.inputs["stringData"][".dockerconfigjson"])
    who = {"username": "me", "password": canary("registryPassword")}
    assert json.loads(secret.plain["stringData"][".dockerconfigjson"]) == {"auths": {registry: who}}
    assert pod_spec(found, "home")["imagePullSecrets"] == [{"name": "home-pull-1a2b3c4d"}]


@pytest.mark.filterwarnings("ignore:coroutine 'Output", "ignore:coroutine 'Resource")
def test_a_platform_that_gives_no_such_level_is_told_which_and_where() -> None:
    with pytest.raises(pulumi.RunError) as caught:
        run_fixture("home", **SMALL | {"user": 0}, outputs=OUTPUTS | {"podSecurityLevels": ["restricted"]})
    assert str(caught.value).splitlines()[1:] == [
        "  homelab:app.user: needs the Pod Security level baseline, which the platform does not allow for apps; set "
        "`apps: {podSecurity: baseline}` under homelab:cluster in stack lab and run `pulumi up` on that stack"
    ]
    gc.collect()


@pytest.mark.parametrize("most", security.LEVELS)
def test_the_cluster_refuses_app_stacks_higher_levels(most: str) -> None:
    (policy,) = (each for each in rights.for_app_stacks("u", most) if each["kind"] == "ValidatingAdmissionPolicy")
    levels = [each for each in policy["spec"]["validations"] if "pod-security" in each["message"]]
    assert levels
    for each in levels:
        assert f".orValue('') in {security.allowed_levels(most)}" in each["expression"]
        assert f"enforce must be {' or '.join(security.allowed_levels(most))}, and" in each["message"]


def test_only_who_says_so_has_more_than_restricted() -> None:
    levels = {file.stem: security.level(AppStack.read(file).app) for file in APPS}
    more = {name for name, found in levels.items() if found != "restricted"}
    assert more == {"blog", "home", "hub", "render", "tools"}
