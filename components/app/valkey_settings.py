"""Settings of an app's Valkey server."""

from typing import Literal

from components.settings.fields import DnsLabel
from components.settings.kubernetes_fields import Cpu, Image, Size
from components.settings.model import Model


class AppValkeySettings(Model):
    """A Valkey server of the app, for caches and queues that use the Redis protocol. homelab sets VALKEY_HOST,
    VALKEY_PORT, VALKEY_PASSWORD and REDIS_URL in the app's environment, for the connection to Valkey."""

    image: Image | None = None
    """Container image of Valkey. Default: docker.io/valkey/valkey, in the version of homelab's catalog."""
    size: Size | None = None
    """Size of the volume that stores Valkey's data in an append-only file. You can increase the volume's size later,
    but not decrease it. Default: no volume, so Valkey loses its data when its pod stops."""
    storage_class: DnsLabel | None = None
    """StorageClass of Valkey's volume. Default: the platform's default StorageClass."""
    maxmemory_policy: Literal[
        "noeviction", "allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu",
        "volatile-random", "volatile-ttl",
    ] = "noeviction"  # fmt: skip
    """What Valkey does with a write when its data has reached half of `memory` (maxmemory-policy of valkey.conf):
    `noeviction` refuses the write, and all other policies delete keys."""
    cpu: Cpu = "50m"
    """CPU request of Valkey's container."""
    memory: Size = "128Mi"
    """Memory request and limit of Valkey's container. Valkey's data can use half of the memory (maxmemory)."""
