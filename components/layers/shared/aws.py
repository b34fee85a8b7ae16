"""AWS access keys in the settings of layers."""

from components.settings.errors import Findings
from components.settings.model import Model, SecretRef


class AwsKeysSettings(Model):
    """An AWS access key."""

    access_key: SecretRef | None = None
    """Secret that contains the access key ID. Default: the instance role."""
    secret_key: SecretRef | None = None
    """Secret that contains the secret access key."""


def findings(settings: AwsKeysSettings, *path: str) -> Findings:
    """Yield an error if only one of access key ID and secret key is set. `path` is the path of `settings`."""
    if (settings.access_key is None) is not (settings.secret_key is None):
        reason = "needs both accessKey and secretKey, or neither"
        yield path, reason, "set both keys, or remove both keys to use the machines' instance role"
