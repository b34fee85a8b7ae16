"""Issues CA certificates and server certificates for the rehearsal's webhooks, for Pebble and for `k3s.ca`."""

import datetime
import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LIFETIME = datetime.timedelta(days=3650)
CLOCK_SKEW = datetime.timedelta(days=1)  # tolerates clocks that differ


@dataclass(frozen=True)
class Certificates:
    """The paths of PEM files: the CA's certificate, the server's certificate, and the server's key (mode 0600)."""

    ca: Path
    server: Path
    key: Path


def ensure(state: Path, address: str, names: Collection[str] = ()) -> Certificates:
    """Return the certificate files in `state`; issue new certificates if the old ones lack `address` or a name."""
    files = Certificates(state / "ca.pem", state / "server.pem", state / "server.key")
    if not _are_for(files, address, names):
        _make(files, address, names)
    return files


@dataclass(frozen=True)
class IssuingCa:
    """A CA that replaces the user's CA of `k3s.ca`: certificate and private key as PEM."""

    certificate: str
    key: str


def ensure_issuing_ca(state: Path) -> IssuingCa:
    """Return the CA in the folder `state`; create one if there is none."""
    file = state / "issuing-ca.pem"  # one file, so that certificate and key always belong together
    if not file.exists():
        key, name = ec.generate_private_key(ec.SECP256R1()), _name("rehearsal CA")
        certificate = (
            _builder(name, name, key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        part = state / ".issuing-ca.pem"
        part.unlink(missing_ok=True)
        part.touch(mode=0o600)
        part.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + _pem(key))
        part.replace(file)
    certificate_text, mark, key_text = file.read_text().partition("-----BEGIN PRIVATE KEY-----")
    return IssuingCa(certificate_text, mark + key_text)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _are_for(files: Certificates, address: str, names: Collection[str]) -> bool:
    if not (files.ca.exists() and files.key.exists() and files.server.exists()):
        return False
    certificate = x509.load_pem_x509_certificate(files.server.read_bytes())
    alternative_names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses, named = (alternative_names.get_values_for_type(kind) for kind in (x509.IPAddress, x509.DNSName))
    return ipaddress.ip_address(address) in addresses and set(names) <= set(named)


def _make(files: Certificates, address: str, names: Collection[str]) -> None:
    files.key.parent.mkdir(parents=True, exist_ok=True)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = _name("rehearsal authority")
    subjects = [x509.IPAddress(ipaddress.ip_address(address)), *map(x509.DNSName, names)]
    ca = (
        _builder(issuer, issuer, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    server = (
        _builder(_name("rehearsal"), issuer, key.public_key())
        .add_extension(x509.SubjectAlternativeName(subjects), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    files.key.unlink(missing_ok=True)
    files.key.touch(mode=0o600)
    files.key.write_bytes(_pem(key))
    files.ca.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    files.server.write_bytes(server.public_bytes(serialization.Encoding.PEM))


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + LIFETIME)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
