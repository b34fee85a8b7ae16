"""Archive: where logs and traces are kept, and how long. In S3 too, the newest part and the index have a volume."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from components import volumes
from components.app.kinds import Size
from components.fields import Count, HostLabel
from components.layer import Finding, Lab
from components.manifest import Hashed, Manifest, Tree, secret_of
from components.model import Model
from components.object_store import NAME_STORE, ObjectStoreSettings

_SECRET = "s3"  # noqa: S105 - the name of an object


class ArchiveSettings(Model):
    """Where it is kept, and for how long."""

    retention_days: Count = 30
    """Days after which it is deleted."""
    size: Size = "10Gi"
    """Size of its volume. It does not grow with this number once it is there."""
    storage_class: HostLabel | None = None
    """Class of the volume. Default: the cluster's default one."""
    store: Literal["volume", "s3"] = "volume"
    """Where it is kept. Choose at the beginning: what is in one of them is not seen from the other."""
    s3: ObjectStoreSettings | None = None
    """Bucket for `store: s3`. Default: a folder of the platform's objectStore, by the layer's name."""


@dataclass(frozen=True)
class Archive:
    """The archive of the layer with key `layer`."""

    lab: Lab
    layer: str
    settings: ArchiveSettings

    @property
    def bucket(self) -> ObjectStoreSettings | None:
        """The bucket, None where a volume holds everything."""
        return self.lab.store(self.settings.s3, self.layer) if self.settings.store == "s3" else None

    @property
    def hours(self) -> str:
        """How long it is kept, as Grafana's programs write it."""
        return f"{self.settings.retention_days * 24}h"

    @property
    def volume(self) -> dict[str, Tree]:
        """Size of the volume."""
        return {"enabled": True, "size": self.settings.size}

    def secret(self, namespace: str) -> Iterator[Manifest]:
        """Yield the keys to the bucket, as variables that S3 clients read, where there is one."""
        if s3 := self.bucket:
            data = {"AWS_ACCESS_KEY_ID": s3.access_key, "AWS_SECRET_ACCESS_KEY": s3.secret_key}
            metadata = {"name": _SECRET, "namespace": namespace}
            yield secret_of(metadata, data)

    @property
    def keys(self) -> dict[str, Tree]:
        """Values by which a container reads the keys."""
        return {"extraEnvFrom": [{"secretRef": {"name": _SECRET}}]} if self.bucket else {}

    @property
    def annotations(self) -> dict[str, Tree]:
        """Annotations of the pod, which starts anew with a new key: it reads them at its start only."""
        return {"podAnnotations": {"homelab/s3-key": Hashed(s3.secret_key)}} if (s3 := self.bucket) else {}

    def problems(self) -> Iterator[Finding]:
        """Yield what is wrong with bucket and volume."""
        given = self.settings
        if given.s3 and given.store == "volume":
            yield ("s3",), "has no effect: store is volume", "use store: s3, or take it out"
        elif given.store == "s3" and self.bucket is None:
            yield ("s3",), "is missing, and there is no objectStore to share", NAME_STORE
        yield from volumes.problems(self.lab, given.storage_class)


def endpoint(s3: ObjectStoreSettings) -> dict[str, Tree]:
    """The service without its scheme, and whether it speaks in clear."""
    parts = urlsplit(s3.url)
    return {"endpoint": parts.netloc, "insecure": parts.scheme == "http"}


def flat(s3: ObjectStoreSettings) -> dict[str, Tree]:
    """The folder, for programs that take no folder in a folder."""
    return {"storage_prefix": re.sub("[^0-9A-Za-z]", "-", s3.path)} if s3.path else {}
