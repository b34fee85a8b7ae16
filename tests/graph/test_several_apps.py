"""The program of a stack with several apps: one provider, no name twice, and outputs of each app."""

import gc
from collections import Counter
from typing import Any

import pulumi
import pytest

from stacks import app as shop
from stacks import program
from tests.support.app_stacks import (
    OUTPUTS,
    SEVERAL_APPS,
    created,
    find_canaries,
    objects,
    outputs_without,
    run_apps,
    run_fixture,
    run_on_platform,
)
from tests.support.envelopes import is_sealed
from tests.support.recorder import KUBERNETES, Recording, canary, config_of

APPS = ("sonarr", "radarr", "sabnzbd")


@pytest.fixture(scope="module", params=[False, True], ids=["up", "preview"])
def media(request: pytest.FixtureRequest) -> Recording:
    return run_apps(preview=request.param)


def test_each_app_is_a_component_with_its_own_namespace(media: Recording) -> None:
    assert [each.name for each in media.registered if each.type == "homelab:components:App"] == list(APPS)
    for each in created(media):
        parent = media.resources_by_urn[each.parent].name
        namespace = each.plain["metadata"].get("namespace", each.plain["metadata"].get("name"))
        assert namespace == parent, each.urn


def test_all_apps_have_one_provider(media: Recording) -> None:
    (provider,) = (each for each in media.registered if each.type == KUBERNETES)
    assert is_sealed(provider.inputs["kubeconfig"])
    assert provider.plain["upsertExistingObjects"] == "true"
    assert provider.plain["clusterIdentifier"] == "platform"
    assert {each.provider for each in created(media)} == {f"{provider.urn}::{provider.name}"}


def test_no_two_objects_have_one_name(media: Recording) -> None:
    """In Pulumi, where the recording refuses a URN that is there already, and in Kubernetes."""
    metadata = [(each.plain["kind"], each.plain["metadata"]) for each in created(media)]
    names = Counter((kind, each.get("namespace"), each["name"]) for kind, each in metadata if "name" in each)
    assert max(names.values()) == 1
    assert {"NetworkPolicy/sonarr/default-deny", "NetworkPolicy/radarr/default-deny"} <= objects(media).keys()


def test_names_that_two_apps_could_have_stay_apart() -> None:
    """The NetworkPolicy of the app media-job, and the one of the jobs of media."""
    job: dict[str, Any] = {"cron": {"clean": {"schedule": "0 3 * * *", "command": ["/bin/clean"]}}}
    apps: dict[str, Any] = {"media": {"image": "shop:1", **job}, "media-job": {"image": "shop:1"}}
    found = objects(run_apps(**apps))
    assert {"NetworkPolicy/media/media-job", "NetworkPolicy/media-job/media-job"} <= found.keys()


def test_names_that_kubernetes_gets_from_pulumi_are_valid(media: Recording) -> None:
    named = [each.name for each in created(media) if "name" not in each.plain["metadata"]]
    assert sorted(named) == ["radarr-secrets", "sonarr-secrets"]


def test_names_of_a_single_app_are_as_before() -> None:
    names = {each.name for each in created(run_fixture("shop-dev"))}
    assert names == {"shop-dev", "shop-dev-job", "homelab:app", "default-deny"}
    (provider,) = (each for each in run_fixture("shop-dev").registered if each.type == KUBERNETES)
    assert provider.urn.endswith("::homelab:components:App$pulumi:providers:kubernetes::platform")


def test_outputs_are_those_of_each_app(media: Recording) -> None:
    def outputs(name: str, *urls: str) -> dict[str, Any]:
        return {"namespace": name, "podSecurity": "restricted", "urls": list(urls)}

    assert media.stack_outputs == {
        "apps": {
            "sonarr": outputs("sonarr", "https://sonarr.lab.example.com"),
            "radarr": outputs("radarr", "https://media.lab.example.com"),
            "sabnzbd": outputs("sabnzbd", "https://media.lab.example.com"),
        }
    }


def test_only_data_is_protected(media: Recording) -> None:
    protected = {(each.plain["kind"], each.name) for each in created(media) if each.protected}
    assert protected == {("Namespace", "sonarr/sonarr")}


