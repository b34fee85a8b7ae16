"""Vault, which stores secrets and controls access to them."""

import json
from collections.abc import Iterator, Mapping, Sequence

from components.kubernetes.manifest import Json, Manifest
from components.layers.cert_manager.layer import CertManagerSettings
from components.layers.shared import volumes
from components.layers.shared.web_ui import WebUI
from components.layers.traefik.layer import INGRESS_CLASS
from components.layers.vault import seal as vault_seal
from components.layers.vault.seal import VaultSealSettings
from components.platform.layer import Layer, resources
from components.settings.errors import Finding
from components.settings.fields import DnsLabel, Domain
from components.settings.kubernetes_fields import Size
from components.settings.model import Model

NAME = "vault"
TLS_SECRET = "vault-tls"  # noqa: S105 - the name of a Kubernetes Secret
"""Name of the Kubernetes Secret that contains Vault's certificate, and the CA certificate in `ca.crt`."""
URL = f"https://{NAME}-active.{NAME}.svc:8200"
_TLS_FOLDER = f"/vault/userconfig/{TLS_SECRET}"
_CA_ISSUER = "ca"


class VaultSettings(Model):
    """Settings of Vault, which stores secrets. Initialize Vault yourself after the first `pulumi up` (see
    docs/vault.md)."""

    seal: VaultSealSettings | None = None
    """Auto-unseal. Default: none, so people unseal Vault with the unseal keys from its initialization."""
    size: Size = "10Gi"
    """Volume size of each member. A later change of the size does not resize existing volumes."""
    storage_class: DnsLabel | None = None
    """StorageClass of the volumes. Default: `longhorn-single` with the layer longhorn and three members, otherwise the
    cluster's default StorageClass."""
    host: Domain | None = None
    """Host name of the web UI. Default: `vault.DOMAIN`."""
    issuer: DnsLabel | None = None
    """ClusterIssuer for the TLS certificate of Vault's web UI. Default: the default ClusterIssuer of the layer
    certManager."""


