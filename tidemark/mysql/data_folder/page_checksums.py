"""InnoDB's own page checksums, recomputed: pure functions over the bytes of a data file.

Every page that a server of either flavour has written carries a checksum. Which algorithm, and how long a page is, says
the tablespace's first page in its flags (offset 54):

- ``crc32`` (MySQL; MariaDB for ROW_FORMAT=COMPRESSED and older files): CRC-32C of the page without the fields that
  change on the way to the disk.
- ``full_crc32`` (MariaDB since 10.5, bit 4 of the flags): CRC-32C of all but the last four bytes, which hold it.
- ``none`` and ``innodb`` are older ones that a server accepts in a page. A page without a checksum, and one that is
  compressed or encrypted in a way that hides it, is *unchecked*, never called good.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import google_crc32c

FLAGS_AT = 54
"""Where a tablespace's first page has its flags."""
FIRST_PAGE = 8
"""The type of a tablespace's first page."""
NO_CHECKSUM = 0xDEADBEEF
"""What the algorithm ``none`` writes instead."""
HIDDEN = frozenset({14, 15, 16, 17, 34354, 37401})
"""Page types whose checksum is of the content before it was compressed or encrypted."""

_DATA_FILE = re.compile(r"(?:.*/)?[^/]*\.ib[du]|ibdata\d+|undo_?\d+", re.DOTALL)
_ZEROS = bytes(1 << 16)
_DOUBLEWRITE = range(1 << 20, 3 << 20)
"""Bytes of the system tablespace that hold copies of other pages, for recovery only."""


@dataclass(frozen=True, slots=True)
class Format:
    """How a tablespace's pages are written."""

    size: int
    """Bytes of a page in the file."""
    full: bool = False
    """``full_crc32``."""
    zipped: bool = False
    """ROW_FORMAT=COMPRESSED."""
    known: bool = True
    """Whether the tablespace's own flags say all this; otherwise a page may be of either algorithm."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What was seen in a stretch of pages."""

    pages: int
    """Pages whose checksum is right; all-zero pages, which have none, are right."""
    unchecked: int
    """Pages without a checksum that can be recomputed."""
    bad: tuple[tuple[int, str], ...]
    """The number of each damaged page in its file, and what is wrong with it."""


def is_data_file(path: str) -> bool:
    """Whether a file of a data folder, by its relative path, is made of InnoDB pages."""
    return _DATA_FILE.fullmatch(path) is not None


def read_format(start: bytes | memoryview, page_size: int) -> Format:
    """The format of a data file by its first bytes. A file that does not begin with a tablespace's first page (the
    second file of a system tablespace, or a damaged one) is taken to have pages of ``page_size`` bytes."""
    guess = Format(page_size, known=False)
    if len(start) < FLAGS_AT + 4:
        return guess
    number, kind = struct.unpack_from(">4xI16xH", start)
    (flags,) = struct.unpack_from(">I", start, FLAGS_AT)
    if number != 0 or kind != FIRST_PAGE:
        return guess
    if flags & 1 << 4:
        found = Format(512 << (flags & 15), full=True)
    elif zipped := flags >> 1 & 15:
        found = Format(512 << zipped, zipped=True)
    else:
        logical = flags >> 6 & 15
        found = Format(512 << logical if logical else 16384)
    return found if 1024 <= found.size <= len(_ZEROS) else guess


def check(path: str, form: Format, offset: int, content: memoryview) -> Checked:
    """Checks the pages of ``content``, which stands at ``offset`` in the file. A piece of a page counts as
    unchecked: whoever asks gives whole pages where there are any."""
    pages = unchecked = 0
    bad = []
    system = path.startswith("ibdata")
    for number, page in _pages(form.size, offset, content):
        if len(page) < form.size or (system and number * form.size in _DOUBLEWRITE):
            unchecked += 1
            continue
        verdict = check_page(form, page)
        if verdict is None:
            unchecked += 1
        elif verdict:
            bad.append((number, verdict))
        else:
            pages += 1
    return Checked(pages, unchecked, tuple(bad))


def check_page(form: Format, page: memoryview) -> str | None:
    """What is wrong with a page: empty for nothing, None when nobody can tell."""
    if bytes(page) == _ZEROS[: len(page)]:  # comparing the view itself is twenty times slower
        return ""
    if form.full:
        return _full_crc32(page)
    if form.zipped:
        return _zipped(page)
    verdict = _crc32(page)
    if verdict and not form.known and not _full_crc32(page):
        return ""
    return verdict


def _pages(size: int, offset: int, content: memoryview) -> Iterator[tuple[int, memoryview]]:
    at = 0
    while at < len(content):
        number, inside = divmod(offset + at, size)
        length = min(size - inside, len(content) - at)
        yield number, content[at : at + length]
        at += length


def _crc(piece: memoryview) -> int:
    return int(google_crc32c.value(bytes(piece)))


def _number(page: memoryview, at: int) -> int:
    return int.from_bytes(page[at : at + 4], "big")


def _full_crc32(page: memoryview) -> str:
    end = len(page)
    kind = int.from_bytes(page[24:26], "big")
    if kind & 0x8000:  # compressed by the server: the page is shorter, what follows is a hole
        end = (kind & 0x7FFF) << 8
        if not 0 < end <= len(page):
            return f"its type says that it has {end} bytes"
    seen, expected = _number(page, end - 4), _crc(page[: end - 4])
    return "" if seen == expected else f"full_crc32 is {seen:08x}, its content has {expected:08x}"


def _crc32(page: memoryview) -> str | None:
    first, second = _number(page, 0), _number(page, len(page) - 8)
    expected = _crc(page[4:26]) ^ _crc(page[38:-8])
    # The low half of the LSN is at both ends, whatever the algorithm: a page that was written in part shows here.
    kind = int.from_bytes(page[24:26], "big")
    if kind in HIDDEN:
        return None
    if page[20:24] != page[-4:]:
        return "its two ends were not written together"
    if first == second == expected:
        return ""
    if first == second == NO_CHECKSUM:
        return None
    return "" if first == _innodb(page) else f"crc32 is {first:08x} and {second:08x}, its content has {expected:08x}"


def _zipped(page: memoryview) -> str | None:
    seen = _number(page, 0)
    expected = _crc(page[4:16]) ^ _crc(page[24:26]) ^ _crc(page[34:])
    if seen == expected:
        return ""
    return None if seen == NO_CHECKSUM else f"crc32 is {seen:08x}, its content has {expected:08x}"


def _innodb(page: memoryview) -> int:
    """The checksum of servers before MySQL 5.7. Slow, and only asked for when the others are not right."""
    return (_fold(page[4:26]) + _fold(page[38:-8])) & 0xFFFFFFFF


def _fold(piece: memoryview) -> int:
    value = 0
    for byte in piece:
        value = ((((value ^ byte ^ 1653893711) << 8) + value) ^ 1463735687) + byte & 0xFFFFFFFF
    return value
