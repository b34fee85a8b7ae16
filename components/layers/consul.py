"""Consul: a mesh in which services know each other by certificates."""

import json
from collections.abc import Iterator, Mapping

from components import volumes
from components.app.kinds import Size
from components.fields import HostLabel
from components.layer import Finding, Layer, resources, uncapped
from components.manifest import Tree
from components.model import Model

_SYSTEM = ("default", "kube-node-lease", "kube-public", "kube-system")


class ConsulSettings(Model):
    """Consul: a mesh of services, between which connections are encrypted and both ends have a certificate."""

    namespaces: tuple[HostLabel, ...] = ()
    """Namespaces that take part: pods there with `consul.hashicorp.com/connect-inject: "true"` get a proxy."""
    size: Size = "10Gi"
    """Size of the volume of each server."""
    storage_class: HostLabel | None = None
    """Class of the volumes. Default: longhorn-single with longhorn and three servers; else the default one."""


class Consul(Layer[ConsulSettings]):
    """Consul's servers and its injector of proxies, which is asked about pods of the namespaces that take part only."""

    key = "consul"
    settings_type = ConsulSettings
    namespace = "consul"
    after = ("longhorn",)
    keeps = "the mesh's servers: its authority, its services, what is stored in it"
    kept = ("persistentvolumeclaims -n consul",)
    timeout = 900

    def values(self) -> Mapping[str, Tree]:
        """Return the servers, three where there are three machines, and the injector, twice where there are two."""
        servers, injectors = self.lab.quorum, self.lab.replicas(2)
        consul: dict[str, Tree] = {
            "global": {
                "name": "consul",
                "tls": {"enabled": True},
                "gossipEncryption": {"autoGenerate": True},
                "acls": {"manageSystemACLs": True, "resources": uncapped("50m", "50Mi")},
            },
            "server": {
                "replicas": servers,
                "storage": self.settings.size,
                "storageClass": volumes.class_of(self.lab, self.settings.storage_class, servers),
                "resources": uncapped("100m", "256Mi"),
                "disruptionBudget": {"enabled": servers > 1},  # a single one may go, or its machine is never drained
            },
            "ui": {"service": {"type": "ClusterIP"}},
            "connectInject": {
                "replicas": injectors,
                "disruptionBudget": {"enabled": injectors > 1, "maxUnavailable": 1},
                # no pod of any other namespace waits for it, or could not start without it
                "namespaceSelector": self._taking_part(),
                "transparentProxy": {"defaultEnabled": False},  # it would need more rights than pods of apps have
                "resources": uncapped("50m", "200Mi"),
                # proxies stand in pods of apps, for which a policy may ask for limits of memory
                "sidecarProxy": {"resources": resources("25m", "128Mi")},
                "apiGateway": {"managedGatewayClass": {"resources": uncapped("100m", "100Mi")}},
            },
            "webhookCertManager": {"resources": uncapped("25m", "50Mi")},
        }
        return {"consul": consul}

    def _taking_part(self) -> str:
        names = list(self.settings.namespaces)
        some: dict[str, Tree] = {"operator": "In", "values": names}
        none: dict[str, Tree] = {"operator": "DoesNotExist"}  # In takes no empty list, and every namespace has it
        chosen = {"key": "kubernetes.io/metadata.name", **(some if names else none)}
        return json.dumps({"matchExpressions": [chosen]})

    def problems(self) -> Iterator[Finding]:
        """Yield what is wrong with the namespaces and the volumes."""
        yield from volumes.problems(self.lab, self.settings.storage_class)
        for index, name in enumerate(self.settings.namespaces):
            if name in _SYSTEM or name in self.lab.namespaces:
                reason = "is a namespace of the system: its pods could not start while consul does not answer"
                yield ("namespaces", index), reason, "name namespaces of apps"
