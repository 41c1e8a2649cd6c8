"""Objects in a Google Cloud Storage bucket."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from typing import Any

from tidemark.errors import ObjectExists, ObjectMissing, StorageUnavailable
from tidemark.storage.base import Body, ObjectInfo, Store
from tidemark.storage.conditional import require_conditional_create
from tidemark.storage.gcs_errors import translated
from tidemark.storage.joined import JoinedBody
from tidemark.storage.names import check_name, is_name
from tidemark.storage.options import StoreOptions

_CONNECTIONS = 64
READ_SECONDS = 60
"""How long an answer may say nothing before the connection counts as stalled."""
_TRIES = 6
_CONNECT_SECONDS = 10
_TOKEN = "tidemark-write"  # noqa: S105 - the name of a metadata field
_EMULATOR = "STORAGE_EMULATOR_HOST"


class GcsStore(Store):
    """Keeps objects below a prefix of a bucket. What is sent, and what comes back whole, is checked by its crc32c.

    ``put_if_absent`` marks what it creates, so that a repeated request whose first answer was lost knows its own.
    """

    def __init__(self, bucket: str, prefix: str, options: StoreOptions | None = None) -> None:
        """``prefix`` has no ``/`` at its ends. ``AccessDenied`` when no credentials are found.

        An endpoint of plain http, or ``$STORAGE_EMULATOR_HOST``, is an emulator and gets no credentials.
        """
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import storage
        from requests.adapters import HTTPAdapter

        options = options or StoreOptions()
        self.url = f"gs://{bucket}/{prefix}" if prefix else f"gs://{bucket}"
        self._root = f"{prefix}/" if prefix else ""
        self._timeout = (_CONNECT_SECONDS, READ_SECONDS)
        self._storage_class = options.storage_class
        endpoint = options.endpoint_url or os.environ.get(_EMULATOR)
        self._place = f"{self.url} at {endpoint}"
        emulated = _EMULATOR in os.environ or (endpoint or "").startswith("http://")
        with translated(self.url, "the bucket", "storage.objects.list"):
            self._client: Any = storage.Client(
                project="emulator" if emulated else None,
                credentials=AnonymousCredentials() if emulated else None,  # type: ignore[no-untyped-call]
                client_options={"api_endpoint": endpoint} if endpoint else None,
            )
        adapter = HTTPAdapter(pool_connections=4, pool_maxsize=_CONNECTIONS)
        for scheme in ("https://", "http://"):
            self._client._http.mount(scheme, adapter)
        self._bucket = self._client.bucket(bucket)
        self._kms_key = options.server_side_kms_key

    def put(self, name: str, body: Body) -> None:
        self._put(self._key(name), name, body)

    def put_if_absent(self, name: str, body: Body) -> None:
        key = self._key(name)
        require_conditional_create(self._place, self.url, self._probe, self._unprobe)
        self._create(key, name, body)

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        key = self._key(name)
        if length == 0:
            self.stat(name)
            return b""
        # The SDK repeats requests, but does not see that the answer for a range broke off.
        for attempt in range(1, _TRIES + 1):
            try:
                with translated(self.url, name, "storage.objects.get"):
                    return self._read(key, name, start, length)
            except StorageUnavailable:
                if attempt == _TRIES:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        with translated(self.url, f'a list of "{prefix}"', "storage.objects.list"):
            for found in self._client.list_blobs(
                self._bucket, prefix=self._root + prefix, fields="items(name,size),nextPageToken", timeout=self._timeout
            ):
                name = found.name.removeprefix(self._root)
                if is_name(name):
                    yield ObjectInfo(name, int(found.size))

    def stat(self, name: str) -> ObjectInfo:
        found = self._find(self._key(name), name)
        return ObjectInfo(name, int(found.size))

    def delete(self, name: str) -> None:
        self._delete(self._key(name), name)

    def _key(self, name: str) -> str:
        check_name(name)
        return self._root + name

    def _find(self, key: str, name: str) -> Any:
        with translated(self.url, name, "storage.objects.get"):
            blob = self._bucket.blob(key)
            blob.reload(timeout=self._timeout)
            return blob

    def _read(self, key: str, name: str, start: int, length: int | None) -> bytes:
        from google.api_core.exceptions import RequestRangeNotSatisfiable

        blob, end = self._bucket.blob(key), None if length is None else start + length - 1
        try:
            content: bytes = blob.download_as_bytes(
                start=start or None, end=end, timeout=self._timeout, checksum="crc32c", single_shot_download=True
            )
        except RequestRangeNotSatisfiable:
            return b""
        if (start or end is not None) and len(content) != length:
            size = int(self._find(key, name).size)
            if len(content) != max(0, min(size, size if end is None else end + 1) - start):
                raise ConnectionError(f"{len(content)} bytes came, then the answer broke off")
        return content

    def _create(self, key: str, name: str, body: Body) -> None:
        """Creates an object that carries a mark of this very call, or raises ``ObjectExists``."""
        from google.api_core.exceptions import PreconditionFailed

        token = secrets.token_hex(16)
        try:
            self._put(key, name, body, token)
        except Exception as error:
            if not isinstance(error.__cause__, PreconditionFailed):
                raise
            with contextlib.suppress(ObjectMissing):
                if (self._find(key, name).metadata or {}).get(_TOKEN) == token:
                    return
            raise ObjectExists(f"{self.url} already has {name}") from None

    def _put(self, key: str, name: str, body: Body, token: str | None = None) -> None:
        from google.cloud.storage.retry import DEFAULT_RETRY

        content = JoinedBody(body)
        with translated(self.url, name, "storage.objects.create"):
            blob = self._bucket.blob(key, kms_key_name=self._kms_key)
            if self._storage_class:
                blob.storage_class = self._storage_class
            if token:
                blob.metadata = {_TOKEN: token}
            blob.upload_from_file(
                content,
                size=len(content),
                content_type="application/octet-stream",
                if_generation_match=0 if token else None,
                checksum="crc32c",
                timeout=self._timeout,
                retry=DEFAULT_RETRY,  # safe without a condition too: the same bytes under the same name
            )

    def _delete(self, key: str, name: str) -> None:
        with contextlib.suppress(ObjectMissing), translated(self.url, name, "storage.objects.delete"):
            self._bucket.blob(key).delete(timeout=self._timeout)

    def _probe(self, name: str) -> None:
        self._create(self._root + name, name, [b"tidemark asks whether this is created only once"])

    def _unprobe(self, name: str) -> None:
        self._delete(self._root + name, name)
