"""An authority of a layer's own, made out of its random bytes: the same bytes make the same certificates."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.verification import PolicyBuilder, Store

from components.layers.shared.certificate_authority import CertificateAuthority, Subject

SALT = "00112233445566778899aabbccddeeff"
MACHINE = Subject("server.global.nomad", ("a", "localhost"), ("10.0.0.11", "fd00::11"))


def certificate(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


def test_the_same_bytes_make_the_same_certificates_and_others_make_others() -> None:
    one, same = CertificateAuthority(SALT, "lab"), CertificateAuthority(SALT, "lab")
    assert one.certificate == same.certificate
    assert one.issue(MACHINE, 2026) == same.issue(MACHINE, 2026)
    issued = {one.issue(MACHINE, year) for year in (2026, 2027)} | {
        CertificateAuthority(SALT[::-1], "lab").issue(MACHINE, 2026)
    }
    others = {one.issue(Subject("client.global.nomad", ("a",)), 2026), one.issue(Subject("cli.global.nomad"), 2026)}
    assert len({each.key for each in issued | others}) == 5, "each has a key of its own"
    assert len({certificate(each.certificate).serial_number for each in issued | others}) == 5
    assert CertificateAuthority(SALT, "lab").certificate != CertificateAuthority(SALT[::-1], "lab").certificate


def test_a_certificate_is_good_for_its_names_and_is_no_authority() -> None:
    authority = CertificateAuthority(SALT, "lab")
    own = certificate(authority.issue(MACHINE, 2026).certificate)
    store = Store([certificate(authority.certificate)])
    now = datetime(2028, 12, 30, tzinfo=UTC)
    for name in ("server.global.nomad", "a", "localhost"):
        PolicyBuilder().store(store).time(now).build_server_verifier(x509.DNSName(name)).verify(own, [])
    addresses = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(each) for each in addresses.get_values_for_type(x509.IPAddress)] == ["10.0.0.11", "fd00::11"]
    assert not own.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert own.not_valid_after_utc == datetime(2029, 1, 1, tzinfo=UTC)
    assert own.not_valid_before_utc < datetime(2026, 1, 1, tzinfo=UTC), "a machine's clock may be behind"


def test_the_authority_issues_no_authorities() -> None:
    own = certificate(CertificateAuthority(SALT, "lab").certificate)
    assert own.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(True, 0)
    usage = own.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.key_cert_sign, usage.digital_signature) == (True, False)


def test_the_key_fits_its_certificate() -> None:
    issued = CertificateAuthority(SALT, "lab").issue(MACHINE, 2026)
    key = serialization.load_pem_private_key(issued.key.encode(), None)
    assert key.public_key() == certificate(issued.certificate).public_key()
    assert issued.key not in repr(issued)


def test_openssl_agrees(tmp_path: Path) -> None:
    authority = CertificateAuthority(SALT, "lab")
    (tmp_path / "ca.pem").write_text(authority.certificate)
    (tmp_path / "cert.pem").write_text(authority.issue(MACHINE, 2026).certificate)
    verify = ["openssl", "verify", "-x509_strict", "-attime", "1780000000", "-CAfile", "ca.pem"]
    names = ["-verify_hostname", "server.global.nomad", "-verify_ip", "10.0.0.11"]
    done = subprocess.run([*verify, *names, "cert.pem"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "cert.pem: OK\n"), done.stderr
    other = subprocess.run([*verify, "-verify_ip", "10.0.0.12", "cert.pem"], cwd=tmp_path, check=False,
                           capture_output=True)  # fmt: skip
    assert other.returncode != 0


@pytest.mark.parametrize("salt", ["", "zz", "00" * 15])
def test_too_few_random_bytes_are_refused(salt: str) -> None:
    with pytest.raises(ValueError, match="at least 16 random bytes"):
        CertificateAuthority(salt, "lab")
