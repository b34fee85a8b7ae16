"""Sealed Secrets: secrets that may stand in Git, because only the cluster can open them."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import Field

from components import certificates
from components.fields import Certificate
from components.layer import Finding, Layer, resources
from components.manifest import Manifest, Tree
from components.model import Model, SecretRef

_LABEL = "sealedsecrets.bitnami.com/sealed-secrets-key"
_GIVEN = "homelab/given"
_MAKE = "make one with `openssl req -x509 -newkey rsa:4096 …`, as docs/secrets.md says"


class SealingKeySettings(Model):
    """A key pair that opens what was sealed with its certificate."""

    certificate: Certificate
    """Its certificate, which is public: what `base64 -w0 sealing.crt` prints."""
    private_key: SecretRef
    """Secret that holds its private key, as PEM."""

    @property
    def name(self) -> str:
        """Name of the Secret: the same pair has the same one, wherever it stands in the list."""
        return f"given-{hashlib.sha256(self.certificate.encode()).hexdigest()[:12]}"


class SealedSecretsSettings(Model):
    """Sealed Secrets: secrets that may stand in Git, because only the cluster can open them."""

    keys: tuple[SealingKeySettings, ...] = ()
    """Key pairs, the newest first; the others open what was sealed before. Default: the controller makes them."""
    renewal_days: Annotated[int, Field(strict=True, ge=0)] = 30
    """Days after which the controller makes a further key pair, when none is given; 0: never."""


class SealedSecrets(Layer[SealedSecretsSettings]):
    """Sealed Secrets with key pairs of your own, which outlive the cluster, or with those that it makes."""

    key = "sealedSecrets"
    settings_type = SealedSecretsSettings
    namespace = "sealed-secrets"  # kubeseal looks in kube-system, which no layer owns; --cert spares it the look
    bare_crds = ("sealed-secrets",)
    keeps = "sealing keys that are nowhere else"
    kept = (f"secrets -n sealed-secrets -l {_LABEL},{_GIVEN}!=true",)

    def values(self) -> Mapping[str, Tree]:
        """Return the controller; it reads its keys when it starts, so other keys start it anew."""
        names = ",".join(key.name for key in self.settings.keys)
        days = 0 if names else self.settings.renewal_days
        values: dict[str, Tree] = {
            "fullnameOverride": "sealed-secrets-controller",  # what kubeseal asks for
            "keyrenewperiod": f"{days * 24}h",
            "podAnnotations": {"homelab/keys": names},
            "resources": resources("10m", "128Mi"),
            "metrics": {"serviceMonitor": {"enabled": self.monitored}},
        }
        return {"sealed-secrets": values}

    def before(self) -> Sequence[Manifest]:
        """Return the key pairs: a controller that finds one makes none of its own."""
        return [self._pair(key) for key in self.settings.keys]

    def _pair(self, key: SealingKeySettings) -> Manifest:
        data = {"tls.crt": certificates.decoded(key.certificate), "tls.key": key.private_key}
        metadata = self.metadata(key.name, labels={_LABEL: "active", _GIVEN: "true"})
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "type": "kubernetes.io/tls",
            "stringData": data,
        }

    def outputs(self) -> Mapping[str, object]:
        """Return the certificate to seal with, if it is known before the controller makes it."""
        keys = self.settings.keys
        return {"sealing_certificate": certificates.decoded(keys[0].certificate) if keys else None}

    def problems(self) -> Iterator[Finding]:
        """Yield what is wrong between the keys that are given and those that would be made."""
        keys = self.settings.keys
        if keys and "renewal_days" in self.settings.model_fields_set:
            reason = "has no effect beside keys: one that the controller made would be lost with the cluster"
            yield ("renewalDays",), reason, "leave it out, and put a newer pair before the others instead"
        for index, key in enumerate(keys):
            if key.certificate in [each.certificate for each in keys[:index]]:
                yield ("keys", index), "is a pair that stands there already", "keep one of them"
            if not certificates.is_rsa(key.certificate):
                yield ("keys", index, "certificate"), "has no RSA key, and kubeseal takes no other", _MAKE
