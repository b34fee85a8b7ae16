"""Vault: members by machines, its configuration, what opens it, its certificate, its page."""

import json
from typing import Any

import pytest

from components.layers.vault.layer import Vault
from components.settings.model import SecretRef
from tests.contracts.cases import plain
from tests.support.layer_fixtures import CLOUDFLARE, POOL, lab, layer, objects, problems, values

TRANSIT: dict[str, Any] = {"server": "https://other.lan:8200", "key": "lab", "token": {"secret": "token"}}
KMS: dict[str, Any] = {"region": "eu-central-1", "keyId": "alias/lab"}
KEYS: dict[str, Any] = {"accessKey": {"secret": "id"}, "secretKey": {"secret": "key"}}
BESIDE: dict[str, Any] = {"metallb": POOL, "certManager": {}, "traefik": {}}


def server(found: Any) -> Any:
    return values("vault", found)["server"]


def config(found: Any) -> Any:
    return json.loads(server(found)["ha"]["raft"]["config"])


def seal(**given: Any) -> Any:
    found = lab(certManager={}, vault={"seal": given})
    (made,) = layer("vault", found).objects_before_charts()
    return found, made["stringData"]["seal.hcl"], made["stringData"]


@pytest.mark.parametrize(("name", "members"), [("three-servers", 3), ("one-server", 1)])
def test_members_follow_the_machines_and_find_each_other(name: str, members: int) -> None:
    found = lab(name, certManager={}, vault={})
    assert server(found)["ha"]["replicas"] == members
    assert server(found)["ha"]["disruptionBudget"]["enabled"] is (members > 1), "alone it would block every drain"
    raft = config(found)["storage"]["raft"]
    (certificate,) = objects("vault", found).values()
    assert len(raft["retry_join"]) == members
    for each in raft["retry_join"]:
        assert each["leader_api_addr"].removeprefix("https://").removesuffix(":8200") in certificate["dnsNames"]


@pytest.mark.parametrize(
    ("name", "given", "chosen"),
    [
        ("three-servers", {}, "longhorn-single"),
        ("one-server", {}, None),
        ("three-servers", {"storageClass": "fast"}, "fast"),
    ],
)
def test_members_keep_copies_so_their_volumes_need_none(name: str, given: Any, chosen: str | None) -> None:
    found = lab(name, certManager={}, longhorn={}, vault=given)
    assert server(found)["dataStorage"].get("storageClass") == chosen


def test_nothing_waits_for_pods_that_are_not_open_yet() -> None:
    assert server(lab(certManager={}, vault={}))["updateStrategyType"] == "OnDelete"


def test_it_speaks_tls_with_a_certificate_of_the_lab() -> None:
    found = lab(certManager={}, vault={})
    assert values("vault", found)["global"]["tlsDisable"] is False
    listener = config(found)["listener"]["tcp"]
    mount = server(found)["volumeMounts"][0]["mountPath"]
    assert listener["tls_cert_file"] == f"{mount}/tls.crt"
    assert server(found)["volumes"] == [{"name": "vault-tls", "secret": {"secretName": "vault-tls"}}]
    assert objects("vault", found)["Certificate", "vault-tls"]["issuerRef"]["name"] == "ca"
    assert not layer("vault", found).objects_before_charts()


def test_a_key_of_aws_opens_it() -> None:
    found, text, _ = seal(awsKms=KMS | KEYS)
    assert text.parts == (SecretRef(secret="id"), SecretRef(secret="key"))
    assert plain(text) == (
        'seal "awskms" {\n  region = "eu-central-1"\n  kms_key_id = "alias/lab"\n'
        '  access_key = "secret-id"\n  secret_key = "secret-key"\n}\n'
    )
    assert server(found)["extraArgs"] == "-config=/vault/userconfig/vault-seal/seal.hcl"
    assert server(found)["volumeMounts"][1]["mountPath"] == "/vault/userconfig/vault-seal"


def test_rights_of_the_machines_may_open_it() -> None:
    assert plain(seal(awsKms=KMS)[1]) == 'seal "awskms" {\n  region = "eu-central-1"\n  kms_key_id = "alias/lab"\n}\n'


def test_another_vault_opens_it() -> None:
    _, text, data = seal(transit=TRANSIT | {"key": 'a"{b}'})
    assert plain(text) == (
        'seal "transit" {\n  address = "https://other.lan:8200"\n  key_name = "a\\"{b}"\n'
        '  mount_path = "transit/"\n  tls_ca_cert = "/etc/ssl/certs/ca-certificates.crt"\n  token = "secret-token"\n}\n'
    )
    assert "ca.pem" not in data


def test_without_a_seal_people_open_it() -> None:
    assert server(lab(certManager={}, vault={}))["extraArgs"] == ""


def test_the_page_goes_through_traefik_which_trusts_it() -> None:
    found = lab(**BESIDE, vault={})
    ingress = server(found)["ingress"]
    assert ingress["hosts"][0]["host"] == "vault.lab.example.com"
    assert ingress["annotations"] == {"cert-manager.io/cluster-issuer": "ca"}
    annotations = server(found)["service"]["active"]["annotations"]
    assert annotations["traefik.ingress.kubernetes.io/service.serverstransport"] == "vault-vault@kubernetescrd"
    assert objects("vault", found)["ServersTransport", "vault"]["rootCAs"] == [{"secret": "vault-tls"}]
    without = lab(certManager={}, vault={})
    assert server(without)["ingress"] == {"enabled": False}
    assert [kind for kind, _ in objects("vault", without)] == ["Certificate"]


def test_volumes_are_guarded() -> None:
    assert Vault.user_data_queries == ("persistentvolumeclaims -n vault",)
    assert Vault.requires == ("certManager",)


@pytest.mark.parametrize(
    ("beside", "given", "report"),
    [
        ({}, {"seal": {}}, "seal: needs exactly one of awsKms and transit; add one, or keep one of them"),
        (
            {},
            {"seal": {"awsKms": KMS, "transit": TRANSIT}},
            "seal: needs exactly one of awsKms and transit; add one, or keep one of them",
        ),
        (
            {},
            {"seal": {"awsKms": KMS | {"accessKey": {"secret": "id"}}}},
            "seal.awsKms: needs both accessKey and secretKey, or neither; "
            "set both keys, or remove both keys to use the machines' instance role",
        ),
        (
            {"certManager": {"acme": CLOUDFLARE}},
            {},
            ": needs the lab's own CA for host names inside the cluster, but certManager has no CA; "
            "add ca: {} to certManager, next to acme",
        ),
        ({}, {"host": "v.lan"}, "host: needs traefik, which is disabled; add traefik: {} next to vault"),
    ],
)
def test_what_is_wrong_is_reported(beside: Any, given: Any, report: str) -> None:
    assert problems("vault", lab(**({"certManager": {}} | beside), vault=given)) == [report]
