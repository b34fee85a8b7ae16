"""What opens Vault when it starts: settings, and the part of its configuration that holds them."""

from collections.abc import Iterator

from components import aws, certificates
from components.fields import Certificate, Text, Url
from components.layer import Finding
from components.manifest import Filled, Manifest, Tree, secret_of
from components.model import Model, SecretRef
from components.object_store import Region

NAME = "vault-seal"
FOLDER = f"/vault/userconfig/{NAME}"
_PUBLIC = "/etc/ssl/certs/ca-certificates.crt"


class KmsSealSettings(Model):
    """A key of AWS KMS."""

    region: Region
    """Region of the key, such as eu-central-1."""
    key_id: Text
    """Id or ARN of the key."""
    access_key: SecretRef | None = None
    """Secret that holds the access key's id. Default: what the machines are given by their surroundings."""
    secret_key: SecretRef | None = None
    """Secret that holds the secret access key."""


class TransitSealSettings(Model):
    """A key of another Vault's transit engine."""

    server: Url
    """URL of that Vault."""
    key: Text
    """Name of the key."""
    path: Text = "transit"
    """Path at which the engine is."""
    token: SecretRef
    """Secret that holds a token which may encrypt and decrypt with the key; a periodic one, for it is renewed."""
    ca: Certificate | None = None
    """Certificate authority of that Vault, as `base64 -w0 ca.pem` prints it. Default: those publicly trusted."""


class VaultSealSettings(Model):
    """What opens Vault when it starts: exactly one of `awsKms` and `transit`."""

    aws_kms: KmsSealSettings | None = None
    """AWS KMS."""
    transit: TransitSealSettings | None = None
    """Another Vault."""


def secret(seal: VaultSealSettings, namespace: str) -> Manifest:
    """The seal's part of Vault's configuration, and the authority that it trusts."""
    data: dict[str, Tree] = {"seal.hcl": _kms(seal.aws_kms) if seal.aws_kms else _transit(seal.transit)}
    if seal.transit and seal.transit.ca:
        data["ca.pem"] = certificates.decoded(seal.transit.ca)
    metadata = {"name": NAME, "namespace": namespace}
    return secret_of(metadata, data)


def _kms(kms: KmsSealSettings) -> Tree:
    plain = {"region": kms.region, "kms_key_id": kms.key_id}
    if kms.access_key and kms.secret_key:
        return _stanza("awskms", plain, {"access_key": kms.access_key, "secret_key": kms.secret_key})
    return _stanza("awskms", plain, {})


def _transit(transit: TransitSealSettings | None) -> Tree:
    assert transit
    plain = {
        "address": transit.server,
        "key_name": transit.key,
        "mount_path": f"{transit.path}/",
        # said in any case: the environment names the authority of this Vault itself
        "tls_ca_cert": f"{FOLDER}/ca.pem" if transit.ca else _PUBLIC,
    }
    return _stanza("transit", plain, {"token": transit.token})


def _stanza(kind: str, plain: dict[str, str], secrets: dict[str, SecretRef]) -> Filled:
    lines = [f'{key} = "{_escaped(value)}"' for key, value in plain.items()]
    lines += [f'{key} = "{{}}"' for key in secrets]
    body = "\n".join(f"  {line}" for line in lines)
    return Filled(f'seal "{kind}" {{{{\n{body}\n}}}}\n', tuple(secrets.values()))


def _escaped(value: str) -> str:
    """A text between quotes of HCL, in a template."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("{", "{{").replace("}", "}}")


def problems(seal: VaultSealSettings) -> Iterator[Finding]:
    """Yield what is wrong with the seal."""
    if (seal.aws_kms is None) is (seal.transit is None):
        yield ("seal",), "needs exactly one of awsKms and transit", "add one, or keep one of them"
    kms = seal.aws_kms
    if kms:
        yield from aws.problems(kms.access_key, kms.secret_key, "seal", "awsKms")