class Vault(Layer[VaultSettings]):
    """Layer for Vault, with three members on different nodes.

    If the cluster has fewer than three untainted nodes, Vault has only one member.
    """

    key = "vault"
    settings_type = VaultSettings
    namespace = NAME
    requires = ("certManager",)
    installs_after = ("traefik", "longhorn")
    user_data = "the volumes of Vault"
    user_data_queries = (f"persistentvolumeclaims -n {NAME}",)

    def values(self) -> Mapping[str, Json]:
        """Return the Helm values.

        A Vault pod becomes ready only after Vault is unsealed, which may need your action. homelab therefore does not
        wait for ready pods.
        """
        return {
            "vault": {
                "global": {"tlsDisable": False},
                "injector": {"enabled": False},
                "ui": {"enabled": True},
                "server": self._server(),
                "serverTelemetry": {"serviceMonitor": self._monitor()},
            }
        }

    def _server(self) -> Json:
        config = json.dumps(self._config(), indent=2)
        replicated = self.lab.quorum_size > 1
        storage_class = volumes.storage_class_for(self.lab, self.settings.storage_class, self.lab.quorum_size)
        return {
            "updateStrategyType": "OnDelete",  # Helm would wait for pods, which are ready only after initialization
            "resources": resources("100m", "512Mi"),
            "ha": {
                "enabled": True,
                "replicas": self.lab.quorum_size,
                "raft": {"enabled": True, "setNodeId": True, "config": config},
                "disruptionBudget": {"enabled": replicated},
            },
            "dataStorage": {"size": self.settings.size, **({"storageClass": storage_class} if storage_class else {})},
            "extraArgs": f"-config={vault_seal.MOUNT_PATH}/seal.hcl" if self.settings.seal else "",
            "extraEnvironmentVars": {"VAULT_CACERT": f"{_TLS_FOLDER}/ca.crt"},
            "volumes": [{"name": secret, "secret": {"secretName": secret}} for secret in self._mounted_secrets],
            "volumeMounts": [
                {"name": secret, "mountPath": f"/vault/userconfig/{secret}", "readOnly": True}
                for secret in self._mounted_secrets
            ],
            "service": {"active": {"annotations": self._backend_annotations()}},
            "ingress": self._ingress(),
        }

    @property
    def _mounted_secrets(self) -> list[str]:
        return [TLS_SECRET, *([vault_seal.NAME] if self.settings.seal else [])]

    def _config(self) -> Json:
        listener: dict[str, Json] = {
            "address": "[::]:8200",
            "cluster_address": "[::]:8201",
            "tls_cert_file": f"{_TLS_FOLDER}/tls.crt",
            "tls_key_file": f"{_TLS_FOLDER}/tls.key",
        }
        members = [
            {"leader_api_addr": f"https://{member}:8200", "leader_ca_cert_file": f"{_TLS_FOLDER}/ca.crt"}
            for member in self._member_names
        ]
        config: dict[str, Json] = {"ui": True, "listener": {"tcp": listener}}
        config["storage"] = {"raft": {"path": "/vault/data", "retry_join": members}}
        config["service_registration"] = {"kubernetes": {}}
        if self.has_monitoring:
            listener["telemetry"] = {"unauthenticated_metrics_access": True}
            config["telemetry"] = {"prometheus_retention_time": "24h", "disable_hostname": True}
        return config

    def _monitor(self) -> Json:
        if not self.has_monitoring:
            return {"enabled": False}
        tls_config = {"ca": {"secret": {"name": TLS_SECRET, "key": "ca.crt"}}, "serverName": f"{NAME}.{NAME}.svc"}
        return {"enabled": True, "tlsConfig": tls_config}

    def _backend_annotations(self) -> dict[str, str]:
        prefix = "traefik.ingress.kubernetes.io/service"
        transport = f"{NAME}-{NAME}@kubernetescrd"
        return (
            {f"{prefix}.serversscheme": "https", f"{prefix}.serverstransport": transport}
            if self.web_ui.has_ingress
            else {}
        )

    def _ingress(self) -> Json:
        if not self.web_ui.has_ingress:
            return {"enabled": False}
        return {
            "enabled": True,
            "ingressClassName": INGRESS_CLASS,
            "annotations": self.web_ui.annotations,
            "hosts": [{"host": self.web_ui.host, "paths": []}],
            "tls": self.web_ui.tls("vault-page-tls"),
        }

    def objects_before_charts(self) -> Sequence[Manifest]:
        """Return the Kubernetes Secret with the configuration of Vault's auto-unseal."""
        return [vault_seal.secret(self.settings.seal, self.namespace)] if self.settings.seal else ()

    def objects_after_charts(self) -> Sequence[Manifest]:
        """Return the Certificate of Vault, and the ServersTransport with which Traefik trusts this certificate."""
        spec: Json = {"serverName": f"{NAME}-active.{NAME}.svc", "rootCAs": [{"secret": TLS_SECRET}]}
        version = "traefik.io/v1alpha1"
        transport = {"apiVersion": version, "kind": "ServersTransport", "metadata": self.metadata(NAME), "spec": spec}
        return [self._certificate(), *([transport] if self.web_ui.has_ingress else [])]

    def _certificate(self) -> Manifest:
        services = [
            name
            for service in (NAME, f"{NAME}-active")
            for name in (service, f"{service}.{NAME}", f"{service}.{NAME}.svc")
        ]
        spec = {
            "secretName": TLS_SECRET,
            "duration": "26280h",  # three years, because Vault reads the certificate only at startup
            "renewBefore": "13140h",
            "dnsNames": [*services, *self._member_names, "localhost"],
            "ipAddresses": ["127.0.0.1"],
            "usages": ["digital signature", "key encipherment", "server auth", "client auth"],
            "issuerRef": {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": _CA_ISSUER},
        }
        return {
            "apiVersion": "cert-manager.io/v1",
            "kind": "Certificate",
            "metadata": self.metadata(TLS_SECRET),
            "spec": spec,
        }

    @property
    def _member_names(self) -> list[str]:
        return [f"{NAME}-{index}.{NAME}-internal" for index in range(self.lab.quorum_size)]

    @property
    def web_ui(self) -> WebUI:
        """The web UI of Vault."""
        return WebUI(self.lab, self.key, NAME, self.settings.host, self.settings.issuer)

    def findings(self) -> Iterator[Finding]:
        """Yield errors in Vault's web UI, auto-unseal and ClusterIssuer."""
        yield from self.web_ui.findings()
        if self.settings.seal:
            yield from vault_seal.findings(self.settings.seal)
        issuers = self.lab.settings_of(CertManagerSettings)
        if issuers and not issuers.has_ca:
            reason = "needs the lab's own CA for host names inside the cluster, but certManager has no CA"
            yield (), reason, "add ca: {} to certManager, next to acme"
