"""Settings of an app's secrets in an external store, and of its login at the image's registry."""

from components.settings.fields import DnsLabel, Text
from components.settings.model import Model, SecretRef


class AppRemoteSecretSettings(Model):
    """Settings of a secret in an external store, which the platform's layer externalSecrets copies into the cluster."""

    store: DnsLabel
    """Name of the ClusterSecretStore, from `externalSecrets.stores` of the platform."""
    key: Text
    """Name of the secret in the external store, such as shop/payments."""
    property: Text | None = None
    """Key of the value, for a secret that contains several values. Default: the whole secret."""


class AppPullSettings(Model):
    """Credentials for the registry of the app's image."""

    username: Text
    """User name at the registry."""
    password: SecretRef
    """Pulumi secret that contains the password or token."""
