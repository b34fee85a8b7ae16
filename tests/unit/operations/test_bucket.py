"""The list of snapshots on S3: asked of a service that verifies signatures, in pages."""

import base64
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.cluster.k3s.settings import S3Settings
from operations import bucket
from operations.bucket import BucketError, StoredObject
from tests.support import s3_server
from tests.support.files_over_http import running
from tests.support.s3_server import Bucket, S3Server


@pytest.fixture
def service(tmp_path: Path) -> Iterator[S3Server]:
    service = S3Server("127.0.0.1", 0, tmp_path, Bucket("lab", {"id": "key/+="}))
    with running(service):
        yield service


def settings(service: S3Server, **changes: object) -> S3Settings:
    given = {
        "bucket": "lab",
        "accessKey": {"secret": "id"}, "secretKey": {"secret": "key"},
        "endpointCa": base64.b64encode(service.ca.read_bytes()).decode(),
    }  # fmt: skip
    endpoint = changes.pop("endpoint", f"127.0.0.1:{service.server_address[1]}")  # which no settings may say
    return S3Settings.model_validate(given | changes).model_copy(update={"endpoint": endpoint})


def put(service: S3Server, *keys: str) -> None:
    for key in keys:
        service.bucket.objects[key] = s3_server.StoredObject(b"12345", {}, 1_700_000_000)


def test_objects_of_the_folder_are_listed_and_those_below_it_are_not(service: S3Server) -> None:
    put(service, "etcd/a & b-1", "etcd/c-2", "etcd/.metadata/c-2", "other/d-3", "etcd", "e-4")
    found = list(bucket.list_objects(settings(service, folder="etcd"), "id", "key/+="))
    assert found == [StoredObject("a & b-1", 5, 1_700_000_000), StoredObject("c-2", 5, 1_700_000_000)]


def test_without_a_folder_the_top_is_listed(service: S3Server) -> None:
    put(service, "etcd/a-1", "e-4")
    assert [each.key for each in bucket.list_objects(settings(service), "id", "key/+=")] == ["e-4"]


def test_every_page_is_read(service: S3Server) -> None:
    service.bucket.page = 2
    put(service, *(f"s-{number}" for number in range(5)))
    assert [each.key for each in bucket.list_objects(settings(service), "id", "key/+=")] == [f"s-{n}" for n in range(5)]


@pytest.mark.parametrize(
    ("changes", "keys", "reason"),
    [
        ({}, ("id", "wrong"), "refuses to list bucket lab: SignatureDoesNotMatch (403)"),
        ({}, ("nobody", "wrong"), "refuses to list bucket lab: InvalidAccessKeyId (403)"),
        ({"bucket": "other"}, ("id", "key/+="), "refuses to list bucket other: NoSuchBucket (404)"),
        ({"endpointCa": None}, ("id", "key/+="), "certificate verify failed"),
        ({"endpoint": "127.0.0.1:1"}, ("id", "key/+="), "Connection refused"),
    ],
)
def test_what_is_wrong_is_said(
    service: S3Server, changes: dict[str, object], keys: tuple[str, str], reason: str
) -> None:
    with pytest.raises(BucketError) as error:
        list(bucket.list_objects(settings(service, **changes), *keys))
    assert reason in str(error.value)
    assert keys[1] not in str(error.value)


def test_buckets_of_amazon_are_found_by_their_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def open_url(_: object, request: object, **__: object) -> object:
        asked.append(request.full_url)  # type: ignore[attr-defined]
        raise OSError("enough")

    monkeypatch.setattr("urllib.request.OpenerDirector.open", open_url)
    given = {"bucket": "lab", "region": "eu-west-1", "accessKey": {"secret": "i"}, "secretKey": {"secret": "k"}}
    with pytest.raises(BucketError):
        list(bucket.list_objects(S3Settings.model_validate(given), "id", "key"))
    assert asked == ["https://lab.s3.eu-west-1.amazonaws.com/?list-type=2&prefix="]


def test_the_signature_is_the_one_that_amazon_publishes() -> None:
    """The example of its documentation: GET Bucket (List Objects)."""
    now = time.mktime(time.strptime("20130524T000000Z", "%Y%m%dT%H%M%SZ")) - time.timezone
    headers = bucket.signed_headers(
        "examplebucket.s3.amazonaws.com", "/", {"max-keys": "2", "prefix": "J"}, region="us-east-1",
        keys=("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), now=now,
    )  # fmt: skip
    assert headers["authorization"].endswith("34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
