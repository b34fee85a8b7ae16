"""AWS access keys in the settings of layers."""

from components.settings.errors import Findings
from components.settings.model import Model, SecretRef


class AwsKeysSettings(Model):
    """An AWS access key."""

    access_key: SecretRef | None = None
    """Pulumi secret that contains the AWS access key ID. Default: the IAM role of the machine."""
    secret_key: SecretRef | None = None
    """Pulumi secret that contains the AWS secret access key."""


def findings(settings: AwsKeysSettings, *path: str) -> Findings:
    """Yield an error if the AWS settings contain only one half of the access key: its ID or its secret.

    `path` is the path of the AWS settings in the stack file.
    """
    if (settings.access_key is None) is not (settings.secret_key is None):
        reason = "needs both accessKey and secretKey, or neither"
        yield path, reason, "set both keys, or remove both keys to use the machines' instance role"
