"""The real cert-manager on a small lab: it signs, renews and rejects. The tests depend on their order."""

import base64
import datetime
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from bench.labs import stack_document
from rehearsal import acme
from rehearsal.programs import cert_manager
from rehearsal.shell import RehearsalError, run
from tests.rehearsal.rehearsed_lab import RehearsedLab, rehearse, wait_until

pytestmark = pytest.mark.drill

HOST = "shop.lab.test"
TIMEOUT = 120  # seconds until a wait fails, on a busy computer
DUE = "59m50s"
"""`renewBefore` of a certificate that is valid for an hour: renewal starts ten seconds after it is issued."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    document = stack_document(1, 1)
    document["config"]["homelab:platform"] = {
        "metallb": {"addresses": ["10.9.0.200-10.9.0.210"]},
        "certManager": {"acme": {"email": "me@example.com", "http01": True}, "ca": {}},
        "traefik": {},
    }
    with rehearse("certificates", document, tmp_path_factory.mktemp("certificates")) as found:
        yield found


def apply(lab: RehearsedLab, kind: str, name: str, spec: dict[str, Any], **metadata: Any) -> None:
    group = {"Ingress": "networking.k8s.io/v1"}.get(kind, "cert-manager.io/v1")
    thing = {"apiVersion": group, "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec}
    lab.run_as_root("s1", f"k3s kubectl apply -f - <<'END'\n{json.dumps(thing)}\nEND")


def certificates_in(lab: RehearsedLab, name: str, namespace: str = "default") -> dict[str, x509.Certificate]:
    """Return the certificates in a Secret, by key; none if the Secret does not exist."""
    found = lab.kubectl("get", "secret", "-n", namespace, name, "--ignore-not-found", "-o", "json")
    data = json.loads(found)["data"] if found else {}
    return {
        key: x509.load_pem_x509_certificate(base64.b64decode(data[key]))
        for key in ("tls.crt", "ca.crt")
        if data.get(key)
    }


def wait_for_certificate(lab: RehearsedLab, name: str) -> x509.Certificate:
    """Wait for the certificate in a Secret, verify that the lab's CA signed it for HOST, and return it."""
    wait_until(lambda: "tls.crt" in certificates_in(lab, name), f"{name} has its certificate", TIMEOUT)
    certificate = certificates_in(lab, name)["tls.crt"]
    verify([certificate], certificates_in(lab, "ca", "cert-manager")["tls.crt"])
    return certificate


def verify(chain: list[x509.Certificate], authority: x509.Certificate, host: str = HOST) -> None:
    """Verify a certificate chain as a browser does that trusts only this CA."""
    PolicyBuilder().store(Store([authority])).build_server_verifier(x509.DNSName(host)).verify(chain[0], chain[1:])


def certificate_spec(**more: Any) -> dict[str, Any]:
    """Build the spec of a Certificate that the lab's CA must sign."""
    return {"secretName": "web", "dnsNames": [HOST], "issuerRef": {"name": "ca", "kind": "ClusterIssuer"}} | more


def test_its_programs_run(lab: RehearsedLab) -> None:
    lab.up()
    pods = json.loads(lab.kubectl("get", "pods", "-n", "cert-manager", "-o", "json"))["items"]
    images = {container["image"] for pod in pods for container in pod["spec"]["containers"]}
    made = "quay.io/jetstack/cert-manager-{}:" + cert_manager.VERSION
    assert images == {made.format(name) for name in ("controller", "webhook", "cainjector")}
    assert len(pods) == 6


def test_second_up_changes_nothing(lab: RehearsedLab) -> None:
    lab.up_changes_nothing()


def test_the_lab_has_its_own_ca(lab: RehearsedLab) -> None:
    authority = certificates_in(lab, "ca", "cert-manager")["tls.crt"]
    authority.verify_directly_issued_by(authority)
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    life = authority.not_valid_after_utc - authority.not_valid_before_utc
    assert life == datetime.timedelta(hours=87600)


def test_a_requested_certificate_is_issued(lab: RehearsedLab) -> None:
    apply(lab, "Certificate", "web", certificate_spec())
    wait_for_certificate(lab, "web")


