"""SeaweedFS: an S3 service inside the lab."""

from collections.abc import Iterator, Mapping, Sequence

from components import volumes
from components.app.kinds import Size
from components.fields import Bucket, Domain, HostLabel
from components.layer import Finding, Layer, resources
from components.layers.traefik import CLASS
from components.manifest import Filled, Hashed, Manifest, Tree, secret_of
from components.model import Model, SecretRef
from components.page import Page

_PORT, _METRICS = 8333, 9327
_KEYS = "s3-keys"
_IDENTITY = (
    '{{"identities":[{{"name":"lab","credentials":[{{"accessKey":"{}","secretKey":"{}"}}],'
    '"actions":["Admin","Read","Write","List","Tagging"]}}]}}'
)


class SeaweedFSSettings(Model):
    """SeaweedFS: buckets on disks of the lab. What is only there is lost with the lab."""

    access_key: SecretRef
    """Secret that holds the access key's id: letters and digits."""
    secret_key: SecretRef
    """Secret that holds the secret access key: letters and digits."""
    buckets: tuple[Bucket, ...] = ()
    """Buckets that are made. One that is taken out of the list stays."""
    size: Size = "50Gi"
    """Size of the volume on each of the two machines that keep a copy. It may grow, not shrink."""
    storage_class: HostLabel | None = None
    """Class of those volumes. Default: longhorn-single with longhorn and two machines, else the default class."""
    host: Domain | None = None
    """Host name under which Traefik lets machines outside of the cluster in. Default: `s3.DOMAIN`."""
    issuer: HostLabel | None = None
    """Issuer of certManager for that name's certificate. Default: the default one."""


class SeaweedFS(Layer[SeaweedFSSettings]):
    """SeaweedFS with two copies of everything where there are two machines, and one key to all buckets."""

    key = "seaweedfs"
    settings_type = SeaweedFSSettings
    namespace = "seaweedfs"
    after = ("certManager", "traefik", "longhorn")
    keeps = "objects"
    kept = ("persistentvolumeclaims -n seaweedfs",)
    timeout = 900

    def values(self) -> Mapping[str, Tree]:
        """Return masters, volume servers and the filer, which speaks S3. Nobody else reaches more than S3."""
        values: dict[str, Tree] = {
            "global": {
                "seaweedfs": {
                    "enableReplication": self.copies > 1,
                    "replicationPlacement": "001",  # one more copy, on another server
                    "monitoring": {"enabled": self.monitored},
                }
            },
            "master": self._master(),
            "volume": {
                "replicas": self.copies,
                "dataDirs": [{"name": "data", "maxVolumes": 0, **self._volume(self.settings.size, self._class)}],
                "resources": resources("50m", "512Mi"),
            },
            "filer": self._filer(),
            "s3": {"ingress": self._ingress()},
            # its parts ask no one for keys: only S3 does
            "networkPolicy": {"enabled": True, "extraIngress": self._open()},
        }
        return {"seaweedfs": values}

    def _master(self) -> Tree:
        return {
            "replicas": self.lab.quorum,
            "data": self._volume("1Gi", None),
            "logs": {"type": ""},
            "resources": resources("10m", "128Mi"),
            # each bucket takes so many volumes of 1 GB when it is first written
            "extraEnvironmentVars": {f"WEED_MASTER_VOLUME_GROWTH_COPY_{copies}": "2" for copies in (1, 2)},
        }

    def _filer(self) -> Tree:
        given = self.settings
        return {
            "replicas": 1,  # several keep their own lists of what there is
            "data": self._volume("10Gi", None),
            "logs": {"type": ""},
            "resources": resources("50m", "512Mi"),
            # it reads the keys when it starts: with others it starts anew
            "podAnnotations": {f"homelab/{key}": Hashed(ref) for key, ref in self._secrets().items()},
            "s3": {
                "enabled": True,
                "port": _PORT,
                "enableAuth": True,
                "existingConfigSecret": _KEYS,
                "createBuckets": [{"name": name} for name in given.buckets],
                "createBucketsHook": {"resources": resources("10m", "128Mi")},
            },
        }

    def _secrets(self) -> dict[str, SecretRef]:
        return {"access-key": self.settings.access_key, "secret-key": self.settings.secret_key}

    @staticmethod
    def _volume(size: str, storage_class: str | None) -> dict[str, Tree]:
        return {"type": "persistentVolumeClaim", "size": size, "storageClass": storage_class or ""}

    def _open(self) -> list[Tree]:
        """Who may reach it besides its own parts: everybody S3, and Prometheus the metrics."""
        everybody: Tree = {"ports": [{"protocol": "TCP", "port": _PORT}]}
        if not self.monitored:
            return [everybody]
        namespace = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
        return [everybody, {"from": [namespace], "ports": [{"protocol": "TCP", "port": _METRICS}]}]

    def _ingress(self) -> Tree:
        if not self.page.served:
            return {"enabled": False}
        return {
            "enabled": True,
            "className": CLASS,
            "host": self.page.host,
            "annotations": self.page.annotations,
            "tls": self.page.tls("s3-tls"),
        }

    def before(self) -> Sequence[Manifest]:
        """Return the key to all buckets, as SeaweedFS reads it."""
        data = {"seaweedfs_s3_config": Filled(_IDENTITY, (self.settings.access_key, self.settings.secret_key))}
        return [secret_of(self.metadata(_KEYS), data)]

    @property
    def page(self) -> Page:
        """The way in from outside of the cluster."""
        return Page(self.lab, self.key, "s3", self.settings.host, self.settings.issuer)

    @property
    def copies(self) -> int:
        """Copies of everything, each on a machine of its own."""
        return max(1, min(2, len(self.lab.untainted)))

    @property
    def _class(self) -> str | None:
        return volumes.class_of(self.lab, self.settings.storage_class, self.copies)

    def outputs(self) -> Mapping[str, object]:
        """Return where pods reach it."""
        return {"object_store_endpoint": f"http://seaweedfs-s3.{self.namespace}.svc:{_PORT}"}

    def problems(self) -> Iterator[Finding]:
        """Yield what is wrong with the buckets, the volumes and the way in."""
        yield from self.page.problems()
        if len(set(self.settings.buckets)) < len(self.settings.buckets):
            yield ("buckets",), "names a bucket twice", "name each bucket once"
        if not self.lab.untainted:
            yield (), "finds no machine that takes any pod", "leave some without taints, or use PreferNoSchedule"
        if "local-storage" in self.lab.cluster.k3s.disable and not self.lab.has("longhorn"):
            reason = "finds no default class of volumes: local-storage is disabled and longhorn is off"
            yield (), reason, "add longhorn: {} beside it"
