"""The storage contract: six operations, and the tree of errors that every store translates its own into."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

Buffer = bytes | bytearray | memoryview
Body = Sequence[Buffer]
"""An object's content as consecutive buffers. A sequence, not an iterator: a store may have to send it twice."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a store tells about an object."""

    name: str
    """The name below the store's root, with ``/`` between its parts."""
    size: int
    """Length in bytes."""


class Store(ABC):
    """A place that holds named objects. Every method may be called from many threads at once.

    Names are relative, made of parts joined by ``/``; a part is never empty, ``.`` or ``..`` (``ValueError``).
    Besides the errors named below each operation raises ``AccessDenied``, ``StorageFull`` or
    ``StorageUnavailable``, and never an error of the vendor's.
    """

    url: str
    """The store's address as a person would write it; never with a secret in it."""

    @abstractmethod
    def put(self, name: str, body: Body) -> None:
        """Stores an object, replacing one of the same name. A reader sees the old one or the new one, whole."""

    @abstractmethod
    def put_if_absent(self, name: str, body: Body) -> None:
        """Stores an object unless one of this name exists: then ``ObjectExists``. Of any number of concurrent
        callers exactly one succeeds."""

    @abstractmethod
    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """Reads ``length`` bytes from ``start`` (to the end without a length). A range that ends behind the
        object's end gives what there is. Raises ``ObjectMissing``."""

    @abstractmethod
    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Gives every object whose name starts with ``prefix``, in the order of their names (by code point).
        ``prefix`` is any string, not only whole parts."""

    @abstractmethod
    def stat(self, name: str) -> ObjectInfo:
        """Tells about one object. Raises ``ObjectMissing``."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Deletes an object; one that is not there is no error."""

    def delete_many(self, names: Iterable[str]) -> None:
        """Deletes objects; a store that can do so in batches overrides this."""
        for name in names:
            self.delete(name)

    def sweep(self, prefix: str, older_than: timedelta) -> int:
        """Removes what killed writers have left below ``prefix`` (a whole part, with its ``/``) and that no ``list``
        shows; gives the number. A store where nothing can be left has nothing to do."""
        return 0