def create_ingress(lab: RehearsedLab, name: str, host: str, issuer: str) -> None:
    """Create an Ingress that requests a certificate from an issuer; its Secret has the Ingress' name."""
    backend = {"service": {"name": "none", "port": {"number": 80}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    spec = {"tls": [{"hosts": [host], "secretName": name}], "rules": [{"host": host, "http": {"paths": paths}}]}
    notes = {"cert-manager.io/cluster-issuer": issuer}
    apply(lab, "Ingress", name, spec | {"ingressClassName": "traefik"}, annotations=notes)


def test_the_certificate_of_an_ingress_is_issued(lab: RehearsedLab) -> None:
    create_ingress(lab, "entry", HOST, "ca")
    wait_for_certificate(lab, "entry")


def check_lets_encrypt(lab: RehearsedLab, name: str, issuer: str) -> None:
    """Request a certificate from an issuer; verify that the lab's ACME server signed it."""
    host = f"{name}.lab.test"
    create_ingress(lab, name, host, issuer)
    verify_lets_encrypt(lab, name, host)


def verify_lets_encrypt(lab: RehearsedLab, name: str, *hosts: str, seconds: float = TIMEOUT) -> None:
    """Wait for the certificate in a Secret; verify that the lab's ACME server signed the certificate for all hosts."""
    wait_until(lambda: "tls.crt" in certificates_in(lab, name), f"{name} has its certificate", seconds)
    root = f"https://{lab.lab.address}:{acme.MANAGEMENT_PORT}/roots/0"
    authority = run(lab.lab.netns.command("curl", "-fsSk", root))
    data = json.loads(lab.kubectl("get", "secret", name, "-o", "json"))["data"]
    chain = x509.load_pem_x509_certificates(base64.b64decode(data["tls.crt"]))
    for host in hosts:
        verify(chain, x509.load_pem_x509_certificate(authority.encode()), host)


@pytest.mark.parametrize("issuer", ["letsencrypt", "letsencrypt-staging"])
def test_lets_encrypt_issues_after_an_http_challenge(lab: RehearsedLab, issuer: str) -> None:
    check_lets_encrypt(lab, issuer, issuer)
    solvers = ["pods,services,ingresses", "-l", "acme.cert-manager.io/http01-solver=true", "-o", "name"]
    wait_until(lambda: not lab.kubectl("get", *solvers), "the solvers are deleted")


def test_lets_encrypt_issues_after_a_restart_of_this_computer(lab: RehearsedLab) -> None:
    """A restarted Pebble has no accounts, but the issuers still refer to theirs."""
    for pid in lab.lab.netns.processes():
        if "pebble" in Path(f"/proc/{pid}/cmdline").read_text().partition("\0")[0]:
            os.kill(pid, signal.SIGKILL)
    lab.reopen()
    check_lets_encrypt(lab, "again", "letsencrypt")


def test_a_due_certificate_is_renewed(lab: RehearsedLab) -> None:
    apply(lab, "Certificate", "web", certificate_spec(secretName="due", duration="1h", renewBefore=DUE))
    first = wait_for_certificate(lab, "due")
    wait_until(lambda: wait_for_certificate(lab, "due").serial_number != first.serial_number, "it is renewed", TIMEOUT)
    lab.kubectl("delete", "certificate", "web")


@pytest.mark.parametrize(
    ("kind", "spec", "words"),
    [
        ("ClusterIssuer", {"selfSigned": {}, "ca": {"secretName": "ca"}}, "may not specify more than one issuer type"),
        ("ClusterIssuer", {}, "at least one issuer must be configured"),
        ("Certificate", certificate_spec(dnsNames=[]), "at least one of commonName"),
        ("Certificate", certificate_spec(duration="1h", renewBefore="2h"), "must be greater than renewBefore"),
    ],
    ids=["two-types", "no-type", "nameless", "renewed-before-it-is-made"],
)
def test_invalid_objects_are_refused(lab: RehearsedLab, kind: str, spec: dict[str, Any], words: str) -> None:
    with pytest.raises(RehearsalError, match=f"denied the request: .*{words}"):
        apply(lab, kind, "wrong", spec)


def test_certificates_are_issued_after_a_machine_loses_power(lab: RehearsedLab) -> None:
    lab.lab.power_off("a1")

    def accepted() -> bool:
        apply(lab, "Certificate", "web", certificate_spec(secretName="later"))
        return True

    # until the node is not ready, the webhook's Service still sends requests to the lost replica
    wait_until(accepted, "cert-manager's webhook accepts the certificate", TIMEOUT)
    wait_for_certificate(lab, "later")
    lab.power_on("a1")
