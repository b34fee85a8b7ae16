"""The platform as the engine sees it: order, pins, gates, guards, secrets; with layers made up for this."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest

from components.cluster.cluster import Cluster
from components.cluster.host_requirements import HostService
from components.kubernetes.chart import Chart
from components.kubernetes.manifest import (
    BcryptHash,
    DerivedPassword,
    Json,
    Manifest,
    SecretTemplate,
    bcrypt_hash,
    derive_password,
)
from components.platform.layer import LabContext, Layer, resources
from components.platform.platform import Platform, install_order
from components.settings.model import Model, SecretRef
from stacks.settings import LabStack
from tests.support.envelopes import is_sealed, unsealed
from tests.support.recorder import CHART, Recording, Resource, canary, config_of, record
from tests.support.settings_fixtures import ROOT

FILE = ROOT / "tests/settings/valid/three-servers.yaml"
RELEASE = "kubernetes:helm.sh/v3:Release"


class Nothing(Model):
    """No settings."""


class Plain(Layer[Nothing]):
    """What the layers of these tests have in common."""

    settings_type = Nothing

    def values(self) -> Mapping[str, Json]:
        return {self.key: {"replicas": 2, "resources": resources("50m", "16Mi")}}


class Base(Plain):
    key = "base"
    namespace = "base-system"
    pod_security = "privileged"
    awaited_objects = ("storageclass/base",)
    user_data = "volumes"
    user_data_queries = ("volumes.base.io -A -o name",)


class Named(Plain):
    key = "named"
    namespace = "named"
    requires = ("base",)
    charts_with_crds_folder = ("named",)

    def host_services(self) -> Sequence[HostService]:
        token = dict.fromkeys(("TOKEN", "AGENT_TOKEN"), SecretRef(secret="token"))
        pool = {"POOL": "p", "VERSION": "v"}
        run, check = ("cluster/rotate-tokens.sh",), "zfs/check-pool.sh"
        disk = [HostService("disk", node, run, (check,), check, pool, token) for node in "bd"]
        variables = {"NAMESPACE": "named", "SYNC": "yes"}
        run, undo = ("external-dns/start.sh",), ("external-dns/delete-records.sh",)
        return [*disk, HostService("names", "", run, undo, variables=variables, runs_last=True)]

    def objects_before_charts(self) -> Sequence[Manifest]:
        text = {"token": SecretRef(secret="token"), "login": SecretTemplate("me:{}", (SecretRef(secret="token"),))}
        return [{"apiVersion": "v1", "kind": "Secret", "metadata": self.metadata("login"), "stringData": text}]

    def values(self) -> Mapping[str, Json]:
        return {"named": {"password": BcryptHash(SecretRef(secret="token"))}, "companion": {}}

    def objects_after_charts(self) -> Sequence[Manifest]:
        things = ({"apiVersion": "x.io/v1", "kind": "Thing", "metadata": self.metadata(name)} for name in "ab")
        return [*things, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": self.metadata("c"), "data": {}}]


class Crds(Plain):
    key = "crds"
    namespace = "crds"
    installs_after = ("named",)
    early_charts = ("early",)

    def values(self) -> Mapping[str, Json]:
        return {"early": {}, "late": {"resources": {"limits": {"cpu": None}}}}


KINDS: tuple[type[Layer[Any]], ...] = (Crds, Named, Base)
CHARTS = {name: Chart(name, "1.2.3", f"https://{name}.example.com", "ab" * 32 if name == "named" else None)
          for name in ("base", "named", "companion", "early", "late")}  # fmt: skip


def platform(*, preview: bool = False) -> Recording:
    settings = LabStack.read(FILE).cluster
    lab = LabContext(settings, {kind.key: Nothing() for kind in KINDS})

    def program() -> None:
        cluster = Cluster(settings, "vip:1", lambda _: [])
        given = {"base": {"replicas": 3, "login": {"password": SecretRef(secret="token")}}}
        made = Platform([kind(Nothing(), lab) for kind in KINDS], CHARTS, cluster.access, given)
        cluster.mark_on_destroy([made])

    return record(config_of(FILE) | {"token": canary("token")}, program=program, preview=preview)


RUN = platform()


def before(name: str) -> set[str]:
    """Names of all resources that must have been made before this one."""
    return {each.name for each in RUN.dependencies(RUN.resource(name))}


def releases() -> dict[str, Resource]:
    return {str(each.plain["name"]): each for each in RUN.registered if each.type == RELEASE}


def test_layers_come_in_their_order_whatever_the_file_says() -> None:
    lab = LabContext(LabStack.read(FILE).cluster, {})
    assert [layer.key for layer in install_order([kind(Nothing(), lab) for kind in KINDS])] == ["base", "named", "crds"]


def test_layers_that_wait_for_each_other_are_refused() -> None:
    class Circular(Base):
        installs_after: ClassVar[tuple[str, ...]] = ("named",)

    lab = LabContext(LabStack.read(FILE).cluster, {})
    with pytest.raises(ValueError, match="layers depend on each other: base, named"):
        install_order([Circular(Nothing(), lab), Named(Nothing(), lab)])


def test_order_between_layers_and_within() -> None:
    assert {"base-guard", "base-base", "base-gate", "crds-early", "named-secret-login"} <= before("named-named")
    assert {"named-named", "named-crds-named"} <= before("named-companion")
    assert {"named-companion", "named-gate"} <= before("named-thing-a")
    assert "named-thing-a" in before("crds-late")
    assert {"a-roll", "e-roll"} <= before("base-namespace"), "nothing before the machines are as described"


def test_values_that_are_given_lie_over_the_layers_and_are_looked_up_before() -> None:
    values = releases()["base"].inputs["values"]
    assert values["replicas"] == 3
    assert unsealed(values["login"]["password"]) == canary("token")
    assert RUN.resource("base-chart-base").plain["keys"] == [["replicas"], ["login", "password"]]
    assert "base-chart-base" in before("base-base")
    assert RUN.resource("named-chart-named").plain["keys"] == []


def test_what_the_charts_ask_for_is_compared_with_the_machines_before_any_of_them() -> None:
    assert RUN.resource("platform-fits").plain["variables"] == {"CPU": "150", "MEMORY": "48"}
    assert "platform-fits" in before("base-namespace")


def test_services_are_set_up_on_their_machines_before_charts() -> None:
    for node in "bd":
        task = RUN.resource(f"named-disk-{node}")
        assert task.plain["machine"]["name"] == node
        assert is_sealed(task.inputs["secrets"])
        assert task.name in before("named-named")
        assert {"a-roll", "e-roll"} <= before(task.name)


def test_service_of_the_cluster_is_set_up_from_a_server_and_may_come_last() -> None:
    task = RUN.resource("named-names")
    assert {"named-companion", "named-gate", "named-thing-b", "named-disk-b"} <= before(task.name)
    assert [entry["on"] for entry in (*task.plain["run"], *task.plain["undo"])] == ["server", "server"]
    assert task.plain["variables"] == {"NAMESPACE": "named", "SYNC": "yes"}
    assert task.name in before("crds-late"), "what comes after the layer comes after all of it"


def test_charts_of_crds_wait_for_no_layer() -> None:
    assert not before("crds-early") & {"base-base", "named-named"}
    assert "crds-early" in before("base-base")


def test_layers_that_do_not_name_each_other_do_not_wait() -> None:
    assert not before("base-base") & {"named-named", "crds-late"}


def test_whole_lab_is_marked_as_going_before_anything_goes() -> None:
    assert {"base-guard", "crds-late", "named-thing-b"} <= before("cluster-retire")


def test_releases_are_pinned_and_named() -> None:
    found = releases()
    assert found.keys() == CHARTS.keys()
    for name, release in found.items():
        given = release.plain
        assert (given["chart"], given["version"]) == (f"./.charts/{name}.tgz", "1.2.3")
        assert "repositoryOpts" not in given, "Helm fetches nothing itself"
        assert (given["maxHistory"], given["timeout"]) == (5, 600)
        assert given["skipCrds"] == (name == "named")


def test_nulls_reach_the_chart_where_a_layer_gives_some() -> None:
    found = {name: release.plain for name, release in releases().items()}
    assert found["late"]["values"] == {"resources": {"limits": {"cpu": None}}}
    assert {name for name, given in found.items() if given.get("allowNullValues")} == {"late"}


def test_charts_are_verified_before_anything_of_them_is_installed() -> None:
    archives = {each.plain["name"]: each for each in RUN.registered if each.type == CHART}
    assert archives.keys() == CHARTS.keys()
    for name, archive in archives.items():
        given = archive.plain
        assert (given["version"], given["repository"]) == ("1.2.3", f"https://{name}.example.com")
        assert given.get("sha256") == CHARTS[name].sha256
        assert archive.name in before(releases()[name].name)
    assert RUN.resource("named-crds-named").plain["chart"]["sha256"] == "ab" * 32
    assert "named-chart-named" in before("named-crds-named")


def test_namespaces_state_their_level() -> None:
    labels = RUN.resource("base-namespace").plain["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "privileged"
    assert labels["homelab/layer"] == "base"


def test_gate_asks_for_one_of_each_kind_that_has_a_webhook() -> None:
    given = RUN.resource("named-gate").plain["variables"]
    assert given["MANIFESTS"].count('"kind": "Thing"') == 1
    assert "ConfigMap" not in given["MANIFESTS"]
    assert given["RELEASES"] == "named-1.2.3 companion-1.2.3"
    assert RUN.resource("base-gate").plain["variables"]["APPEARS"] == "storageclass/base"


def test_guard_goes_first_and_can_be_told_to_let_go() -> None:
    assert {"base-base", "base-gate"} <= before("base-guard")
    (ask,) = RUN.resource("base-guard").plain["undo"]
    assert (ask["script"], ask["unless"]) == ("platform/check-remaining-data.sh", ["retired", "discard-base"])


def test_secrets_are_sealed_and_hashed() -> None:
    secret = RUN.resource("named-secret-login").inputs["stringData"]
    assert is_sealed(secret) or all(is_sealed(value) for value in secret.values())
    assert unsealed(secret) == {"token": canary("token"), "login": f"me:{canary('token')}"}
    assert canary("token") not in str(RUN.resource("named-named").plain)


def test_hash_is_stable_and_right() -> None:
    salt = "00112233445566778899aabbccddeeff"
    assert bcrypt_hash("correct horse", salt) == bcrypt_hash("correct horse", salt)
    assert bcrypt_hash("correct horse", salt) != bcrypt_hash("wrong horse", salt)


def test_passwords_that_nobody_has_to_know_are_stable_and_each_another() -> None:
    salt = "00112233445566778899aabbccddeeff"
    first, second = derive_password(salt, DerivedPassword("core")), derive_password(salt, DerivedPassword("registry"))
    assert (first, len(first)) == (derive_password(salt, DerivedPassword("core")), 32)
    assert len({first, second, derive_password(salt[::-1], DerivedPassword("core"))}) == 3
    assert derive_password(salt, DerivedPassword("core", 16)) == first[:16]


def test_preview_knows_everything_but_secrets_and_the_cluster() -> None:
    run = platform(preview=True)
    assert run.resources_by_urn.keys() == RUN.resources_by_urn.keys()
