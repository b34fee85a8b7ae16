"""SeaweedFS, an S3 service that runs in the cluster."""

from collections.abc import Iterator, Mapping, Sequence

from components.kubernetes.manifest import BcryptHash, Json, Manifest, SecretTemplate, secret_manifest
from components.layers.shared import volumes
from components.layers.shared.web_ui import WebUI
from components.layers.traefik.layer import INGRESS_CLASS
from components.platform.layer import Layer, resources
from components.settings.errors import Finding
from components.settings.fields import Bucket, DnsLabel, Domain
from components.settings.kubernetes_fields import Size
from components.settings.model import Model, SecretRef

_PORT, _METRICS = 8333, 9327
_KEYS = "s3-keys"
_IDENTITY = (
    '{{"identities":[{{"name":"lab","credentials":[{{"accessKey":"{}","secretKey":"{}"}}],'
    '"actions":["Admin","Read","Write","List","Tagging"]}}]}}'
)


class SeaweedFSSettings(Model):
    """Settings of SeaweedFS, which provides S3 buckets on disks of the lab.

    If the lab is destroyed, all objects that have no copy elsewhere are lost.
    """

    access_key: SecretRef
    """Pulumi secret that contains the access key ID for S3, with only letters and digits."""
    secret_key: SecretRef
    """Pulumi secret that contains the secret access key for S3, with only letters and digits."""
    buckets: tuple[Bucket, ...] = ()
    """Buckets to create. homelab does not delete a bucket that you remove from `buckets`."""
    size: Size = "50Gi"
    """Size of the data volume on each node that stores a replica. You can increase the size of the volume later, but
    not decrease it."""
    storage_class: DnsLabel | None = None
    """StorageClass of the volumes that contain the objects. Default: `longhorn-single` with the layer longhorn and two
    replicas, otherwise the cluster's default StorageClass."""
    host: Domain | None = None
    """Host name at which clients outside the cluster reach the S3 service through Traefik. Default: `s3.DOMAIN`."""
    issuer: DnsLabel | None = None
    """ClusterIssuer for the TLS certificate of the S3 service. Default: the default ClusterIssuer of the layer
    certManager."""


