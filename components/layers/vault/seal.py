"""Settings of Vault's auto-unseal, checks of these settings, and the `seal` stanza of Vault's configuration."""

from collections.abc import Iterator

from components.kubernetes.manifest import Json, Manifest, SecretTemplate, secret_manifest
from components.layers.shared import aws
from components.platform.object_store import Region
from components.settings import certificates
from components.settings.checks import exactly_one
from components.settings.errors import Finding
from components.settings.fields import Certificate, Text, Url
from components.settings.model import Model, SecretRef

NAME = "vault-seal"
MOUNT_PATH = f"/vault/userconfig/{NAME}"
_PUBLIC = "/etc/ssl/certs/ca-certificates.crt"


class KmsSealSettings(aws.AwsKeysSettings):
    """Settings of auto-unseal with a key in AWS KMS."""

    region: Region
    """AWS region of the KMS key, such as eu-central-1."""
    key_id: Text
    """ID or ARN of the key."""


class TransitSealSettings(Model):
    """Settings of auto-unseal with a key in the transit secrets engine of another Vault."""

    server: Url
    """URL of the other Vault."""
    key: Text
    """Name of the key in the transit secrets engine."""
    path: Text = "transit"
    """Mount path of the transit secrets engine in the other Vault."""
    token: SecretRef
    """Pulumi secret that contains a periodic token of the other Vault. The token's policy must allow encryption and
    decryption with the transit key. Vault renews a periodic token by itself."""
    ca: Certificate | None = None
    """CA certificate of the other Vault, encoded with `base64 -w0 ca.pem`. Default: public CAs, such as Let's
    Encrypt."""


class VaultSealSettings(Model):
    """Settings of Vault's auto-unseal, with which Vault unseals itself at startup.

    Set exactly one of `awsKms` and `transit` for auto-unseal.
    """

    aws_kms: KmsSealSettings | None = None
    """Unseal with a key in AWS KMS."""
    transit: TransitSealSettings | None = None
    """Unseal Vault with a key in the transit secrets engine of another Vault."""


def secret(seal: VaultSealSettings, namespace: str) -> Manifest:
    """Build the Kubernetes Secret with Vault's `seal` stanza and, if set, the CA certificate of the other Vault."""
    data: dict[str, Json] = {"seal.hcl": _kms(seal.aws_kms) if seal.aws_kms else _transit(seal.transit)}
    if seal.transit and seal.transit.ca:
        data["ca.pem"] = certificates.decode_pem(seal.transit.ca)
    metadata = {"name": NAME, "namespace": namespace}
    return secret_manifest(metadata, data)


def _kms(kms: KmsSealSettings) -> Json:
    settings = {"region": kms.region, "kms_key_id": kms.key_id}
    if kms.access_key and kms.secret_key:
        return _stanza("awskms", settings, {"access_key": kms.access_key, "secret_key": kms.secret_key})
    return _stanza("awskms", settings, {})


def _transit(transit: TransitSealSettings | None) -> Json:
    assert transit
    settings = {
        "address": transit.server,
        "key_name": transit.key,
        "mount_path": f"{transit.path}/",
        # without tls_ca_cert, Vault would trust VAULT_CACERT, which is its own CA, and not the CA of the other Vault
        "tls_ca_cert": f"{MOUNT_PATH}/ca.pem" if transit.ca else _PUBLIC,
    }
    return _stanza("transit", settings, {"token": transit.token})


def _stanza(kind: str, settings: dict[str, str], secrets: dict[str, SecretRef]) -> SecretTemplate:
    lines = [f'{key} = "{_escaped(value)}"' for key, value in settings.items()]
    lines += [f'{key} = "{{}}"' for key in secrets]
    body = "\n".join(f"  {line}" for line in lines)
    return SecretTemplate(f'seal "{kind}" {{{{\n{body}\n}}}}\n', tuple(secrets.values()))


def _escaped(value: str) -> str:
    """Escape `value` for use in a quoted HCL string inside a template of `str.format()`."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("{", "{{").replace("}", "}}")


def findings(seal: VaultSealSettings) -> Iterator[Finding]:
    """Yield errors in the settings of Vault's auto-unseal."""
    yield from exactly_one(("seal",), seal, "aws_kms", "transit")
    if seal.aws_kms:
        yield from aws.findings(seal.aws_kms, "seal", "awsKms")
