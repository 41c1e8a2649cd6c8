"""Objects in this process's memory: for tests and for trying things out."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from tidemark.errors import ObjectExists, ObjectMissing
from tidemark.storage.base import Body, ObjectInfo, Store
from tidemark.storage.names import check_name


class MemoryStore(Store):
    """Keeps objects in a dictionary; they end with it."""

    def __init__(self, url: str = "memory:") -> None:
        self.url = url
        self._objects: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def put(self, name: str, body: Body) -> None:
        check_name(name)
        content = b"".join(body)
        with self._lock:
            self._objects[name] = content

    def put_if_absent(self, name: str, body: Body) -> None:
        check_name(name)
        content = b"".join(body)
        with self._lock:
            if name in self._objects:
                raise ObjectExists(f"{self.url} already has {name}")
            self._objects[name] = content

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        content = self._find(name)
        return content[start:] if length is None else content[start : start + length]

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        with self._lock:
            found = sorted((name, len(content)) for name, content in self._objects.items() if name.startswith(prefix))
        for name, size in found:
            yield ObjectInfo(name, size)

    def stat(self, name: str) -> ObjectInfo:
        return ObjectInfo(name, len(self._find(name)))

    def delete(self, name: str) -> None:
        check_name(name)
        with self._lock:
            self._objects.pop(name, None)

    def _find(self, name: str) -> bytes:
        check_name(name)
        with self._lock:
            try:
                return self._objects[name]
            except KeyError:
                raise ObjectMissing(f"{self.url} has no {name}") from None
