"""`./homelab kubeconfig --user`: a certificate of the cluster for someone whom the stack file knows."""

import base64
import datetime
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner, Result

import cli
from operations import user_certificates
from tests.support import fake_api
from tests.support.fake_api import FakeApi
from tests.support.fake_pulumi import FakePulumi
from tests.support.settings_fixtures import ROOT

FILE = ROOT / "tests/settings/valid/people.yaml"
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
PLACE = f"{REQUESTS}/homelab-ben-x"


class Signer:
    """What a cluster does with a request: it keeps it, and signs it when it is approved, unless told otherwise."""

    def __init__(self, api: FakeApi) -> None:
        self.api, self.asked, self.approval = api, {}, {}  # type: tuple[FakeApi, dict[str, Any], dict[str, Any]]
        self.says: dict[str, Any] | None = None
        self.deleted = 0
        api.handlers = {
            ("POST", REQUESTS): self.keep,
            ("PUT", f"{PLACE}/approval"): self.sign,
            ("DELETE", PLACE): self.drop,
        }

    def keep(self, body: Any) -> Any:
        self.asked = body
        return {**body, "metadata": {"name": "homelab-ben-x", "resourceVersion": "7"}}

    def sign(self, body: Any) -> Any:
        self.approval = body
        status = self.says if self.says is not None else {"certificate": signed(self.asked["spec"])}
        self.api.answers[PLACE] = {"status": status}
        return body

    def drop(self, _: Any) -> Any:
        self.deleted += 1
        return {}


def signed(spec: dict[str, Any]) -> str:
    request = x509.load_pem_x509_csr(base64.b64decode(spec["request"]))
    assert request.is_signature_valid
    now, key = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC), ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateBuilder(
        x509.Name([]), request.subject, request.public_key(), x509.random_serial_number(),
        now, now + datetime.timedelta(seconds=spec["expirationSeconds"]),
    ).sign(key, hashes.SHA256())  # fmt: skip
    return base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()


@pytest.fixture
def signer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Signer]:
    with fake_api.serve_api(tmp_path / "tls") as api:
        FakePulumi(tmp_path / "pulumi", monkeypatch).set_outputs(kubeconfig=api.kubeconfig, name="lab")
        yield Signer(api)


def run(folder: Path, *options: str, file: Path = FILE) -> Result:
    words = ["kubeconfig", "--stack", "lab", "--config-file", str(file), "--output", str(folder / "out"), *options]
    return CliRunner().invoke(cli.app, words, env={"COLUMNS": "200"})


def test_someone_gets_a_certificate_with_name_groups_and_end(tmp_path: Path, signer: Signer) -> None:
    result = run(tmp_path, "--user", "ben", "--days", "7")
    assert result.exit_code == 0, result.output
    assert "The certificate of ben is valid until 2030-01-08 00:00 UTC." in result.output
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o600
    made = yaml.safe_load((tmp_path / "out").read_text())
    assert made["current-context"] == "ben@lab"
    assert made["contexts"] == [{"name": "ben@lab", "context": {"cluster": "ben@lab", "user": "ben@lab"}}]
    admin = yaml.safe_load(signer.api.kubeconfig)
    assert made["clusters"][0]["cluster"] == admin["clusters"][0]["cluster"]
    user = made["users"][0]["user"]
    certificate = x509.load_pem_x509_certificate(base64.b64decode(user["client-certificate-data"]))
    key = serialization.load_pem_private_key(base64.b64decode(user["client-key-data"]), None)
    assert certificate.public_key() == key.public_key()
    values = {oid: [each.value for each in certificate.subject.get_attributes_for_oid(oid)] for oid in
              (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)}  # fmt: skip
    assert values == {NameOID.COMMON_NAME: ["ben"], NameOID.ORGANIZATION_NAME: ["developers", "keepers"]}
    assert admin["users"][0]["user"]["client-key-data"] not in (tmp_path / "out").read_text()


def test_cluster_is_asked_for_a_client_certificate_and_nothing_stays_there(tmp_path: Path, signer: Signer) -> None:
    assert run(tmp_path, "--user", "ben").exit_code == 0
    spec = signer.asked["spec"]
    assert (spec["signerName"], spec["usages"]) == ("kubernetes.io/kube-apiserver-client", ["client auth"])
    assert spec["expirationSeconds"] == 30 * 24 * 3600
    (condition,) = signer.approval["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("Approved", "True")
    assert signer.approval["metadata"] == {"name": "homelab-ben-x", "resourceVersion": "7"}
    assert signer.deleted == 1
    assert b"PRIVATE" not in base64.b64decode(spec["request"])


@pytest.mark.parametrize(
    ("says", "report"),
    [
        ({"conditions": [{"type": "Failed", "message": "too long"}]}, "refused to sign the certificate: too long"),
        ({}, "The cluster did not sign the certificate within 0 s"),
    ],
)
def test_what_is_not_signed_is_taken_back(
    tmp_path: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch, says: dict[str, Any], report: str
) -> None:
    monkeypatch.setattr(user_certificates, "SIGNING_TIMEOUT", 0.0)
    signer.says = says
    result = run(tmp_path, "--user", "ben")
    assert (result.exit_code, signer.deleted) == (1, 1)
    assert report in result.output
    assert not (tmp_path / "out").exists()


def test_strangers_are_refused_by_name(tmp_path: Path, signer: Signer) -> None:
    result = run(tmp_path, "--user", "bennn")
    assert result.exit_code == 1
    assert (
        "The user bennn is not in homelab:platform.rbac.people: did you mean ben?\nNo changes were made."
        in result.output
    )
    result = run(tmp_path, "--user", "ben", file=ROOT / "tests/settings/valid/one-server.yaml")
    assert "The stack file does not enable the layer rbac, so only the administrator has access" in result.output
    assert not signer.asked


def test_refusal_of_the_api_is_passed_on(tmp_path: Path, signer: Signer) -> None:
    signer.api.handlers = {}
    result = run(tmp_path, "--user", "ben")
    assert result.exit_code == 1
    assert f"has no {REQUESTS}" in result.output
