"""Settings of the secret stores of External Secrets Operator, checks of these settings, and Kubernetes objects."""

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
"""Name of each AWS service in External Secrets Operator, by setting."""


class AwsStoreSettings(aws.AwsKeysSettings):
    """Settings of a secret store in AWS."""

    region: Region
    """Region, such as eu-central-1."""


class VaultStoreSettings(Model):
    """Settings of a KV secrets engine (version 2) of Vault.

    Set exactly one of `token` and `kubernetesRole` for the login to Vault.
    """

    server: Url | None = None
    """URL of Vault. Default: the Vault server that the layer `vault` installs."""
    path: Text = "secret"
    """Mount path of the KV secrets engine in Vault."""
    token: SecretRef | None = None
    """Pulumi secret that contains a Vault token with read access."""
    kubernetes_role: Text | None = None
    """Vault role of the Kubernetes auth method for the ServiceAccount of External Secrets Operator. Vault's Kubernetes
    auth method must have the mount path `kubernetes`."""
    ca: Certificate | None = None
    """CA certificate of the Vault server, encoded with `base64 -w0 ca.pem`. Default: public CAs, such as Let's
    Encrypt."""


class SecretStoreSettings(Model):
    """Settings of a secret store. Set exactly one of `secretsManager`, `parameterStore` and `vault` for each secret
    store."""

    secrets_manager: AwsStoreSettings | None = None
    """AWS Secrets Manager."""
    parameter_store: AwsStoreSettings | None = None
    """Settings of AWS Systems Manager Parameter Store."""
    vault: VaultStoreSettings | None = None
    """Vault."""

    @property
    def aws_service(self) -> tuple[str, AwsStoreSettings] | None:
        """Service name and settings of the AWS store, or None if the store is in Vault."""
        services = {"secrets_manager": self.secrets_manager, "parameter_store": self.parameter_store}
        return next(((name, settings) for name, settings in services.items() if settings), None)


def credential_secrets(name: str, store: SecretStoreSettings, namespace: str) -> Iterator[Manifest]:
    """Yield the Kubernetes Secret with the credentials for the secret store, if the store needs credentials."""
    data: dict[str, Json] = {}
    if store.aws_service and store.aws_service[1].access_key:
        data = {"accessKey": store.aws_service[1].access_key, "secretKey": store.aws_service[1].secret_key}
    elif store.vault and store.vault.token:
        data = {"token": store.vault.token}
    if data:
        metadata = {"name": _secret_name(name), "namespace": namespace}
        yield secret_manifest(metadata, data)


def cluster_secret_store(name: str, store: SecretStoreSettings, account: str, namespace: str) -> Manifest:
    """Build the ClusterSecretStore. `account` is the name of the ServiceAccount of External Secrets Operator."""
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
    """Yield errors in the settings of each secret store."""
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
