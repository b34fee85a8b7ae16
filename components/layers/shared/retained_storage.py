"""Storage and retention of logs (Loki) and traces (Tempo).

With `store: s3`, a volume still contains the newest data and the index.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from components.kubernetes.manifest import BcryptHash, Json, Manifest, secret_manifest
from components.layers.shared import volumes
from components.platform.layer import LabContext, Layer
from components.platform.object_store import MISSING_BUCKET_FIX, ObjectStoreSettings
from components.settings.errors import Finding
from components.settings.fields import DnsLabel, PositiveInt
from components.settings.kubernetes_fields import Size
from components.settings.model import Model

_SECRET = "s3"  # noqa: S105 - the name of a Kubernetes Secret


class RetainedStorageSettings(Model):
    """Settings of the storage and retention of logs or traces."""

    retention_days: PositiveInt = 30
    """Retention period in days, after which Loki or Tempo deletes the data."""
    size: Size = "10Gi"
    """Size of the volume. A later change of the size does not resize existing volumes."""
    storage_class: DnsLabel | None = None
    """StorageClass of the volume. Default: the cluster's default StorageClass."""
    store: Literal["volume", "s3"] = "volume"
    """Storage of the data. Choose the store before the first `pulumi up`, because a later change does not move existing
    data."""
    s3: ObjectStoreSettings | None = None
    """Bucket for `store: s3`. Default: a folder with the name of the layer, in the bucket of `platform.objectStore`."""


@dataclass(frozen=True)
class RetainedStorage:
    """Storage of the logs or traces of one layer, whose key is `layer`."""

    lab: LabContext
    layer: str
    settings: RetainedStorageSettings

    @property
    def bucket(self) -> ObjectStoreSettings | None:
        """The S3 bucket, or None if the setting `store` is `volume`."""
        return self.lab.object_store(self.settings.s3, self.layer) if self.settings.store == "s3" else None

    @property
    def retention(self) -> str:
        """Retention period of the data in hours, in the format of Loki and Tempo, such as `720h`."""
        return f"{self.settings.retention_days * 24}h"

    @property
    def volume(self) -> dict[str, Json]:
        """Helm values of the volume."""
        return {"enabled": True, "size": self.settings.size}

    def credential_secrets(self, namespace: str) -> Iterator[Manifest]:
        """Yield the Kubernetes Secret with the S3 keys as AWS environment variables, if `store` is `s3`."""
        if s3 := self.bucket:
            data = {"AWS_ACCESS_KEY_ID": s3.access_key, "AWS_SECRET_ACCESS_KEY": s3.secret_key}
            metadata = {"name": _SECRET, "namespace": namespace}
            yield secret_manifest(metadata, data)

    @property
    def key_environment(self) -> dict[str, Json]:
        """Helm values that pass the S3 keys to the container as environment variables."""
        return {"extraEnvFrom": [{"secretRef": {"name": _SECRET}}]} if self.bucket else {}

    @property
    def pod_annotations(self) -> dict[str, Json]:
        """Helm values that add a hash of the S3 key to the pod as an annotation.

        A changed S3 key restarts the pod, because the pod reads the key only at startup.
        """
        return {"podAnnotations": {"homelab/s3-key": BcryptHash(s3.secret_key)}} if (s3 := self.bucket) else {}

    def findings(self) -> Iterator[Finding]:
        """Yield errors in the settings of the S3 bucket and the volume."""
        settings = self.settings
        if settings.s3 and settings.store == "volume":
            yield ("s3",), "has no effect with store: volume", "use store: s3, or remove s3"
        elif settings.store == "s3" and self.bucket is None:
            yield ("s3",), "is missing, and the platform has no objectStore", MISSING_BUCKET_FIX
        yield from volumes.findings(self.lab, settings.storage_class)


S = TypeVar("S", bound=RetainedStorageSettings)


class RetainedStorageLayer(Layer[S]):
    """Base class of the layers for logs and traces, which have one replica with retained storage."""

    pod_security = "restricted"
    installs_after = ("longhorn",)

    @property
    def storage(self) -> RetainedStorage:
        """The storage of the logs or traces."""
        return RetainedStorage(self.lab, self.key, self.settings)

    def objects_before_charts(self) -> Sequence[Manifest]:
        """Return the Kubernetes Secret with the credentials for the layer's S3 bucket."""
        return [*self.storage.credential_secrets(self.namespace)]

    def findings(self) -> Iterator[Finding]:
        """Yield errors in the settings of the layer's volume and S3 bucket."""
        return self.storage.findings()


def s3_endpoint_values(s3: ObjectStoreSettings) -> dict[str, Json]:
    """Return the Helm values of the S3 endpoint: its host and port, and whether clients use plain HTTP."""
    parts = urlsplit(s3.url)
    return {"endpoint": parts.netloc, "insecure": parts.scheme == "http"}


def flat_prefix_values(s3: ObjectStoreSettings) -> dict[str, Json]:
    """Return the Helm values of the folder in the S3 bucket.

    Loki and Tempo accept no slashes in the prefix, so hyphens replace all characters except letters and digits.
    """
    return {"storage_prefix": re.sub("[^0-9A-Za-z]", "-", s3.path)} if s3.path else {}
