"""How a repository has the content of files looked at, without knowing what is in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Inspected:
    """What an inspector has seen in a stretch of a file."""

    pages: int = 0
    """Units whose own checksum is right."""
    unchecked: int = 0
    """Units that have no checksum to recompute."""
    bad: tuple[str, ...] = ()
    """What is wrong, naming the file and the place."""


class Inspector(Protocol):
    """Knows the inside of some files. Called by several threads at once."""

    def wants(self, path: str) -> bool:
        """Whether it knows this kind of file."""
        ...

    def inspect(self, path: str, start: bytes | memoryview, offset: int, content: memoryview) -> Inspected:
        """Looks at ``content``, whole blocks that stand at ``offset``. ``start`` is the file's first block, or as much
        as there is of it."""
        ...
