"""InnoDB's page checksums for the repository, which knows nothing of pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidemark.mysql.data_folder import page_checksums
from tidemark.repository import Inspected

MOST_NAMED = 8
"""Bad pages that are named of one stretch."""


@dataclass(frozen=True, slots=True)
class PageInspector:
    """Checks the pages of InnoDB's files."""

    page_size: int
    """Bytes of the server's pages, for files that do not say it themselves."""

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> PageInspector:
        """For the files of a server with these variables."""
        size = variables.get("innodb_page_size", "")
        return cls(int(size) if size.isdigit() and 1024 <= int(size) <= 65536 else 16384)

    def wants(self, path: str) -> bool:
        return page_checksums.is_data_file(path)

    def inspect(self, path: str, start: bytes | memoryview, offset: int, content: memoryview) -> Inspected:
        found = page_checksums.check(path, page_checksums.read_format(start, self.page_size), offset, content)
        more = len(found.bad) - MOST_NAMED
        named = [f"{path}, page {number}: {what}" for number, what in found.bad[:MOST_NAMED]]
        return Inspected(
            found.pages, found.unchecked, (*named, f"{path}: {more} more pages") if more > 0 else tuple(named)
        )
