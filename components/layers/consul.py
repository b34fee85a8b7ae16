"""Settings of Consul, a service mesh with mutual TLS."""

import json
from collections.abc import Iterator, Mapping

from components.kubernetes.manifest import Json
from components.layers.shared import volumes
from components.platform.layer import Layer, resources, uncapped_resources
from components.settings.errors import Finding
from components.settings.fields import DnsLabel
from components.settings.kubernetes_fields import Size
from components.settings.model import Model

_SYSTEM = ("default", "kube-node-lease", "kube-public", "kube-system")


class ConsulSettings(Model):
    """Settings of Consul, a service mesh that secures connections between pods with mutual TLS."""

    namespaces: tuple[DnsLabel, ...] = ()
    """Namespaces of the mesh. In the namespaces of the mesh, Consul adds a sidecar to pods with the annotation
    `consul.hashicorp.com/connect-inject: "true"`."""
    size: Size = "10Gi"
    """Volume size of each server."""
    storage_class: DnsLabel | None = None
    """StorageClass of the volumes. Default: `longhorn-single` with the layer longhorn and three servers, otherwise the
    cluster's default StorageClass."""


class Consul(Layer[ConsulSettings]):
    """Layer for Consul's servers, and for the webhook that adds Consul's sidecars to pods.

    Consul's webhook handles only pods in the namespaces of the mesh.
    """

    key = "consul"
    settings_type = ConsulSettings
    namespace = "consul"
    installs_after = ("longhorn",)
    user_data = "volumes with the mesh's CA, service catalog and key-value store"
    user_data_queries = ("persistentvolumeclaims -n consul",)
    timeout_seconds = 900

    def values(self) -> Mapping[str, Json]:
        """Return the Helm values of Consul: one or three servers, and up to two replicas of the sidecar injector."""
        servers, injectors = self.lab.quorum_size, self.lab.replicas(2)
        consul: dict[str, Json] = {
            "global": {
                "name": "consul",
                "tls": {"enabled": True},
                "gossipEncryption": {"autoGenerate": True},
                "acls": {"manageSystemACLs": True, "resources": uncapped_resources("50m", "50Mi")},
            },
            "server": {
                "replicas": servers,
                "storage": self.settings.size,
                "storageClass": volumes.storage_class_for(self.lab, self.settings.storage_class, servers),
                "resources": uncapped_resources("100m", "256Mi"),
                "disruptionBudget": {"enabled": servers > 1},  # a budget for a single server would block every drain
            },
            "ui": {"service": {"type": "ClusterIP"}},
            "connectInject": {
                "replicas": injectors,
                "disruptionBudget": {"enabled": injectors > 1, "maxUnavailable": 1},
                # the webhook applies only to namespaces of the mesh, so that all other pods start while it is down
                "namespaceSelector": self._namespace_selector(),
                "transparentProxy": {"defaultEnabled": False},  # needs capabilities that pods of apps lack
                "resources": uncapped_resources("50m", "200Mi"),
                # the sidecars run in the pods of apps, and a Kyverno policy may require memory limits there
                "sidecarProxy": {"resources": resources("25m", "128Mi")},
                "apiGateway": {"managedGatewayClass": {"resources": uncapped_resources("100m", "100Mi")}},
            },
            "webhookCertManager": {"resources": uncapped_resources("25m", "50Mi")},
        }
        return {"consul": consul}

    def _namespace_selector(self) -> str:
        names = list(self.settings.namespaces)
        listed: dict[str, Json] = {"operator": "In", "values": names}
        # `In` needs at least one value; every namespace has the label, so DoesNotExist selects no namespace
        nothing: dict[str, Json] = {"operator": "DoesNotExist"}
        expression = {"key": "kubernetes.io/metadata.name", **(listed if names else nothing)}
        return json.dumps({"matchExpressions": [expression]})

    def findings(self) -> Iterator[Finding]:
        """Yield errors in Consul's StorageClass and in the list of the mesh's namespaces."""
        yield from volumes.findings(self.lab, self.settings.storage_class)
        for index, name in enumerate(self.settings.namespaces):
            if name in _SYSTEM or name in self.lab.namespaces:
                reason = "is a system namespace: its pods could not start while Consul's webhook is down"
                yield ("namespaces", index), reason, "list only namespaces of apps"
