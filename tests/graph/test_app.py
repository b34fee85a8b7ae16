"""The program of an app's stack: what it makes, in which order, what is secret, protected and allowed."""

import gc
import re
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.app import inventory
from stacks import app as shop
from stacks.settings import AppStack
from tests.contracts import upstream
from tests.contracts.schemas import Validator
from tests.support.app_samples import whole
from tests.support.app_stacks import (
    APPS,
    OUTPUTS,
    SAMPLE_APP,
    created,
    find_canaries,
    kinds,
    kubeconfig,
    objects,
    outputs_without,
    run_app,
    run_fixture,
    run_separately,
)
from tests.support.envelopes import is_sealed, sealed, unsealed
from tests.support.recorder import KUBERNETES, Recording, canary, config_of, record
from tests.support.settings_fixtures import ROOT

DEV = ROOT / "tests/settings/apps/shop-dev.yaml"


@pytest.fixture(scope="module", params=[(file, preview) for file in APPS for preview in (False, True)],
                ids=lambda given: f"{given[0].stem}{'-preview' if given[1] else ''}")  # fmt: skip
def case(request: pytest.FixtureRequest) -> tuple[Path, Recording]:
    file, preview = request.param
    return file, run_app(file, preview=preview)


@pytest.fixture(scope="module")
def prod() -> Recording:
    return run_fixture("shop-prod")


def waits_for(recording: Recording, name: str, kind: str) -> set[str]:
    """Kinds of what must be there before an object is made."""
    (found,) = (each for each in created(recording) if each.name == name and each.plain["kind"] == kind)
    seen, queue = set(), list(found.depends_on)
    while queue:
        resource = recording.resources_by_urn.get(queue.pop())
        if resource and resource.urn not in seen:
            seen.add(resource.urn)
            queue += resource.depends_on
    return {each.plain["kind"] for each in created(recording) if each.urn in seen}


def test_kinds_of_the_sample() -> None:
    assert sorted(objects(run_app(SAMPLE_APP))) == [
        "Cluster/shop-db", "ConfigMap/shop-files", "Deployment/shop", "Ingress/shop", "Namespace/shop",
        "NetworkPolicy/default-deny", "NetworkPolicy/shop", "NetworkPolicy/shop-acme", "NetworkPolicy/shop-db",
        "NetworkPolicy/shop-job", "PodDisruptionBudget/shop", "RoleBinding/homelab:app", "Service/shop",
    ]  # fmt: skip
    assert len([line for line in SAMPLE_APP.read_text().splitlines() if line]) < 30


def test_the_same_program_serves_small_and_large_apps(prod: Recording) -> None:
    assert kinds(run_fixture("shop-dev")) == {"Namespace", "RoleBinding", "NetworkPolicy", "Deployment", "Service"}
    assert kinds(run_fixture("shop-staging")) == {
        "Namespace", "RoleBinding", "NetworkPolicy", "Rollout", "AnalysisTemplate", "Service", "PodDisruptionBudget",
        "Ingress", "Secret", "ObjectStore", "Cluster",
    }  # fmt: skip
    assert kinds(prod) == {
        "Namespace", "RoleBinding", "NetworkPolicy", "StatefulSet", "Service", "PodDisruptionBudget",
        "HorizontalPodAutoscaler", "Ingress", "ConfigMap", "Secret", "PersistentVolumeClaim", "ObjectStore", "Cluster",
        "Database", "ScheduledBackup", "Pooler", "ExternalSecret", "PodMonitor", "PrometheusRule",
    }  # fmt: skip
    assert kinds(run_fixture("web")) == {
        "Namespace", "RoleBinding", "NetworkPolicy", "Deployment", "Service", "PodDisruptionBudget", "Ingress",
        "Secret", "Middleware", "ServersTransport",
    }  # fmt: skip


def test_what_patches_may_name_is_what_is_made(case: tuple[Path, Recording]) -> None:
    app = AppStack.read(case[0]).app
    made = {key for key in objects(case[1]) if key != "RoleBinding/homelab:app"}
    assert {f"{kind}/{name}" for kind, name in inventory.object_ids(app)} == made


