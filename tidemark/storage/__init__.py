"""Stores: places that hold named objects, all behind one small contract."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from tidemark.errors import ConfigError
from tidemark.storage.base import Body, Buffer, ObjectInfo, Store
from tidemark.storage.file import FileStore
from tidemark.storage.memory import MemoryStore

__all__ = ["Body", "Buffer", "FileStore", "MemoryStore", "ObjectInfo", "Store", "open_store"]


def open_store(url: str) -> Store:
    """The store at an address such as ``file:///var/backups``. Raises ``ConfigError`` for one that is none."""
    parts = urlsplit(url)
    opener = _OPENERS.get(parts.scheme)
    if opener is None:
        known = ", ".join(f"{scheme}:" for scheme in _OPENERS)
        raise ConfigError(f'"{url}" is not the address of a store', f"an address starts with {known}")
    return opener(url, parts)


def _open_file(url: str, parts: SplitResult) -> Store:
    if parts.netloc or not parts.path.startswith("/") or parts.path.strip("/") == "":
        raise ConfigError(
            f'"{url}" does not name a folder', 'a folder is given with three slashes, as in "file:///var/backups"'
        )
    if parts.query or parts.fragment:
        raise ConfigError(f'"{url}" has a "?" or a "#"', 'write "%3F" for "?" and "%23" for "#"')
    return FileStore(Path(unquote(parts.path)))


_OPENERS: dict[str, Callable[[str, SplitResult], Store]] = {"file": _open_file}
