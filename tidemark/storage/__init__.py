"""Stores: places that hold named objects, all behind one small contract.

::

    base         the storage contract
    conditional  does a store really create only where there is nothing?
    file         files below a folder
    gcs          a Google Cloud Storage bucket
    gcs_errors   its SDK's errors become a store's
    joined       a body's buffers as one seekable file
    memory       this process's memory
    names        what may be an object's name
    options      how a store in a cloud is reached
    s3           an S3 bucket, or what speaks S3
    s3_errors    its SDK's errors become a store's
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from tidemark.errors import ConfigError
from tidemark.storage.base import Body, Buffer, ObjectInfo, Store
from tidemark.storage.file import FileStore
from tidemark.storage.gcs import GcsStore
from tidemark.storage.memory import MemoryStore
from tidemark.storage.names import is_name
from tidemark.storage.options import StoreOptions
from tidemark.storage.s3 import S3Store

__all__ = [
    "Body",
    "Buffer",
    "FileStore",
    "GcsStore",
    "MemoryStore",
    "ObjectInfo",
    "S3Store",
    "Store",
    "StoreOptions",
    "open_store",
]


def open_store(url: str, options: StoreOptions | None = None) -> Store:
    """The store at ``file:///folder``, ``s3://bucket/prefix`` or ``gs://bucket/prefix``; reaches out to nothing yet.

    Raises ``ConfigError`` for an address that is none, or an option that does not fit it.
    """
    parts = urlsplit(url)
    opener = _OPENERS.get(parts.scheme)
    if opener is None:
        known = ", ".join(f"{scheme}:" for scheme in _OPENERS)
        raise ConfigError(f'"{url}" is not the address of a store', f"an address starts with {known}")
    return opener(url, parts, options or StoreOptions())


def _open_file(url: str, parts: SplitResult, options: StoreOptions) -> Store:
    if options.given:
        raise ConfigError(f'"{url}" is a folder; {options.given[0]} means nothing there', "leave it out")
    if parts.netloc or not parts.path.startswith("/") or parts.path.strip("/") == "":
        raise ConfigError(
            f'"{url}" does not name a folder', 'a folder is given with three slashes, as in "file:///var/backups"'
        )
    if parts.query or parts.fragment:
        raise ConfigError(f'"{url}" has a "?" or a "#"', 'write "%3F" for "?" and "%23" for "#"')
    return FileStore(Path(unquote(parts.path)))


def _open_s3(url: str, parts: SplitResult, options: StoreOptions) -> Store:
    return S3Store(*_bucket(url, parts), options)


def _open_gcs(url: str, parts: SplitResult, options: StoreOptions) -> Store:
    for name in ("region", "profile", "server_side_encryption"):
        if name in options.given:
            raise ConfigError(f'"{url}" is in Google Cloud Storage; {name} means nothing there', "leave it out")
    return GcsStore(*_bucket(url, parts), options)


def _bucket(url: str, parts: SplitResult) -> tuple[str, str]:
    """The bucket and the prefix, without ``/`` at its ends, of an address."""
    if "@" in parts.netloc:  # then it is not shown either
        raise ConfigError("the address of a bucket holds credentials", "let the cloud's own SDK find them")
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", parts.netloc):
        raise ConfigError(f'"{url}" does not name a bucket', f'an address is given as "{parts.scheme}://bucket/prefix"')
    prefix = parts.path.strip("/")
    if parts.query or parts.fragment or (prefix and not is_name(prefix)):
        raise ConfigError(f'"{url}" has a prefix that no object can have', 'leave out "?", "#", "//", "." and ".."')
    return parts.netloc, prefix


_OPENERS: dict[str, Callable[[str, SplitResult, StoreOptions], Store]] = {
    "file": _open_file,
    "s3": _open_s3,
    "gs": _open_gcs,
}
