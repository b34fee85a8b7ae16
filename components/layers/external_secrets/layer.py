"""External Secrets Operator, which copies secrets from AWS or Vault into Kubernetes Secrets."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import Field

from components.kubernetes.manifest import Json, Manifest
from components.layers.external_secrets import stores as secret_stores
from components.layers.external_secrets.stores import SecretStoreSettings
from components.platform.layer import Layer, disruption_budget, resources, topology_spread
from components.settings.errors import Finding
from components.settings.fields import DnsLabel
from components.settings.model import Model

_NAME = "external-secrets"


class ExternalSecretsSettings(Model):
    """Settings of External Secrets Operator, which copies secrets from AWS or Vault into Kubernetes Secrets."""

    stores: dict[DnsLabel, SecretStoreSettings] = Field(default_factory=dict)
    """Secret stores (AWS services or Vault servers) by a name of your choice. A Kubernetes user who may create
    ExternalSecrets can read all secrets of every secret store."""


class ExternalSecrets(Layer[ExternalSecretsSettings]):
    """Layer for External Secrets Operator and its secret stores, which apps use through the setting `remoteSecrets`."""

    key = "externalSecrets"
    settings_type = ExternalSecretsSettings
    namespace = _NAME
    pod_security = "restricted"
    installs_after = ("vault",)
    # Kubernetes deletes these Secrets together with the CRDs of the layer
    user_data = "Secrets that it synchronizes from external stores"
    user_data_queries = ("externalsecrets.external-secrets.io -A", "pushsecrets.external-secrets.io -A")

    def values(self) -> Mapping[str, Json]:
        """Return the Helm values of External Secrets Operator.

        The controller and the webhook of External Secrets Operator have up to two replicas each.
        """
        values: dict[str, Json] = {
            "installCRDs": True,
            "leaderElect": self.lab.replicas(2) > 1,
            **self._replicated(_NAME, "192Mi"),
            "webhook": self._replicated(f"{_NAME}-webhook", "96Mi"),
            "certController": {"resources": resources("10m", "128Mi")},
            "serviceMonitor": {"enabled": self.has_monitoring},
        }
        return {_NAME: values}

    def _replicated(self, name: str, memory: str) -> dict[str, Json]:
        replicas = self.lab.replicas(2)
        return {
            "replicaCount": replicas,
            "podDisruptionBudget": disruption_budget(replicas, minAvailable=1),
            "resources": resources("10m", memory),
            "topologySpreadConstraints": topology_spread({"app.kubernetes.io/name": name}),
        }

    def objects_before_charts(self) -> Sequence[Manifest]:
        """Return the Kubernetes Secrets that contain the credentials for the secret stores."""
        stores = self.settings.stores.items()
        return [
            secret for name, store in stores for secret in secret_stores.credential_secrets(name, store, self.namespace)
        ]

    def objects_after_charts(self) -> Sequence[Manifest]:
        """Return the secret stores."""
        stores = self.settings.stores.items()
        return [secret_stores.cluster_secret_store(name, store, _NAME, self.namespace) for name, store in stores]

    def outputs(self) -> Mapping[str, object]:
        """Return the names of the ClusterSecretStores, as a stack output."""
        return {"secret_stores": list(self.settings.stores)}

    def findings(self) -> Iterator[Finding]:
        """Yield errors in the settings of the secret stores."""
        return secret_stores.findings(self.settings.stores, self.lab)
