"""Sealed Secrets: encrypted secrets that may be stored in Git, because only the cluster can decrypt them."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import Field

from components.kubernetes.manifest import Json, Manifest
from components.platform.layer import Layer, resources
from components.settings import certificates
from components.settings.errors import Finding
from components.settings.fields import Certificate
from components.settings.model import Model, SecretRef

_LABEL = "sealedsecrets.bitnami.com/sealed-secrets-key"
_PROVIDED = "homelab/given"
_GENERATE = "generate an RSA key with `openssl req -x509 -newkey rsa:4096 …`, see docs/secrets.md"


class SealingKeySettings(Model):
    """Settings of a key pair, whose private key decrypts the secrets that users seal with its certificate."""

    certificate: Certificate
    """Certificate of the key pair, encoded with `base64 -w0 sealing.crt`."""
    private_key: SecretRef
    """Pulumi secret that contains the private key of the key pair, as PEM."""

    @property
    def secret_name(self) -> str:
        """Name of the Kubernetes Secret that contains the key pair.

        The name of the Secret does not depend on the position of the key pair in the list.
        """
        return f"given-{hashlib.sha256(self.certificate.encode()).hexdigest()[:12]}"


class SealedSecretsSettings(Model):
    """Settings of Sealed Secrets, which are encrypted secrets that only the cluster can decrypt, so that you can store
    them in Git."""

    keys: tuple[SealingKeySettings, ...] = ()
    """Key pairs for sealing, with the newest key pair first. The Sealed Secrets controller uses older key pairs to
    decrypt older secrets. Default: the Sealed Secrets controller generates key pairs."""
    renewal_days: Annotated[int, Field(strict=True, ge=0)] = 30
    """Number of days after which the Sealed Secrets controller generates an additional key pair. 0 disables renewal.
    Not allowed with `keys`."""


class SealedSecrets(Layer[SealedSecretsSettings]):
    """Layer for Sealed Secrets, with your own key pairs, which outlive the cluster, or with generated key pairs."""

    key = "sealedSecrets"
    settings_type = SealedSecretsSettings
    namespace = "sealed-secrets"  # not kubeseal's default kube-system, which no layer owns; kubeseal --cert needs none
    charts_with_crds_folder = ("sealed-secrets",)
    user_data = "sealing keys that exist only in the cluster"
    user_data_queries = (f"secrets -n sealed-secrets -l {_LABEL},{_PROVIDED}!=true",)

    def values(self) -> Mapping[str, Json]:
        """Return the Helm values.

        If the key pairs change, the controller restarts, because it reads key pairs only at startup.
        """
        names = ",".join(key.secret_name for key in self.settings.keys)
        days = 0 if names else self.settings.renewal_days
        values: dict[str, Json] = {
            "fullnameOverride": "sealed-secrets-controller",  # the name that kubeseal expects by default
            "keyrenewperiod": f"{days * 24}h",
            "podAnnotations": {"homelab/keys": names},
            "resources": resources("10m", "128Mi"),
            "metrics": {"serviceMonitor": {"enabled": self.has_monitoring}},
        }
        return {"sealed-secrets": values}

    def objects_before_charts(self) -> Sequence[Manifest]:
        """Return the Kubernetes Secrets that contain the key pairs.

        The Sealed Secrets controller generates no key pair if it finds an existing key pair.
        """
        return [self._key_secret(key) for key in self.settings.keys]

    def _key_secret(self, key: SealingKeySettings) -> Manifest:
        data = {"tls.crt": certificates.decode_pem(key.certificate), "tls.key": key.private_key}
        metadata = self.metadata(key.secret_name, labels={_LABEL: "active", _PROVIDED: "true"})
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "type": "kubernetes.io/tls",
            "stringData": data,
        }

    def outputs(self) -> Mapping[str, object]:
        """Return the certificate for sealing as a stack output, or None if the controller generates key pairs."""
        keys = self.settings.keys
        return {"sealing_certificate": certificates.decode_pem(keys[0].certificate) if keys else None}

    def findings(self) -> Iterator[Finding]:
        """Yield errors in the setting `keys`, and a conflict between `keys` and `renewalDays`."""
        keys = self.settings.keys
        if keys and "renewal_days" in self.settings.model_fields_set:
            reason = "is not allowed with keys, because generated keys would be lost with the cluster"
            yield ("renewalDays",), reason, "remove renewalDays, and add new key pairs at the start of keys"
        for index, key in enumerate(keys):
            if key.certificate in [earlier.certificate for earlier in keys[:index]]:
                yield ("keys", index), "repeats the certificate of an earlier entry", "remove one of them"
            if not certificates.is_rsa(key.certificate):
                yield ("keys", index, "certificate"), "has no RSA key, which kubeseal requires", _GENERATE
