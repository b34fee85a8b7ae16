"""Settings of an S3 bucket, with endpoint and credentials."""

from typing import Annotated

from components.kubernetes.manifest import Json
from components.settings.fields import Bucket, Url
from components.settings.kubernetes_fields import matching
from components.settings.model import Model, SecretRef

MISSING_BUCKET_FIX = "set a bucket here, or a bucket for all layers under homelab:platform.objectStore"


Region = Annotated[
    str,
    matching("region", "[a-z0-9-]+", "write a region such as eu-central-1; self-hosted services often use us-east-1"),
]
Folder = Annotated[
    str,
    matching(
        "folder of a bucket",
        "[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*",
        "use letters, digits, dots, dashes, underscores and single slashes, with no slash at the ends",
    ),
]


class ObjectStoreSettings(Model):
    """Settings of a bucket in an S3 service."""

    endpoint: Url | None = None
    """URL of the S3 service. Default: Amazon S3."""
    bucket: Bucket
    """Name of the S3 bucket, which must already exist."""
    region: Region = "us-east-1"
    """Region of the S3 bucket, such as eu-central-1."""
    path: Folder | None = None
    """Folder (key prefix) in the S3 bucket. Default: the root folder of the bucket."""
    access_key: SecretRef
    """Pulumi secret that contains the access key ID of the S3 service."""
    secret_key: SecretRef
    """Pulumi secret that contains the secret access key of the S3 service."""

    @property
    def url(self) -> str:
        """URL of the S3 service. If `endpoint` is missing, the service is Amazon S3 in the bucket's region."""
        return self.endpoint or f"https://s3.{self.region}.amazonaws.com"

    def output(self) -> dict[str, Json]:
        """Return the bucket as a stack output, which contains references to the secrets."""
        return {
            "endpoint": self.url,
            "bucket": self.bucket,
            "region": self.region,
            "path": self.path or "",
            "accessKey": self.access_key,
            "secretKey": self.secret_key,
        }
