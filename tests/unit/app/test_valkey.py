"""Valkey of an app: its objects, its clients, the app's environment variables, and the protection of Valkey's data."""

from typing import Any

import pulumi
import pytest

from stacks.catalog import VALKEY_IMAGE
from tests.support.app_stacks import OUTPUTS, created, objects, outputs_without, pod_spec, run_apps, run_fixture
from tests.support.envelopes import texts
from tests.support.recorder import SECRET, Recording
from tests.unit.app.test_network import allowed

CLEAR = "redis://:$(VALKEY_PASSWORD)@$(VALKEY_HOST):$(VALKEY_PORT)"


@pytest.fixture(scope="module")
def cache() -> Recording:
    return run_fixture("cache")


@pytest.fixture(scope="module")
def volatile() -> Recording:
    return run_fixture("shop-dev", valkey={})


def server(recording: Recording, name: str) -> Any:
    return objects(recording)[f"StatefulSet/{name}-valkey"]["spec"]


def container(recording: Recording, name: str) -> Any:
    (found,) = server(recording, name)["template"]["spec"]["containers"]
    return found


def test_options_follow_the_settings(cache: Recording, volatile: Recording) -> None:
    assert container(volatile, "shop-dev")["args"] == [
        "--maxmemory", "64mb", "--maxmemory-policy", "noeviction", "--save", "",
    ]  # fmt: skip
    assert container(cache, "cache")["args"] == [
        "--maxmemory", "128mb", "--maxmemory-policy", "volatile-lru", "--save", "", "--appendonly", "yes",
        "--dir", "/data",
    ]  # fmt: skip
    assert container(volatile, "shop-dev")["image"] == VALKEY_IMAGE
    own = run_fixture("shop-dev", valkey={"image": "registry.lan/valkey:9.0.0"})
    assert container(own, "shop-dev")["image"] == "registry.lan/valkey:9.0.0"


def test_valkeys_pod_meets_the_restricted_level(cache: Recording) -> None:
    pod = server(cache, "cache")["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert container(cache, "cache")["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip


def test_valkeys_password_is_only_in_a_secret(cache: Recording) -> None:
    (made,) = (each for each in cache.registered if each.type == SECRET and "valkey" in each.name)
    assert made.secret_outputs == {"value"}
    content = objects(cache)["Secret/cache-valkey"]["stringData"]
    password = content["password"]
    assert content["valkey.conf"] == f"requirepass {password}\n"
    (secret,) = (each for each in created(cache) if each.name == "cache-valkey" and each.plain["kind"] == "Secret")
    assert secret.secret_outputs == {"data", "stringData"}
    for each in cache.registered:
        assert not [text for text, hidden in texts(each.inputs) if password in text and not hidden], each.urn
        assert each is secret or password not in str(each.plain), each.urn


def test_valkeys_variables_precede_the_apps_own_variables(cache: Recording) -> None:
    variables = pod_spec(cache, "cache")["containers"][0]["env"]
    found = {each["name"]: each.get("value") for each in variables}
    assert (found["VALKEY_HOST"], found["VALKEY_PORT"], found["REDIS_URL"]) == ("cache-valkey", "6379", CLEAR)
    reference = {"name": "cache-valkey-1a2b3c4d", "key": "password"}
    assert {"name": "VALKEY_PASSWORD", "valueFrom": {"secretKeyRef": reference}} in variables
    names = list(found)
    assert names.index("VALKEY_PASSWORD") < names.index("REDIS_URL") < names.index("CACHE_URL")
    (queue,) = objects(cache)["Deployment/cache-queue"]["spec"]["template"]["spec"]["containers"]
    assert "REDIS_URL" in [each["name"] for each in queue["env"]]


def test_only_the_apps_own_pods_may_connect_to_valkey(cache: Recording) -> None:
    found = objects(cache)
    policy = found["NetworkPolicy/cache-valkey"]
    assert policy["spec"]["podSelector"] == {"matchLabels": server(cache, "cache")["selector"]["matchLabels"]}
    assert allowed(policy) == ["from cache 6379", "from cache-job 6379", "from cache-worker 6379"]
    for name in ("cache", "cache-job", "cache-worker"):
        assert "to cache-valkey 6379" in allowed(found[f"NetworkPolicy/{name}"])
    assert found["Service/cache-valkey"]["spec"]["selector"] == server(cache, "cache")["selector"]["matchLabels"]
    assert found["Service/cache"]["spec"]["selector"] != found["Service/cache-valkey"]["spec"]["selector"]


def test_the_app_starts_after_valkey(cache: Recording) -> None:
    (app,) = (each for each in created(cache) if (each.plain["kind"], each.name) == ("Deployment", "cache"))
    assert "cache-valkey" in [each.name for each in cache.dependencies(app) if each.type.endswith(":StatefulSet")]


def test_data_on_a_volume_is_protected_until_it_is_discarded(cache: Recording, volatile: Recording) -> None:
    def protected(recording: Recording) -> set[str]:
        return {f"{each.plain['kind']}/{each.name}" for each in created(recording) if each.protected}

    assert protected(run_fixture("shop-dev", valkey={"size": "1Gi"})) == {
        "Namespace/shop-dev", "PersistentVolumeClaim/shop-dev-valkey",
    }  # fmt: skip
    assert protected(run_fixture("shop-dev", valkey={"size": "1Gi"}, discard=True)) == set()
    assert protected(volatile) == set()
    claim = objects(cache)["PersistentVolumeClaim/cache-valkey"]["spec"]
    assert claim["storageClassName"] == "longhorn"
    assert claim["resources"] == {"requests": {"storage": "1Gi"}}
    assert claim["accessModes"] == ["ReadWriteOnce"]


@pytest.mark.filterwarnings("ignore:coroutine 'Output", "ignore:coroutine 'Resource")
@pytest.mark.parametrize(
    ("valkey", "outputs", "line"),
    [
        ({"size": "1Gi"}, outputs_without("storageClass"), r"valkey\.size: needs homelab:platform\.longhorn, which"),
        ({"size": "1Gi", "storageClass": "fast"}, OUTPUTS, r"valkey\.storageClass: names fast, which is not among"),
    ],
)
def test_a_volume_needs_a_storage_class(valkey: Any, outputs: Any, line: str) -> None:
    with pytest.raises(pulumi.RunError, match=line):
        run_fixture("shop-dev", valkey=valkey, outputs=outputs)


def test_each_app_of_a_stack_has_its_own_valkey_server() -> None:
    found = run_apps(sonarr={"valkey": {}}, radarr={"valkey": {}})
    servers = [each.plain["metadata"] for each in created(found) if each.plain["kind"] == "StatefulSet"]
    names = {(each["namespace"], each["name"]) for each in servers if each["name"].endswith("-valkey")}
    assert names == {("sonarr", "sonarr-valkey"), ("radarr", "radarr-valkey")}
    passwords = {each.name for each in found.registered if each.type == SECRET}
    assert passwords == {"sonarr-valkey-password", "radarr-valkey-password"}