def test_outputs_of_the_stack(prod: Recording) -> None:
    assert prod.stack_outputs == {
        "namespace": "shop-prod",
        "podSecurity": "restricted",
        "urls": ["https://shop.lab.example.com", "https://shop.example.com"],
    }


def test_an_ingress_with_options_comes_after_its_middlewares() -> None:
    web = run_fixture("web")
    before = {"Namespace", "RoleBinding", "NetworkPolicy", "Secret"}
    assert waits_for(web, "web-auth", "Middleware") == before
    assert waits_for(web, "web", "Service") == {"Namespace", "RoleBinding", "NetworkPolicy", "ServersTransport"}
    for name in ("web", "web-default"):
        assert {"Deployment", "Service", "Middleware", *before} <= waits_for(web, name, "Ingress")


def test_order(prod: Recording) -> None:
    first = {"Namespace", "RoleBinding", "NetworkPolicy"}
    database = {"Secret", "ObjectStore", *first}
    assert waits_for(prod, "default-deny", "NetworkPolicy") == {"Namespace", "RoleBinding"}
    assert waits_for(prod, "shop-prod-db-2", "Cluster") == database
    for kind, name in (("ScheduledBackup", "shop-prod-db-2"), ("Pooler", "shop-prod-db-2-pooler")):
        assert waits_for(prod, name, kind) == {"Cluster", *database}
    assert waits_for(prod, "shop-prod-remote", "ExternalSecret") == {"Namespace", "RoleBinding"}
    pods = {
        "PersistentVolumeClaim",
        "ConfigMap",
        "ExternalSecret",
        "Cluster",
        "ScheduledBackup",
        "Pooler",
        "Database",
        *database,
    }
    assert waits_for(prod, "shop-prod", "StatefulSet") == pods
    assert waits_for(prod, "shop-prod", "Service") == first
    assert waits_for(prod, "shop-prod", "HorizontalPodAutoscaler") == {"StatefulSet", *pods}
    assert waits_for(prod, "shop-prod", "Ingress") == {"StatefulSet", "Service", *pods}


def test_every_object_is_made_by_the_provider_of_the_platform(case: tuple[Path, Recording]) -> None:
    (provider,) = (each for each in case[1].registered if each.type == KUBERNETES)
    assert is_sealed(provider.inputs["kubeconfig"])
    assert provider.plain["kubeconfig"] == unsealed(OUTPUTS["appKubeconfig"])
    assert provider.plain["clusterIdentifier"]
    assert provider.plain["upsertExistingObjects"] == "true"
    for resource in created(case[1]):
        assert resource.provider == f"{provider.urn}::{provider.name}"
    assert {each.urn for each in case[1].registered if not each.custom} <= case[1].outputs.keys()


