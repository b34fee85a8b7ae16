"""Stores of secrets elsewhere: their settings, as external-secrets' objects, and what is wrong with them."""

from collections.abc import Iterator

from components import aws
from components.fields import Certificate, HostLabel, Text, Url
from components.layer import Finding, Lab
from components.layers.vault import ADDRESS, NAME, TLS
from components.manifest import Manifest, Tree, secret_of
from components.model import Model, SecretRef
from components.object_store import Region

KINDS = {"secrets_manager": "SecretsManager", "parameter_store": "ParameterStore"}
"""Services of AWS, by the setting that names one."""


class AwsStoreSettings(Model):
    """A service of AWS that keeps secrets."""

    region: Region
    """Region, such as eu-central-1."""
    access_key: SecretRef | None = None
    """Secret that holds the access key's id. Default: what the machines are given by their surroundings."""
    secret_key: SecretRef | None = None
    """Secret that holds the secret access key."""


class VaultStoreSettings(Model):
    """A key-value engine (version 2) of Vault; exactly one of `token` and `kubernetesRole` opens it."""

    server: Url | None = None
    """URL of Vault. Default: the layer `vault` of this lab."""
    path: Text = "secret"
    """Path at which the engine is."""
    token: SecretRef | None = None
    """Secret that holds a token which may read it."""
    kubernetes_role: Text | None = None
    """Role of Vault's Kubernetes authentication, at `kubernetes`, for external-secrets' service account."""
    ca: Certificate | None = None
    """Certificate authority of `server`, as `base64 -w0 ca.pem` prints it. Default: those publicly trusted."""


class SecretStoreSettings(Model):
    """A store, by exactly one of `secretsManager`, `parameterStore` and `vault`."""

    secrets_manager: AwsStoreSettings | None = None
    """AWS Secrets Manager."""
    parameter_store: AwsStoreSettings | None = None
    """AWS Systems Manager Parameter Store."""
    vault: VaultStoreSettings | None = None
    """Vault."""

    @property
    def aws(self) -> tuple[str, AwsStoreSettings] | None:
        """The setting that names a service of AWS, and what it says."""
        found = {"secrets_manager": self.secrets_manager, "parameter_store": self.parameter_store}
        return next(((name, given) for name, given in found.items() if given), None)


def keys(name: str, store: SecretStoreSettings, namespace: str) -> Iterator[Manifest]:
    """Yield the secret that opens a store, if one is given."""
    data: dict[str, Tree] = {}
    if store.aws and store.aws[1].access_key:
        data = {"accessKey": store.aws[1].access_key, "secretKey": store.aws[1].secret_key}
    elif store.vault and store.vault.token:
        data = {"token": store.vault.token}
    if data:
        metadata = {"name": _secret(name), "namespace": namespace}
        yield secret_of(metadata, data)


def store_of(name: str, store: SecretStoreSettings, account: str, namespace: str) -> Manifest:
    """The store, for all namespaces; `account` is external-secrets' service account."""
    if store.aws:
        provider = {"aws": _aws(name, *store.aws, namespace)}
    else:
        assert store.vault
        provider = {"vault": _vault(name, store.vault, account, namespace)}
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ClusterSecretStore",
        "metadata": {"name": name},
        "spec": {"provider": provider},
    }


def _aws(name: str, setting: str, store: AwsStoreSettings, namespace: str) -> Tree:
    keys = (("accessKeyIDSecretRef", "accessKey"), ("secretAccessKeySecretRef", "secretKey"))
    auth = {"secretRef": {field: _key(name, namespace, key) for field, key in keys}}
    return {"service": KINDS[setting], "region": store.region} | ({"auth": auth} if store.access_key else {})


def _vault(name: str, vault: VaultStoreSettings, account: str, namespace: str) -> Tree:
    auth: Tree = {"tokenSecretRef": _key(name, namespace, "token")}
    if vault.kubernetes_role:
        who = {"name": account, "namespace": namespace}
        auth = {"kubernetes": {"mountPath": "kubernetes", "role": vault.kubernetes_role, "serviceAccountRef": who}}
    return {"server": vault.server or ADDRESS, "path": vault.path, "version": "v2", "auth": auth} | _authority(vault)


def _authority(vault: VaultStoreSettings) -> Tree:
    if vault.server is None:
        return {"caProvider": {"type": "Secret", "name": TLS, "namespace": NAME, "key": "ca.crt"}}
    return {"caBundle": vault.ca} if vault.ca else {}


def _secret(name: str) -> str:
    return f"store-{name}"


def _key(name: str, namespace: str, key: str) -> Tree:
    return {"name": _secret(name), "namespace": namespace, "key": key}


def problems(stores: dict[HostLabel, SecretStoreSettings], lab: Lab) -> Iterator[Finding]:
    """Yield what is wrong with the stores."""
    for name, store in stores.items():
        place = ("stores", name)
        if [store.secrets_manager, store.parameter_store, store.vault].count(None) != 2:
            reason = "needs exactly one of secretsManager, parameterStore and vault"
            yield place, reason, "add one, or keep one of them"
        for key, given in (("secretsManager", store.secrets_manager), ("parameterStore", store.parameter_store)):
            if given:
                yield from aws.problems(given.access_key, given.secret_key, *place, key)
        if store.vault:
            yield from _vault_problems(store.vault, (*place, "vault"), lab)


def _vault_problems(vault: VaultStoreSettings, place: tuple[str, ...], lab: Lab) -> Iterator[Finding]:
    if (vault.token is None) is (vault.kubernetes_role is None):
        yield place, "needs exactly one of token and kubernetesRole", "add one, or keep one of them"
    if vault.server is None and not lab.has("vault"):
        yield (*place, "server"), "is missing, and the lab has no Vault", "name one, or add vault: {}"
    if vault.server is None and vault.ca:
        yield (*place, "ca"), "has no server that it is for", "leave it out: the lab's own Vault is known"
