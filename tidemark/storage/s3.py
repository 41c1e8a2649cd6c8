"""Objects in an S3 bucket, or in anything that speaks S3 and honours conditional creates."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from tidemark.errors import AccessDenied, ObjectExists, ObjectMissing, StorageError, StorageUnavailable
from tidemark.storage.base import Body, ObjectInfo, Store
from tidemark.storage.conditional import require_conditional_create
from tidemark.storage.joined import JoinedBody
from tidemark.storage.names import check_name, is_name
from tidemark.storage.options import StoreOptions
from tidemark.storage.s3_errors import code_of, translated

SINGLE_PUT = 128 << 20
"""Bytes up to which an object is sent with one request; packs of the default size always are."""
PART_SIZE = 32 << 20
"""Bytes of one part of a larger object."""
_PARTS_IN_FLIGHT = 4
_CONNECTIONS = 64
READ_SECONDS = 60
"""How long an answer may say nothing before the connection counts as stalled."""
_TRIES = 6
_BATCH = 1000
_TOKEN = "tidemark-write"  # noqa: S105 - the name of a metadata field
_CONFLICT = "ConditionalRequestConflict"


class S3Store(Store):
    """Keeps objects below a prefix of a bucket. The SDK checks checksums of what is sent and what comes back whole.

    ``put_if_absent`` marks what it creates, so that a repeated request whose first answer was lost knows its own.
    """

    def __init__(self, bucket: str, prefix: str, options: StoreOptions | None = None) -> None:
        """``prefix`` has no ``/`` at its ends. ``AccessDenied`` or ``StorageError`` when the SDK can make no client."""
        import boto3  # here, because it takes a third of a second, and only those who use S3 should pay it
        from botocore.config import Config

        options = options or StoreOptions()
        self.url = f"s3://{bucket}/{prefix}" if prefix else f"s3://{bucket}"
        self._bucket, self._root = bucket, f"{prefix}/" if prefix else ""
        self._place = f"{self.url} at {options.endpoint_url}"
        self._new: dict[str, str] = {}
        if options.storage_class:
            self._new["StorageClass"] = options.storage_class
        if options.server_side_encryption:
            self._new["ServerSideEncryption"] = options.server_side_encryption
        if options.server_side_kms_key:
            self._new["SSEKMSKeyId"] = options.server_side_kms_key
        config = Config(
            connect_timeout=10,
            read_timeout=READ_SECONDS,
            max_pool_connections=_CONNECTIONS,
            retries={"mode": "adaptive", "total_max_attempts": _TRIES},
            request_checksum_calculation="when_supported",
            response_checksum_validation="when_supported",
            s3={"addressing_style": "path"} if options.endpoint_url else {},
        )
        with translated(self.url, "the bucket", "s3:ListBucket"):
            session = boto3.session.Session(profile_name=options.profile, region_name=options.region)
            self._client: Any = session.client("s3", endpoint_url=options.endpoint_url, config=config)

    def put(self, name: str, body: Body) -> None:
        self._put(self._key(name), name, body, {})

    def put_if_absent(self, name: str, body: Body) -> None:
        key = self._key(name)
        require_conditional_create(self._place, self.url, self._probe, self._unprobe)
        self._create(key, name, body)

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        key = self._key(name)
        if length == 0:
            self.stat(name)
            return b""
        wanted: dict[str, str] = {}
        if start or length is not None:
            wanted["Range"] = f"bytes={start}-" + ("" if length is None else str(start + length - 1))
        # The SDK repeats requests, but not the reading of an answer that breaks off.
        for attempt in range(1, _TRIES + 1):
            try:
                with translated(self.url, name, "s3:GetObject"):
                    return self._read(key, wanted)
            except StorageUnavailable:
                if attempt == _TRIES:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        with translated(self.url, f'a list of "{prefix}"', "s3:ListBucket"):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._root + prefix):
                for found in page.get("Contents", ()):
                    name = found["Key"].removeprefix(self._root)
                    if is_name(name):
                        yield ObjectInfo(name, found["Size"])

    def stat(self, name: str) -> ObjectInfo:
        key = self._key(name)
        with translated(self.url, name, "s3:GetObject"):
            return ObjectInfo(name, self._client.head_object(Bucket=self._bucket, Key=key)["ContentLength"])

    def delete(self, name: str) -> None:
        key = self._key(name)
        with contextlib.suppress(ObjectMissing), translated(self.url, name, "s3:DeleteObject"):
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def delete_many(self, names: Iterable[str]) -> None:
        keys = (self._key(name) for name in names)
        while batch := [{"Key": key} for key in islice(keys, _BATCH)]:
            with translated(self.url, f"{len(batch)} objects", "s3:DeleteObject"):
                answer = self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": batch, "Quiet": True})
            for failed in answer.get("Errors", ()):
                message = f"{self.url}: {failed.get('Key')} cannot be deleted: {failed.get('Code')}"
                if failed.get("Code") == "AccessDenied":
                    raise AccessDenied(message, "allow this account s3:DeleteObject there")
                raise StorageUnavailable(message)

    def sweep(self, prefix: str, older_than: timedelta) -> int:
        """Aborts what killed writers have begun in parts and not completed: it is billed, and no list shows it."""
        limit, swept = datetime.now(UTC) - older_than, 0
        try:
            with translated(self.url, "its incomplete uploads", "s3:ListBucketMultipartUploads"):
                pages = self._client.get_paginator("list_multipart_uploads")
                for page in pages.paginate(Bucket=self._bucket, Prefix=self._root + prefix):
                    for upload in page.get("Uploads", ()):
                        if upload["Initiated"] < limit:
                            self._abort(upload["Key"], upload["UploadId"])
                            swept += 1
        except StorageError as error:
            if error.__cause__ is None or code_of_cause(error) != "NotImplemented":
                raise
        return swept

    def _key(self, name: str) -> str:
        check_name(name)
        return self._root + name

    def _read(self, key: str, wanted: dict[str, str]) -> bytes:
        from botocore.exceptions import ClientError

        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED", **wanted)
        except ClientError as error:
            if code_of(error) == "InvalidRange":
                return b""
            raise
        with contextlib.closing(answer["Body"]) as stream:
            content: bytes = stream.read()
        return content

    def _create(self, key: str, name: str, body: Body) -> None:
        """Creates an object that carries a mark of this very call, or raises ``ObjectExists``."""
        from botocore.exceptions import ClientError

        token = secrets.token_hex(16)
        for attempt in range(1, _TRIES + 1):
            try:
                self._put(key, name, body, {"IfNoneMatch": "*"}, {_TOKEN: token})
                return
            except StorageError as error:
                code = code_of_cause(error)
                if code == _CONFLICT and attempt < _TRIES:
                    continue  # another writer is at it at this moment: its outcome decides the next attempt
                if code not in {"PreconditionFailed", "412"}:
                    raise
                if isinstance(error.__cause__, ClientError) and self._is_ours(key, name, token):
                    return
                raise ObjectExists(f"{self.url} already has {name}") from None

    def _is_ours(self, key: str, name: str, token: str) -> bool:
        """Whether what is there was created by the call with this mark, whose answer must have been lost."""
        try:
            with translated(self.url, name, "s3:GetObject"):
                found = self._client.head_object(Bucket=self._bucket, Key=key)
        except ObjectMissing:
            return False
        return bool(found.get("Metadata", {}).get(_TOKEN) == token)

    def _put(
        self, key: str, name: str, body: Body, condition: dict[str, str], metadata: dict[str, str] | None = None
    ) -> None:
        content, new = JoinedBody(body), self._new | ({"Metadata": metadata} if metadata else {})
        with translated(self.url, name, "s3:PutObject"):
            if len(content) <= SINGLE_PUT:
                self._client.put_object(
                    Bucket=self._bucket, Key=key, Body=content, ContentLength=len(content), **new, **condition
                )
            else:
                self._put_parts(key, body, len(content), new, condition)

    def _put_parts(self, key: str, body: Body, size: int, new: dict[str, Any], condition: dict[str, str]) -> None:
        where = {"Bucket": self._bucket, "Key": key}
        upload = self._client.create_multipart_upload(**where, **new, ChecksumAlgorithm="CRC32")["UploadId"]

        def send(number: int) -> dict[str, Any]:
            part = JoinedBody(body, (number - 1) * PART_SIZE, number * PART_SIZE)
            sent = self._client.upload_part(
                **where,
                UploadId=upload,
                PartNumber=number,
                Body=part,
                ContentLength=len(part),
                ChecksumAlgorithm="CRC32",
            )
            done = {"PartNumber": number, "ETag": sent["ETag"]}
            return done | ({"ChecksumCRC32": sent["ChecksumCRC32"]} if "ChecksumCRC32" in sent else {})

        try:
            with ThreadPoolExecutor(_PARTS_IN_FLIGHT, "tidemark-s3-part") as pool:
                futures = [pool.submit(send, number) for number in range(1, -(-size // PART_SIZE) + 1)]
                try:
                    parts = [future.result() for future in futures]
                except BaseException:
                    pool.shutdown(wait=True, cancel_futures=True)
                    raise
            self._client.complete_multipart_upload(
                **where, UploadId=upload, MultipartUpload={"Parts": parts}, **condition
            )
        except BaseException:
            # Should this fail too, ``sweep`` or the bucket's lifecycle rule takes the parts away.
            with contextlib.suppress(Exception):
                self._abort(key, upload)
            raise

    def _abort(self, key: str, upload: str) -> None:
        self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload)

    def _probe(self, name: str) -> None:
        self._create(self._root + name, name, [b"tidemark asks whether this is created only once"])

    def _unprobe(self, name: str) -> None:
        with translated(self.url, name, "s3:DeleteObject"):
            self._client.delete_object(Bucket=self._bucket, Key=self._root + name)


def code_of_cause(error: StorageError) -> str:
    """The service's code of the vendor's error that became this one."""
    return code_of(error.__cause__) if isinstance(error.__cause__, Exception) else ""