def test_secrets_are_nowhere_in_clear(media: Recording) -> None:
    canaries = {canary("kubeconfig"), canary("apiKey")}
    assert find_canaries(media, canaries) == (canaries, [])


@pytest.mark.filterwarnings("ignore:coroutine 'Output", "ignore:coroutine 'Resource")
def test_what_the_platform_lacks_is_named_for_every_app() -> None:
    with pytest.raises(pulumi.RunError) as caught:
        run_apps(outputs_without("ingressClass", "databaseOperator"), sabnzbd={"nodes": {"disk": "tape"}})
    heading, *found = (line.partition("; ")[0] for line in str(caught.value).splitlines())
    assert heading == "the platform of stack lab does not meet the needs of this app stack"
    misfit = "lacks the label disk=tape"
    assert found == [
        "  homelab:apps.sonarr.hosts: needs homelab:platform.traefik, which does not provide ingressClass",
        "  homelab:apps.radarr.hosts: needs homelab:platform.traefik, which does not provide ingressClass",
        "  homelab:apps.radarr.postgres: needs homelab:platform.cloudnativePg, which does not provide databaseOperator",
        "  homelab:apps.sabnzbd.hosts: needs homelab:platform.traefik, which does not provide ingressClass",
        f"  homelab:apps.sabnzbd.nodes: fits no node of the platform: a {misfit}, b {misfit}, d {misfit}",
    ]
    gc.collect()


@pytest.mark.filterwarnings("ignore:coroutine 'Output", "ignore:coroutine 'Resource")
@pytest.mark.parametrize("preview", [False, True])
def test_the_stack_of_a_single_app_does_not_become_one_of_several(preview: bool) -> None:
    """Its objects would be adopted under new names, and deleted because of the old ones."""
    with pytest.raises(pulumi.RunError) as caught:
        run_apps(preview=preview, previous={"namespace": "sonarr", "urls": []})
    assert str(caught.value) == (
        "homelab:apps: this stack deployed the app sonarr with homelab:app, and cannot move it; no changes were made: "
        "use a new stack, or configure the app with homelab:app again"
    )
    run_apps(preview=preview, previous={"apps": {"sonarr": {"namespace": "sonarr"}}})
    gc.collect()


@pytest.mark.filterwarnings("ignore:coroutine 'Output", "ignore:coroutine 'Resource")
def test_the_outputs_of_the_platform_may_be_a_secret() -> None:
    config = config_of(SEVERAL_APPS)
    config["apps"] = config["apps"] | {"platformOutputs": {"secret": "outputs"}}
    reason = r"the secret is not the output of `\./homelab platform`"
    with pytest.raises(pulumi.RunError, match=rf"^homelab:apps\.platformOutputs: {reason}; set the secret again$"):
        run_on_platform(shop.deploy, config | {"outputs": "nonsense"}, "media", {}, secret=["outputs"])
    gc.collect()


@pytest.mark.filterwarnings("ignore:coroutine 'Output", "ignore:coroutine 'Resource")
def test_an_error_in_a_secret_names_its_app() -> None:
    reason = "line 1 of the secret is not a user with a hash that Traefik supports"
    fix = "set the secret to the output of `htpasswd -nB USER`"
    with pytest.raises(pulumi.RunError) as caught:
        run_apps(sabnzbd={"ingress": {"basicAuth": {"htpasswd": {"secret": "apiKey"}}}})
    assert str(caught.value) == f"homelab:apps.sabnzbd.ingress.basicAuth.htpasswd: {reason}; {fix}"
    del caught  # its traceback refers to coroutines that never run
    gc.collect()


def test_a_warning_names_its_app(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, *_: said.append(text))
    run_apps(sonarr={"environment": {"DB_PASSWORD": "hunter2"}})
    assert said == [
        "homelab:apps.sonarr.environment.DB_PASSWORD looks like a secret in clear text: "
        "move the variable to apps.sonarr.secrets"
    ]


def test_the_whole_program_knows_the_key() -> None:
    found = run_on_platform(program.deploy, config_of(SEVERAL_APPS), "media", OUTPUTS)
    assert found.stack_outputs["apps"].keys() == set(APPS)
