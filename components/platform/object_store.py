"""Settings of an S3 bucket, with endpoint and credentials."""

import re
from typing import Annotated

from components.settings.errors import setting_error
from components.settings.fields import Bucket, TextType, Url
from components.settings.model import Model, SecretRef

MISSING_BUCKET_FIX = "set a bucket here, or a bucket for all layers under homelab:platform.objectStore"
_FOLDER = "[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*"


def _folder(value: str) -> str:
    if not re.fullmatch(_FOLDER, value, re.ASCII):
        fix = "use letters, digits, dots, dashes, underscores and single slashes, with no slash at the ends"
        raise setting_error("is not a valid folder of a bucket", fix)
    return value


def _region(value: str) -> str:
    if not re.fullmatch("[a-z0-9-]+", value, re.ASCII):
        raise setting_error(
            "is not a region", "write a region such as eu-central-1; self-hosted services often use us-east-1"
        )
    return value


Region = Annotated[str, TextType("region", _region, "[a-z0-9-]+")]


class ObjectStoreSettings(Model):
    """Settings of a bucket in an S3 service."""

    endpoint: Url | None = None
    """URL of the S3 service. Default: Amazon S3."""
    bucket: Bucket
    """Name of the S3 bucket, which must already exist."""
    region: Region = "us-east-1"
    """Region of the S3 bucket, such as eu-central-1."""
    path: Annotated[str, TextType("folder of a bucket", _folder, _FOLDER)] | None = None
    """Folder (key prefix) in the S3 bucket. Default: the root folder of the bucket."""
    access_key: SecretRef
    """Pulumi secret that contains the access key ID of the S3 service."""
    secret_key: SecretRef
    """Pulumi secret that contains the secret access key of the S3 service."""

    @property
    def url(self) -> str:
        """URL of the S3 service. If `endpoint` is missing, the service is Amazon S3 in the bucket's region."""
        return self.endpoint or f"https://s3.{self.region}.amazonaws.com"
