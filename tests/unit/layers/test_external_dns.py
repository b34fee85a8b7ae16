"""ExternalDNS: its provider, its mark, what it may remove."""

from typing import Any

import pytest

from components.kubernetes.manifest import BcryptHash
from components.settings.model import SecretRef
from tests.support.layer_fixtures import lab, layer, problems, values

TOKEN: dict[str, Any] = {"cloudflare": {"apiToken": {"secret": "token"}}}
TSIG: dict[str, Any] = {"server": "10.0.0.53", "keyName": "homelab", "key": {"secret": "tsig"}}


def test_nothing_is_removed_until_told_otherwise() -> None:
    found = lab(externalDns=TOKEN)
    given = values("externalDns", found)
    assert given["policy"] == "upsert-only"
    (service,) = layer("externalDns", found).host_services()
    assert (service.node, service.runs_last, service.undo) == ("", True, ("external-dns/delete-records.sh",))
    assert service.variables == {"NAMESPACE": "external-dns", "SYNC": "no"}
    synced = lab(externalDns=TOKEN | {"sync": True})
    assert values("externalDns", synced)["policy"] == "sync"
    assert layer("externalDns", synced).host_services()[0].variables["SYNC"] == "yes"


def test_mark_is_the_clusters_own() -> None:
    found = lab(externalDns=TOKEN)
    cluster = found.cluster
    assert values("externalDns", found)["txtOwnerId"] == f"{cluster.name}.{cluster.domain}"
    assert values("externalDns", found)["domainFilters"] == [cluster.domain]
    assert values("externalDns", lab(externalDns=TOKEN | {"owner": "old"}))["txtOwnerId"] == "old"


def test_controller_starts_anew_with_another_secret() -> None:
    found = lab(externalDns=TOKEN)
    given, (secret,) = values("externalDns", found), layer("externalDns", found).objects_before_charts()
    (variable,) = given["env"]
    reference = variable["valueFrom"]["secretKeyRef"]
    assert reference == {"name": secret["metadata"]["name"], "key": "CF_API_TOKEN"}
    assert secret["stringData"] == {"CF_API_TOKEN": SecretRef(secret="token")}
    assert given["podAnnotations"] == {"homelab/CF_API_TOKEN": BcryptHash(SecretRef(secret="token"))}


def test_every_domain_is_a_zone_of_a_server_of_your_own() -> None:
    given = values("externalDns", lab(externalDns={"rfc2136": TSIG, "domains": ["a.org", "b.org"]}))
    assert given["provider"] == {"name": "rfc2136"}
    assert {"--rfc2136-zone=a.org", "--rfc2136-zone=b.org", "--rfc2136-tsig-axfr"} <= set(given["extraArgs"])
    assert given["domainFilters"] == ["a.org", "b.org"]


def test_machines_may_have_rights_of_their_own() -> None:
    found = lab(externalDns={"route53": {}})
    assert values("externalDns", found)["env"] == [{"name": "AWS_REGION", "value": "us-east-1"}]
    assert layer("externalDns", found).objects_before_charts() == ()
    assert not problems("externalDns", found)


def test_region_of_route53() -> None:
    given = values("externalDns", lab(externalDns={"route53": {"region": "cn-north-1"}}))
    assert given["env"] == [{"name": "AWS_REGION", "value": "cn-north-1"}]


ONE = ": needs exactly one of route53, cloudflare and rfc2136; add one, or keep one of them"


@pytest.mark.parametrize(
    ("given", "report"),
    [
        ({}, ONE),
        (TOKEN | {"route53": {}}, ONE),
        (
            {"route53": {"accessKey": {"secret": "id"}}},
            "route53: needs both accessKey and secretKey, or neither; "
            "set both keys, or remove both keys to use the machines' instance role",
        ),
    ],
)
def test_what_is_wrong_is_reported(given: Any, report: str) -> None:
    assert problems("externalDns", lab(externalDns=given)) == [report]
