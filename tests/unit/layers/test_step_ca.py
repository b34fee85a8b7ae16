"""step-ca: nothing is made up at its start, its configuration, its issuer, the way from the lan."""

import base64
import json
from typing import Any

import pytest

from components.layers.step_ca import StepCa
from components.settings.model import SecretRef
from tests.contracts.cases import CASES
from tests.support.layer_fixtures import POOL, lab, layer, objects, problems, values

CASE = next(case for case in CASES if case.name == "stepCa-default").layer.settings
GIVEN: dict[str, Any] = {
    "root": CASE.root,
    "intermediate": CASE.intermediate,
    "intermediateKey": {"secret": "key"},
    "password": {"secret": "password"},
    "provisioner": {"keyId": "abc", "definition": {"secret": "jwk"}},
}
PROVISIONER = '{"type":"JWK","name":"admin","key":{"kid":"abc"},"encryptedKey":"e30.{}"}'


def on(**more: Any) -> Any:
    return lab(metallb=POOL, certManager={}, stepCa=GIVEN | more)


def secrets() -> dict[str, Any]:
    return {each["metadata"]["name"]: each["stringData"] for each in layer("stepCa", on()).objects_before_charts()}


def test_all_that_the_chart_would_make_up_is_given() -> None:
    given = layer("stepCa", on()).values()["step-certificates"]
    assert not any(given["bootstrap"].values())
    assert all(given["existingSecrets"].values())
    found = secrets()
    assert found.keys() == {f"step-certificates-{each}" for each in ("config", "certs", "secrets", "ca-password")}
    assert found["step-certificates-secrets"] == {"intermediate_ca_key": SecretRef(secret="key")}
    assert found["step-certificates-ca-password"] == {"password": SecretRef(secret="password")}
    assert found["step-certificates-certs"]["root_ca.crt"] == base64.b64decode(CASE.root).decode()


def test_its_configuration_is_json_with_the_provisioner_in_it() -> None:
    text = secrets()["step-certificates-config"]["ca.json"]
    assert text.parts == (SecretRef(secret="jwk"),)
    config = json.loads(text.template.format(PROVISIONER))
    acme, jwk = config["authority"]["provisioners"]
    assert (acme, jwk) == ({"type": "ACME", "name": "acme"}, json.loads(PROVISIONER))
    assert config["dnsNames"][0] == "step-certificates.step-ca.svc"
    assert "ca.lab.example.com" in config["dnsNames"]


def test_the_issuer_asks_the_authority_by_the_provisioner() -> None:
    spec = objects("stepCa", on())["StepClusterIssuer", "step"]
    assert spec["url"] == "https://step-certificates.step-ca.svc"
    assert base64.b64decode(spec["caBundle"]).decode() == secrets()["step-certificates-certs"]["root_ca.crt"]
    reference = spec["provisioner"].pop("passwordRef")
    assert spec["provisioner"] == {"name": "admin", "kid": "abc"}
    assert reference["key"] in secrets()[reference["name"]]
    assert StepCa.charts_with_crds_folder == ("step-issuer",)


def test_other_certificates_start_it_anew() -> None:
    labels = [
        values("stepCa", found)["podExtraLabels"]["homelab/keys"]
        for found in (on(), on(root=CASE.intermediate), on(lan=True, host="x.lan"))
    ]
    assert len(set(labels)) == 3
    assert labels[0] == values("stepCa", on())["podExtraLabels"]["homelab/keys"]


@pytest.mark.parametrize(("lan", "kind"), [(False, "ClusterIP"), (True, "LoadBalancer")])
def test_the_lan_reaches_it_when_it_shall(lan: bool, kind: str) -> None:
    assert values("stepCa", on(lan=lan))["service"] == {"type": kind}


@pytest.mark.parametrize(
    ("found", "report"),
    [
        (
            lab(certManager={}, stepCa=GIVEN | {"lan": True}),
            "lan: needs metallb, which is disabled; add metallb next to stepCa",
        ),
        (on(host="ca.lan"), "host: has no effect without lan; add lan: true, or remove host"),
        (
            on(intermediate=CASE.root),
            "intermediate: is the root certificate; use the output of `base64 -w0 intermediate_ca.crt`",
        ),
    ],
)
def test_what_is_wrong_is_reported(found: Any, report: str) -> None:
    assert problems("stepCa", found) == [report]
