"""Sealed Secrets: key pairs that are given, those that the controller makes, and what is lost with it."""

import base64
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from components.layers.sealed_secrets import SealedSecrets, SealedSecretsSettings
from components.settings.model import SecretRef
from rehearsal import certificates
from tests.contracts.cases import CASES
from tests.support.layer_fixtures import lab, layer, problems, values

PAIRS = next(case for case in CASES if case.name == "sealedSecrets-everything").layer.settings.keys
NEW, OLD = (
    {"certificate": pair.certificate, "privateKey": {"secret": name}}
    for pair, name in zip(PAIRS, ("new", "old"), strict=True)
)


def names(*pairs: Any) -> list[str]:
    return [
        each["metadata"]["name"]
        for each in layer("sealedSecrets", lab(sealedSecrets={"keys": pairs})).objects_before_charts()
    ]


def test_given_pairs_are_there_before_the_controller_and_it_makes_none() -> None:
    found = lab(sealedSecrets={"keys": [NEW, OLD]})
    first, second = layer("sealedSecrets", found).objects_before_charts()
    assert first["type"] == "kubernetes.io/tls"
    assert first["metadata"]["labels"]["sealedsecrets.bitnami.com/sealed-secrets-key"] == "active"
    assert first["stringData"]["tls.crt"] == base64.b64decode(NEW["certificate"]).decode()
    assert (first["stringData"]["tls.key"], second["stringData"]["tls.key"]) == (
        SecretRef(secret="new"),
        SecretRef(secret="old"),
    )
    assert values("sealedSecrets", found)["keyrenewperiod"] == "0h"


def test_a_pair_keeps_its_name_when_a_newer_one_comes_before_it() -> None:
    assert names(OLD) == names(NEW, OLD)[1:]


def test_other_keys_start_the_controller_anew() -> None:
    said = [
        values("sealedSecrets", lab(sealedSecrets={"keys": keys}))["podAnnotations"]
        for keys in ([], [OLD], [NEW], [NEW, OLD])
    ]
    assert len({str(each) for each in said}) == 4


@pytest.mark.parametrize(("given", "period"), [({}, "720h"), ({"renewalDays": 7}, "168h"), ({"renewalDays": 0}, "0h")])
def test_without_pairs_the_controller_makes_them(given: Any, period: str) -> None:
    found = lab(sealedSecrets=given)
    assert values("sealedSecrets", found)["keyrenewperiod"] == period
    assert not layer("sealedSecrets", found).objects_before_charts()
    assert layer("sealedSecrets", found).outputs() == {"sealing_certificate": None}


def test_apps_learn_of_the_newest_certificate() -> None:
    said = layer("sealedSecrets", lab(sealedSecrets={"keys": [NEW, OLD]})).outputs()
    assert said == {"sealing_certificate": base64.b64decode(NEW["certificate"]).decode()}


def test_keys_that_were_not_given_are_guarded() -> None:
    (query,) = SealedSecrets.user_data_queries
    (pair,) = layer("sealedSecrets", lab(sealedSecrets={"keys": [NEW]})).objects_before_charts()
    label, given = query.rpartition(" ")[2].split(",")
    assert label in pair["metadata"]["labels"]
    assert pair["metadata"]["labels"][given.removesuffix("!=true")] == "true"


@pytest.mark.parametrize(
    ("given", "report"),
    [
        (
            {"keys": [NEW], "renewalDays": 30},
            "renewalDays: is not allowed with keys, because generated keys would be lost with the cluster; "
            "remove renewalDays, and add new key pairs at the start of keys",
        ),
        ({"keys": [NEW, OLD, NEW]}, "keys.2: repeats the certificate of an earlier entry; remove one of them"),
    ],
)
def test_what_is_wrong_is_reported(given: Any, report: str) -> None:
    assert problems("sealedSecrets", lab(sealedSecrets=given)) == [report]


def test_keys_other_than_rsa_are_refused(tmp_path: Path) -> None:
    curve = certificates.ensure(tmp_path, "10.0.0.1").ca.read_bytes()
    key = {"certificate": base64.b64encode(curve).decode(), "privateKey": {"secret": "new"}}
    (report,) = problems("sealedSecrets", lab(sealedSecrets={"keys": [key]}))
    reason = "has no RSA key, which kubeseal requires; generate an RSA key with `openssl"
    reason = "has no RSA key, which kubeseal requires; generate an RSA key with `openssl"
    assert report.startswith(f"keys.0.certificate: {reason}")


def test_what_is_no_certificate_is_refused() -> None:
    with pytest.raises(ValidationError, match="is not a base64-encoded PEM certificate"):
        SealedSecretsSettings.model_validate({"keys": [NEW | {"certificate": "bm8="}]})