def test_every_object_is_in_the_namespace_of_the_app(case: tuple[Path, Recording]) -> None:
    name = AppStack.read(case[0]).app.name
    for key, each in objects(case[1]).items():
        if key == f"Namespace/{name}":
            enforced = each["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
            levels = dict.fromkeys(("home", "hub", "render"), "privileged") | dict.fromkeys(
                ("blog", "tools"), "baseline"
            )
            assert enforced == levels.get(name, "restricted")
        else:
            assert each["metadata"]["namespace"] == name, key


def test_secrets_are_nowhere_in_clear(case: tuple[Path, Recording]) -> None:
    canaries = {canary("kubeconfig")}
    backup = AppStack.read(case[0]).app.backup
    canaries |= {canary(name) for name in ("storeId", "storeKey") if "ObjectStore" in kinds(case[1]) or backup}
    canaries |= {canary("backupPassword")} if backup else set()
    canaries |= {canary("apiKey") for _ in AppStack.read(case[0]).app.secrets}
    assert find_canaries(case[1], canaries) == (canaries, [])


def test_where_backups_go_is_no_secret(prod: Recording) -> None:
    (store,) = (each for each in created(prod) if each.plain["kind"] == "ObjectStore")
    configuration = store.inputs["spec"]["configuration"]
    assert configuration["destinationPath"] == "s3://backups/lab"
    assert configuration["endpointURL"] == "https://s3.lan:9000"


@pytest.mark.parametrize("file", APPS, ids=lambda file: file.stem)
def test_data_is_protected_until_it_may_be_discarded(file: Path) -> None:
    settings = AppStack.read(file).app
    kept = {"Namespace", "Cluster", "PersistentVolumeClaim"}
    for discard in (False, True) if settings.postgres or settings.volumes else ():
        found = {each.plain["kind"] for each in created(run_app(file, discard=discard)) if each.protected}
        assert found == (set() if discard else kept & kinds(run_app(file)))


def test_without_data_nothing_is_protected() -> None:
    assert not any(each.protected for each in created(run_fixture("shop-dev")))


def test_custom_resources_fit_their_crds(case: tuple[Path, Recording]) -> None:
    for each in created(case[1]):
        group = each.plain["apiVersion"].partition("/")[0]
        if group.endswith(("cnpg.io", "external-secrets.io", "argoproj.io", "coreos.com", "traefik.io")):
            upstream.need(each.plain)
            schema = upstream.object_schema(each.plain["apiVersion"], each.plain["kind"])
            spec = Validator(schema["properties"]["spec"], closed=True)
            assert list(spec.problems(whole(each.plain["spec"]))) == []


@pytest.mark.filterwarnings("ignore:coroutine 'Output", "ignore:coroutine 'Resource")
@pytest.mark.parametrize(
    ("lacking", "lines"),
    [
        (("ingressClass",), ["hosts: needs homelab:platform.traefik, which does not provide ingressClass"]),
        (
            ("databaseOperator",),
            ["postgres: needs homelab:platform.cloudnativePg, which does not provide databaseOperator"],
        ),
        (
            ("databaseBackup",),
            [
                "postgres.backup: needs homelab:platform.cloudnativePg, which does not provide databaseBackup",
                "postgres.restore: needs homelab:platform.cloudnativePg, which does not provide databaseBackup",
            ],
        ),
        (
            ("secretStores",),
            [
                f"remoteSecrets.{name}.store: needs homelab:platform.externalSecrets, "
                "which does not provide secretStores"
                for name in ("PAYMENTS_KEY", "SIGNING_KEY")
            ],
        ),
        (("tracesEndpoint",), ["traces: needs homelab:platform.tempo, which does not provide tracesEndpoint"]),
        (("storageClass",), ["volumes.data: needs homelab:platform.longhorn, which does not provide storageClass"]),
    ],
    ids=lambda value: value[0],
)
def test_what_the_platform_lacks_is_named_before_anything_is_made(lacking: tuple[str], lines: list[str]) -> None:
    with pytest.raises(pulumi.RunError) as caught:
        run_fixture("shop-prod", outputs=outputs_without(*lacking))
    heading, *found = str(caught.value).splitlines()
    lacks = "does not meet the needs of this app stack; no changes were made:"
    assert heading == f"the platform of stack organization/homelab/lab {lacks}"
    fix = "; enable this setting in stack organization/homelab/lab and run `pulumi up` on that stack"
    assert found == [f"  homelab:app.{line}{fix}" for line in lines]
    gc.collect()


@pytest.mark.filterwarnings("ignore:coroutine 'Output", "ignore:coroutine 'Resource")
def test_an_issuer_that_the_platform_does_not_have_is_named() -> None:
    with pytest.raises(pulumi.RunError, match=r"app\.tls\.issuer: names own-ca, which is not among issuers; use"):
        run_fixture("shop-staging", outputs=OUTPUTS | {"issuers": ["letsencrypt"]})
    gc.collect()


@pytest.mark.filterwarnings("ignore:coroutine 'Output", "ignore:coroutine 'Resource")
@pytest.mark.parametrize(
    ("classes", "line"),
    [
        ([], "needs homelab:platform.longhorn, which does not provide sharedStorageClasses; enable this setting"),
        (["nfs"], "is longhorn by default, which is not among sharedStorageClasses; use one of: nfs"),
    ],
)
def test_a_class_that_many_machines_cannot_write_is_not_shared(classes: list[str], line: str) -> None:
    volumes = {"data": {"path": "/data", "size": "1Gi"}, "media": {"path": "/media", "size": "1Gi", "shared": True}}
    with pytest.raises(pulumi.RunError) as caught:
        run_fixture("shop-dev", outputs=OUTPUTS | {"sharedStorageClasses": classes}, volumes=volumes)
    (found,) = str(caught.value).splitlines()[1:]
    assert found.startswith(f"  homelab:app.volumes.media.storageClass: {line}")
    gc.collect()


@pytest.mark.filterwarnings("ignore:coroutine 'Output", "ignore:coroutine 'Resource")
def test_a_store_that_the_platform_does_not_have_is_named() -> None:
    with pytest.raises(
        pulumi.RunError, match=r"remoteSecrets\.SIGNING_KEY\.store: names vault, which is not among sec"
    ):
        run_fixture("shop-prod", outputs=OUTPUTS | {"secretStores": ["aws"]})
    gc.collect()


@pytest.mark.filterwarnings("ignore:coroutine 'Output", "ignore:coroutine 'Resource")
def test_a_kubeconfig_that_has_ended_is_told_with_what_renews_it() -> None:
    ended = OUTPUTS | {"appKubeconfig": sealed(kubeconfig(left=-1))}
    text = r"the kubeconfig from the platform of stack lab expired on 20\S+ \S+ UTC: "
    with pytest.raises(pulumi.RunError, match=text + "run `pulumi up` on that stack"):
        run_fixture("shop-dev", outputs=ended)
    with pytest.raises(pulumi.RunError, match=text + r"store the current output of `\./homelab platform` in"):
        run_separately(DEV, ended)
    gc.collect()


def test_one_that_ends_soon_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, *_: said.append(text))
    run_fixture("shop-dev", outputs=OUTPUTS | {"appKubeconfig": sealed(kubeconfig(left=40.5))})
    (text,) = said
    assert re.search(r"stack lab expires on 20\S+ \S+ UTC, in 40 days: run `pulumi up` on that stack", text)
    run_fixture("shop-dev")
    assert len(said) == 1


