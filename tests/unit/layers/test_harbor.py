"""Harbor: where it runs, and what stays the same when it is upgraded."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from components.kubernetes.manifest import BcryptHash, DerivedPassword, SecretTemplate
from components.platform.layer import LabContext
from components.settings.model import SecretRef
from stacks.settings import LabStack
from tests.support.layer_fixtures import LAYERS, lab, layer, problems, values
from tests.support.settings_fixtures import ROOT

ADMIN: dict[str, Any] = {"adminPassword": {"secret": "admin"}}
BESIDE: dict[str, Any] = {"traefik": {}, "certManager": {}}


def harbor(**given: Any) -> LabContext:
    return lab(**BESIDE, harbor=ADMIN | given)


def on(arches: Mapping[str, str | None], taints: Mapping[str, list[str]]) -> LabContext:
    """Harbor on the lab of five, whose machines have architectures and taints."""
    cluster = LabStack.read(ROOT / "tests/settings/valid/three-servers.yaml").cluster
    nodes = tuple(
        node.model_copy(update={"arch": arches.get(node.name), "taints": tuple(taints.get(node.name, ()))})
        for node in cluster.nodes
    )
    given = {
        key: LAYERS[key].settings_type.model_validate(value) for key, value in (BESIDE | {"harbor": ADMIN}).items()
    }
    return LabContext(cluster.model_copy(update={"nodes": nodes}), given)


def selectors(tree: Any) -> Iterator[Any]:
    """Every nodeSelector there is."""
    for key, value in tree.items() if isinstance(tree, Mapping) else ():
        if key == "nodeSelector":
            yield value
        yield from selectors(value)


def test_every_part_runs_on_amd64() -> None:
    given = values("harbor", harbor(scanner=True))
    parts = ("portal", "core", "jobservice", "registry", "trivy", "exporter", "database", "redis")
    assert all([*selectors(given[part])] == [{"kubernetes.io/arch": "amd64"}] for part in parts)


def test_nothing_that_it_needs_is_made_anew_by_an_upgrade() -> None:
    found = harbor()
    given = values("harbor", found)
    assert given["core"]["secret"] == DerivedPassword("core", 16)
    assert given["core"]["xsrfKey"] == DerivedPassword("xsrf", 32)
    login = given["registry"]["credentials"]
    assert login["htpasswdString"] == SecretTemplate(f"{login['username']}:{{}}", (BcryptHash(login["password"]),))
    secrets = [given["core"]["secret"], given["core"]["xsrfKey"], given["jobservice"]["secret"],
               given["registry"]["secret"], login["password"], given["database"]["internal"]["password"]]  # fmt: skip
    assert len(set(secrets)) == len(secrets)
    (keys,) = layer("harbor", found).objects_before_charts()
    assert given["existingSecretAdminPassword"] == given["existingSecretSecretKey"] == keys["metadata"]["name"]
    assert keys["stringData"] == {
        "HARBOR_ADMIN_PASSWORD": SecretRef(secret="admin"),
        "secretKey": DerivedPassword("encryption", 16),
    }
    assert "secretName" not in given["core"]


def test_key_pair_of_your_own_signs_tokens() -> None:
    found = harbor(token={"key": {"secret": "key"}, "certificate": {"secret": "cert"}})
    _, pair = layer("harbor", found).objects_before_charts()
    assert values("harbor", found)["core"]["secretName"] == pair["metadata"]["name"]
    assert pair["stringData"] == {"tls.key": SecretRef(secret="key"), "tls.crt": SecretRef(secret="cert")}


def test_page_is_the_registry_with_the_certificate_of_an_issuer() -> None:
    found = harbor()
    given = values("harbor", found)
    host = f"harbor.{found.cluster.domain}"
    assert given["externalURL"] == f"https://{host}"
    assert given["expose"]["ingress"]["hosts"] == {"core": host}
    assert given["expose"]["ingress"]["annotations"] == {"cert-manager.io/cluster-issuer": "ca"}


NONE = ": needs an untainted amd64 node: Harbor's images exist only for amd64; add such a node, or remove harbor"


@pytest.mark.parametrize(
    ("arches", "taints", "reports"),
    [
        ({}, {}, []),
        (dict.fromkeys("abcd", "arm64"), {}, []),
        (dict.fromkeys("abcde", "arm64"), {}, [NONE]),
        ({**dict.fromkeys("abcd", "arm64"), "e": "amd64"}, {"e": ["gpu:NoSchedule"]}, [NONE]),
    ],
)
def test_lab_without_a_machine_for_it_is_refused(arches: Any, taints: Any, reports: list[str]) -> None:
    assert problems("harbor", on(arches, taints)) == reports


def test_lab_without_volumes_is_refused() -> None:
    report = problems("harbor", lab("options", **BESIDE, harbor=ADMIN))
    assert report == [
        ": has no StorageClass: local-storage and longhorn are disabled; "
        "add longhorn: {} to the platform, or set storageClass to your own StorageClass"
    ]
