"""Artifacts in S3 or what speaks like it (MinIO, Supabase Storage). Imported only where ``ARTIFACTS_URL`` says so.

Credentials and region come from the environment in boto3's own way (``AWS_ACCESS_KEY_ID``, …).
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shared.artifact_stores import BlobStore
from shared.artifacts import BlobWriter, FileRef, StoredBlob, TransientStore
from shared.blobs import HashingWriter, Source, blob_name
from shared.errors import NotFoundError, UnavailableError

_CONFIG: Final = {
    "connect_timeout": 3,
    "read_timeout": 30,
    "retries": {"mode": "standard", "total_max_attempts": 3},
    # newer checksums by default are refused by S3 servers that are not AWS
    "request_checksum_calculation": "when_required",
    "response_checksum_validation": "when_required",
}
# Parts of 8 MiB, three on their way: at most about 32 MiB of memory whatever the blob's size
_TRANSFER: Final = TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=8 << 20, max_concurrency=3)
_MISSING: Final = {"404", "NoSuchKey", "NotFound"}


class S3Store(BlobStore):
    """Blobs as objects: ``prefix/blobs/ab/abcd…``. S3 shows an object only when all of it has arrived."""

    def __init__(
        self,
        bucket: str,
        prefix: str,
        *,
        endpoint_url: str | None = None,
        client: Any = None,
        transient: bool = False,
    ) -> None:
        self._bucket = bucket
        self._root = prefix
        self._transient = transient
        self._prefix = f"{prefix}/blobs" if prefix else "blobs"
        # bucket.host names need a wildcard DNS entry, which servers other than AWS seldom have
        style = {"addressing_style": "path" if endpoint_url else "auto"}
        self._client: Any = client or boto3.client("s3", endpoint_url=endpoint_url, config=Config(s3=style, **_CONFIG))

    @contextmanager
    def writer(self) -> Iterator[BlobWriter]:
        """Stream one blob: to a local file that has no name until its hash is known, then to S3."""
        with tempfile.TemporaryFile(buffering=0) as file:
            writer = HashingWriter(file)
            yield writer
            file.seek(0)
            ref = writer.finish()
            if self._transient or self._size(ref.sha256) != ref.size:  # written again, it is young again
                with _errors():
                    self._client.upload_fileobj(file, self._bucket, self._key(ref.sha256), Config=_TRANSFER)

    def read_range(self, ref: FileRef, start: int, length: int) -> bytes:
        """Read some bytes, unverified; fewer at the end of the blob. Raises NotFoundError."""
        end = min(start + length, ref.size)
        if start >= end:
            return b""
        with _errors():
            answer = self._client.get_object(
                Bucket=self._bucket, Key=self._key(ref.sha256), Range=f"bytes={start}-{end - 1}"
            )
            data: bytes = answer["Body"].read()
            return data

    def check(self) -> None:
        """Raise UnavailableError unless the bucket answers."""
        try:
            with _errors():
                self._client.head_bucket(Bucket=self._bucket)
        except NotFoundError:
            raise UnavailableError(f"there is no bucket {self._bucket}", advice="create it") from None

    def wing(self, name: str) -> TransientStore:
        """Return the store below the prefix of this name (see ``ArtifactStore.wing``)."""
        # a client may be used from several threads, so the two stores share one
        return S3Store(self._bucket, f"{self._root}/{name}".lstrip("/"), client=self._client, transient=True)

    def blobs(self) -> Iterator[StoredBlob]:
        """List every blob with its time of writing, a page of a thousand at a time."""
        with _errors():
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=f"{self._prefix}/"):
                for found in page.get("Contents", ()):
                    yield StoredBlob(str(found["Key"]).rpartition("/")[2], found["LastModified"])

    def delete(self, sha256: str) -> None:
        """Delete a blob; S3 says nothing of one that is gone already."""
        with _errors():
            self._client.delete_object(Bucket=self._bucket, Key=self._key(sha256))

    def _source(self, sha256: str) -> Source:
        with _errors():
            return _Body(self._client.get_object(Bucket=self._bucket, Key=self._key(sha256))["Body"])

    def _size(self, sha256: str) -> int | None:
        try:
            with _errors():
                size: int = self._client.head_object(Bucket=self._bucket, Key=self._key(sha256))["ContentLength"]
                return size
        except NotFoundError:
            return None

    def _key(self, sha256: str) -> str:
        return f"{self._prefix}/{blob_name(sha256)[:2]}/{sha256}"


class _Body:
    """The body of an answer, with errors of the network as ours."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def read(self, size: int, /) -> bytes:
        with _errors():
            data: bytes = self._body.read(size)
            return data

    def close(self) -> None:
        self._body.close()


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        if code in _MISSING:
            raise NotFoundError("there is no such artifact file") from None
        raise UnavailableError(
            f"the artifact store answered {code}", advice="check the bucket in ARTIFACTS_URL and the AWS_ credentials"
        ) from error
    except (BotoCoreError, Boto3Error) as error:
        raise UnavailableError(
            "the artifact store does not answer", advice="check ARTIFACTS_URL and S3_ENDPOINT_URL"
        ) from error