@pytest.mark.parametrize("file", APPS, ids=lambda file: file.stem)
def test_what_the_platform_gives_may_be_a_secret_of_the_apps_own(file: Path) -> None:
    """Then nothing of the platform's stack is read, and the same is made."""
    apart, beside = run_separately(file, OUTPUTS), run_app(file)
    assert {urn: each.inputs for urn, each in apart.resources_by_urn.items()} == {
        urn: each.inputs for urn, each in beside.resources_by_urn.items()
    }


@pytest.mark.filterwarnings("ignore:coroutine 'Output", "ignore:coroutine 'Resource")
@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        (outputs_without("ingressClass"), "hosts: needs homelab:platform.traefik"),
        (
            outputs_without("appUser") | {"version": "0.2.0"},
            "no output appUser, which needs homelab 0.3.0 or newer; the platform was deployed by homelab 0.2.0",
        ),
    ],
)
def test_what_such_a_secret_lacks_is_named_too(outputs: dict[str, Any], said: str) -> None:
    with pytest.raises(pulumi.RunError, match=said):
        run_separately(SAMPLE_APP, outputs)
    gc.collect()


@pytest.mark.filterwarnings("ignore:coroutine 'Output", "ignore:coroutine 'Resource")
@pytest.mark.parametrize("text", ["nonsense", "[1]"])
def test_a_secret_that_is_something_else_is_not_repeated(text: str) -> None:
    config = config_of(DEV)
    config["app"] = config["app"] | {"platformOutputs": {"secret": "platform"}}
    reason = r"the secret is not the output of `\./homelab platform`"
    with pytest.raises(pulumi.RunError, match=rf"^homelab:app\.platformOutputs: {reason}; set the secret again$"):
        record(config | {"platform": text}, "shop-dev", shop.deploy, secret=["platform"])
    gc.collect()


def test_an_app_that_needs_no_layer_runs_on_a_cluster_alone() -> None:
    layers = {"ingressClass", "issuer", "issuers", "databaseOperator", "storageClass", "databaseBackup", "secretStores"}
    assert unsealed(run_fixture("shop-dev", outputs=outputs_without(*layers)).stack_outputs)["namespace"] == "shop-dev"
