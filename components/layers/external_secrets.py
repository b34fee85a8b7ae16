"""external-secrets: brings secrets that AWS or Vault keeps into the cluster, and keeps them fresh."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import Field

from components import secret_stores
from components.fields import HostLabel
from components.layer import Finding, Layer, resources, spread
from components.manifest import Manifest, Tree
from components.model import Model
from components.secret_stores import SecretStoreSettings

_NAME = "external-secrets"


class ExternalSecretsSettings(Model):
    """external-secrets: brings secrets that AWS or Vault keeps into the cluster, and keeps them fresh."""

    stores: dict[HostLabel, SecretStoreSettings] = Field(default_factory=dict)
    """Stores by a name of your choice. Whoever may create ExternalSecrets reads what a store's key may read."""


class ExternalSecrets(Layer[ExternalSecretsSettings]):
    """external-secrets with its stores, which apps name in `remoteSecrets`."""

    key = "externalSecrets"
    settings_type = ExternalSecretsSettings
    namespace = _NAME
    security = "restricted"
    after = ("vault",)
    keeps = "secrets that come from elsewhere"  # its CRDs go with it, and with them the secrets
    kept = ("externalsecrets.external-secrets.io -A", "pushsecrets.external-secrets.io -A")

    def values(self) -> Mapping[str, Tree]:
        """Return the controller and its webhook, each twice where there are two machines."""
        values: dict[str, Tree] = {
            "installCRDs": True,
            "leaderElect": self.lab.replicas(2) > 1,
            **self._copies(_NAME, "192Mi"),
            "webhook": self._copies(f"{_NAME}-webhook", "96Mi"),
            "certController": {"resources": resources("10m", "128Mi")},
            "serviceMonitor": {"enabled": self.monitored},
        }
        return {_NAME: values}

    def _copies(self, name: str, memory: str) -> dict[str, Tree]:
        replicas = self.lab.replicas(2)
        return {
            "replicaCount": replicas,
            "podDisruptionBudget": {"enabled": True, "minAvailable": 1} if replicas > 1 else {"enabled": False},
            "resources": resources("10m", memory),
            "topologySpreadConstraints": spread({"app.kubernetes.io/name": name}),
        }

    def before(self) -> Sequence[Manifest]:
        """Return the keys to the stores."""
        stores = self.settings.stores.items()
        return [each for name, store in stores for each in secret_stores.keys(name, store, self.namespace)]

    def extend(self) -> Sequence[Manifest]:
        """Return the stores."""
        stores = self.settings.stores.items()
        return [secret_stores.store_of(name, store, _NAME, self.namespace) for name, store in stores]

    def outputs(self) -> Mapping[str, object]:
        """Return the names of the stores."""
        return {"secret_stores": list(self.settings.stores)}

    def problems(self) -> Iterator[Finding]:
        """Yield what is wrong with the stores."""
        return secret_stores.problems(self.settings.stores, self.lab)
