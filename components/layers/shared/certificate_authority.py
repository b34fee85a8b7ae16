"""A certificate authority (CA) for one layer, which homelab derives from a random secret of the layer.

The keys and certificates depend only on the random secret, the subjects and the year. Within one year, every Pulumi run
computes the same certificates. Pulumi encrypts the random secret in its state. homelab computes the CA's private key in
each Pulumi run, and never stores the key.
"""

import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SALT_BYTES = 16
VALIDITY_YEARS = 3
"""Validity of a certificate in calendar years, including the year of issue. The first Pulumi run of each year renews
the certificates."""
_BEGIN, _END = datetime(2025, 1, 1, tzinfo=UTC), datetime(2125, 1, 1, tzinfo=UTC)
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Order of the curve P-256."""


@dataclass(frozen=True)
class Subject:
    """Subject of an X.509 certificate: its common name, additional DNS names, and IP addresses."""

    common_name: str
    dns_names: tuple[str, ...] = ()
    ip_addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class IssuedCertificate:
    """An X.509 certificate and its private key, both in PEM."""

    certificate: str
    key: str = field(repr=False)


class CertificateAuthority:
    """A CA whose keys are derived from `salt`: at least 16 secret random bytes, as hexadecimal digits."""

    def __init__(self, salt: str, name: str) -> None:
        try:
            self._salt = bytes.fromhex(salt)
        except ValueError:
            self._salt = b""
        if len(self._salt) < SALT_BYTES:
            raise ValueError(f"a CA needs at least {SALT_BYTES} random bytes")
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = self._private_key("authority")
        self.certificate = self._self_signed()

    def issue(self, subject: Subject, year: int) -> IssuedCertificate:
        """Issue a certificate for `subject`, which TLS servers and TLS clients can use.

        The CA issues another certificate for each `year`.
        """
        label = "\n".join((subject.common_name, *subject.dns_names, *subject.ip_addresses, str(year)))
        key = self._private_key(label)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject.common_name)])
        names: list[x509.GeneralName] = [x509.DNSName(host) for host in (subject.common_name, *subject.dns_names)]
        names += [x509.IPAddress(ip_address(address)) for address in subject.ip_addresses]
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = (
            self._builder(name, key.public_key(), label, datetime(year + VALIDITY_YEARS, 1, 1, tzinfo=UTC))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(issuer, critical=False)
        )
        return IssuedCertificate(self._signed(builder), _pem(key))

    def _self_signed(self) -> str:
        builder = (
            self._builder(self._name, self._key.public_key(), "authority", _END)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(key_cert_sign=True), critical=True)
        )
        return self._signed(builder)

    def _builder(
        self, name: x509.Name, key: ec.EllipticCurvePublicKey, label: str, end: datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder(subject_name=name, issuer_name=self._name)
            .public_key(key)
            .serial_number(int.from_bytes(self._digest("serial", label)[:16]) | 1)
            .not_valid_before(_BEGIN)
            .not_valid_after(end)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        )

    def _signed(self, builder: x509.CertificateBuilder) -> str:
        signed = builder.sign(self._key, hashes.SHA256(), ecdsa_deterministic=True)
        return signed.public_bytes(serialization.Encoding.PEM).decode()

    def _private_key(self, label: str) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(int.from_bytes(self._digest("key", label)) % (_ORDER - 1) + 1, ec.SECP256R1())

    def _digest(self, purpose: str, label: str) -> bytes:
        return hmac.digest(self._salt, f"{purpose} {label}".encode(), "sha512")


def _usage(**allowed: bool) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: allowed.get(name, False) for name in names})


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*form).decode()
