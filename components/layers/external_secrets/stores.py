"""Settings, Kubernetes objects and validation of the secret stores of external-secrets."""

from collections.abc import Iterator

from components.kubernetes.manifest import Json, Manifest, secret_manifest
from components.layers.shared import aws
from components.layers.vault import layer as vault_layer
from components.platform.layer import LabContext
from components.platform.object_store import Region
from components.settings.checks import exactly_one
from components.settings.errors import Finding
from components.settings.fields import Certificate, DnsLabel, Text, Url
from components.settings.model import Model, SecretRef

AWS_SERVICES = {"secrets_manager": "SecretsManager", "parameter_store": "ParameterStore"}
"""Name of the AWS service in external-secrets, by setting."""


class AwsStoreSettings(aws.AwsKeysSettings):
    """A secret store in AWS."""

    region: Region
    """Region, such as eu-central-1."""


class VaultStoreSettings(Model):
    """A key-value engine (version 2) of Vault. Set exactly one of `token` and `kubernetesRole`."""

    server: Url | None = None
    """URL of Vault. Default: the lab's own Vault, installed by the layer `vault`."""
    path: Text = "secret"
    """Mount path of the key-value engine in Vault."""
    token: SecretRef | None = None
    """Secret that contains a token with read access."""
    kubernetes_role: Text | None = None
    """Vault role for the ServiceAccount of external-secrets. Vault's Kubernetes auth method must be mounted at
    `kubernetes`."""
    ca: Certificate | None = None
    """CA certificate for `server`: the output of `base64 -w0 ca.pem`. Default: the publicly trusted CAs."""


class SecretStoreSettings(Model):
    """A secret store. Set exactly one of `secretsManager`, `parameterStore` and `vault`."""

    secrets_manager: AwsStoreSettings | None = None
    """AWS Secrets Manager."""
    parameter_store: AwsStoreSettings | None = None
    """AWS Systems Manager Parameter Store."""
    vault: VaultStoreSettings | None = None
    """Vault."""

    @property
    def aws_service(self) -> tuple[str, AwsStoreSettings] | None:
        """Name and value of the store's AWS setting, or None for a store in Vault."""
        services = {"secrets_manager": self.secrets_manager, "parameter_store": self.parameter_store}
        return next(((name, settings) for name, settings in services.items() if settings), None)


def credential_secrets(name: str, store: SecretStoreSettings, namespace: str) -> Iterator[Manifest]:
    """Yield the Secret with the store's credentials, if the store has credentials."""
    data: dict[str, Json] = {}
    if store.aws_service and store.aws_service[1].access_key:
        data = {"accessKey": store.aws_service[1].access_key, "secretKey": store.aws_service[1].secret_key}
    elif store.vault and store.vault.token:
        data = {"token": store.vault.token}
    if data:
        metadata = {"name": _secret_name(name), "namespace": namespace}
        yield secret_manifest(metadata, data)


def cluster_secret_store(name: str, store: SecretStoreSettings, account: str, namespace: str) -> Manifest:
    """Build the ClusterSecretStore. `account` is the name of external-secrets' ServiceAccount."""
    if store.aws_service:
        provider = {"aws": _aws(name, *store.aws_service, namespace)}
    else:
        assert store.vault
        provider = {"vault": _vault(name, store.vault, account, namespace)}
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ClusterSecretStore",
        "metadata": {"name": name},
        "spec": {"provider": provider},
    }


def _aws(name: str, setting: str, store: AwsStoreSettings, namespace: str) -> Json:
    keys = (("accessKeyIDSecretRef", "accessKey"), ("secretAccessKeySecretRef", "secretKey"))
    auth = {"secretRef": {field: _key_ref(name, namespace, key) for field, key in keys}}
    return {"service": AWS_SERVICES[setting], "region": store.region} | ({"auth": auth} if store.access_key else {})


def _vault(name: str, vault: VaultStoreSettings, account: str, namespace: str) -> Json:
    auth: Json = {"tokenSecretRef": _key_ref(name, namespace, "token")}
    if vault.kubernetes_role:
        account_ref = {"name": account, "namespace": namespace}
        auth = {
            "kubernetes": {"mountPath": "kubernetes", "role": vault.kubernetes_role, "serviceAccountRef": account_ref}
        }
    return {"server": vault.server or vault_layer.URL, "path": vault.path, "version": "v2", "auth": auth} | _ca_fields(
        vault
    )


def _ca_fields(vault: VaultStoreSettings) -> Json:
    if vault.server is None:
        return {
            "caProvider": {
                "type": "Secret",
                "name": vault_layer.TLS_SECRET,
                "namespace": vault_layer.NAME,
                "key": "ca.crt",
            }
        }
    return {"caBundle": vault.ca} if vault.ca else {}


def _secret_name(name: str) -> str:
    return f"store-{name}"


def _key_ref(name: str, namespace: str, key: str) -> Json:
    return {"name": _secret_name(name), "namespace": namespace, "key": key}


def findings(stores: dict[DnsLabel, SecretStoreSettings], lab: LabContext) -> Iterator[Finding]:
    """Yield errors in the settings of the secret stores."""
    for name, store in stores.items():
        path = ("stores", name)
        yield from exactly_one(path, store, "secrets_manager", "parameter_store", "vault")
        for key, settings in (("secretsManager", store.secrets_manager), ("parameterStore", store.parameter_store)):
            if settings:
                yield from aws.findings(settings, *path, key)
        if store.vault:
            yield from _vault_problems(store.vault, (*path, "vault"), lab)


def _vault_problems(vault: VaultStoreSettings, path: tuple[str, ...], lab: LabContext) -> Iterator[Finding]:
    yield from exactly_one(path, vault, "token", "kubernetes_role")
    if vault.server is None and not lab.is_enabled("vault"):
        yield (*path, "server"), "is missing, and the lab has no Vault", "set it, or add vault: {} to the platform"
    if vault.server is None and vault.ca:
        yield (*path, "ca"), "is set without server", "remove ca: homelab knows the CA of the lab's own Vault"