class SeaweedFS(Layer[SeaweedFSSettings]):
    """Layer for SeaweedFS, an S3 service with one access key for all buckets.

    If the cluster has two or more untainted nodes, SeaweedFS stores two replicas of all data.
    """

    key = "seaweedfs"
    settings_type = SeaweedFSSettings
    namespace = "seaweedfs"
    installs_after = ("certManager", "traefik", "longhorn")
    user_data = "objects"
    user_data_queries = ("persistentvolumeclaims -n seaweedfs",)
    timeout_seconds = 900

    def values(self) -> Mapping[str, Json]:
        """Return the Helm values of SeaweedFS: masters, volume servers and filer.

        A NetworkPolicy allows other pods to connect only to the S3 port, and Prometheus also to the metrics port.
        """
        data = self._volume(self.settings.size, self._storage_class)
        values: dict[str, Json] = {
            "global": {
                "seaweedfs": {
                    "enableReplication": self.replicas > 1,
                    "replicationPlacement": "001",  # one additional replica, on another server
                    "monitoring": {"enabled": self.has_monitoring},
                }
            },
            "master": self._master(),
            "volume": {
                "replicas": self.replicas,
                "dataDirs": [{"name": "data", "maxVolumes": 0, **data}],
                "resources": resources("50m", "512Mi"),
            },
            "filer": self._filer(),
            "s3": {"ingress": self._ingress()},
            # only the S3 port requires a login, so a NetworkPolicy blocks all other ports for pods of apps
            "networkPolicy": {"enabled": True, "extraIngress": self._extra_ingress()},
        }
        return {"seaweedfs": values}

    def _master(self) -> Json:
        return {
            "replicas": self.lab.quorum_size,
            "data": self._volume("1Gi", None),
            "logs": {"type": ""},
            "resources": resources("10m", "128Mi"),
            # at the first write to a bucket, SeaweedFS creates this number of SeaweedFS volumes, each with up to 1 GB
            "extraEnvironmentVars": {f"WEED_MASTER_VOLUME_GROWTH_COPY_{replicas}": "2" for replicas in (1, 2)},
        }

    def _filer(self) -> Json:
        settings = self.settings
        return {
            "replicas": 1,  # filers do not share their metadata
            "data": self._volume("10Gi", None),
            "logs": {"type": ""},
            "resources": resources("50m", "512Mi"),
            # SeaweedFS' filer reads the S3 keys only at startup, so changed keys must restart the pod
            "podAnnotations": {f"homelab/{key}": BcryptHash(ref) for key, ref in self._secrets().items()},
            "s3": {
                "enabled": True,
                "port": _PORT,
                "enableAuth": True,
                "existingConfigSecret": _KEYS,
                "createBuckets": [{"name": name} for name in settings.buckets],
                "createBucketsHook": {"resources": resources("10m", "128Mi")},
            },
        }

    def _secrets(self) -> dict[str, SecretRef]:
        return {"access-key": self.settings.access_key, "secret-key": self.settings.secret_key}

    @staticmethod
    def _volume(size: str, storage_class: str | None) -> dict[str, Json]:
        return {"type": "persistentVolumeClaim", "size": size, "storageClass": storage_class or ""}

    def _extra_ingress(self) -> list[Json]:
        """Return NetworkPolicy rules that let all clients reach the S3 port, and let Prometheus collect metrics."""
        s3_rule: Json = {"ports": [{"protocol": "TCP", "port": _PORT}]}
        if not self.has_monitoring:
            return [s3_rule]
        namespace = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
        return [s3_rule, {"from": [namespace], "ports": [{"protocol": "TCP", "port": _METRICS}]}]

    def _ingress(self) -> Json:
        if not self.ingress.has_ingress:
            return {"enabled": False}
        return {
            "enabled": True,
            "className": INGRESS_CLASS,
            "host": self.ingress.host,
            "annotations": self.ingress.annotations,
            "tls": self.ingress.tls("s3-tls"),
        }

    def objects_before_charts(self) -> Sequence[Manifest]:
        """Return the Kubernetes Secret that contains the S3 key for all buckets, in the format of SeaweedFS."""
        data = {"seaweedfs_s3_config": SecretTemplate(_IDENTITY, (self.settings.access_key, self.settings.secret_key))}
        return [secret_manifest(self.metadata(_KEYS), data)]

    @property
    def ingress(self) -> WebUI:
        """Ingress of the S3 service for clients outside the cluster."""
        return WebUI(self.lab, self.key, "s3", self.settings.host, self.settings.issuer)

    @property
    def replicas(self) -> int:
        """Number of replicas of all data in SeaweedFS, each on another node."""
        return max(1, min(2, len(self.lab.schedulable_nodes)))

    @property
    def _storage_class(self) -> str | None:
        return volumes.storage_class_for(self.lab, self.settings.storage_class, self.replicas)

    def outputs(self) -> Mapping[str, object]:
        """Return the URL of the S3 service for pods, as a stack output."""
        return {"object_store_endpoint": f"http://seaweedfs-s3.{self.namespace}.svc:{_PORT}"}

    def findings(self) -> Iterator[Finding]:
        """Yield errors in the buckets, volumes and Ingress of SeaweedFS."""
        yield from self.ingress.findings()
        if len(set(self.settings.buckets)) < len(self.settings.buckets):
            yield ("buckets",), "lists a bucket twice", "list each bucket once"
        if not self.lab.schedulable_nodes:
            yield (), "needs an untainted node", "remove the taints of a node, or use the effect PreferNoSchedule"
        if "local-storage" in self.lab.cluster.k3s.disable and not self.lab.is_enabled("longhorn"):
            reason = "needs a default StorageClass, but local-storage and longhorn are disabled"
            yield (), reason, "add longhorn: {} next to seaweedfs"
