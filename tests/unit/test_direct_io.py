"""Writing past the page cache: what comes to be in the file is the same, whether or not it went that way."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tidemark import direct_io

pytestmark = pytest.mark.unit

WHOLE = direct_io.LEAST + 3 * direct_io.ALIGNED


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


def content(size: int) -> memoryview:
    room = direct_io.room(size)
    room[:] = os.urandom(size)
    return room


def is_direct(descriptor: int) -> bool:
    return bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT)


@pytest.mark.parametrize("more", [0, 1, direct_io.ALIGNED - 1])
@pytest.mark.parametrize("offset", [0, direct_io.ALIGNED, 5 * direct_io.LEAST])
def test_the_whole_part_is_written_at_its_place_and_the_rest_left(descriptor: int, offset: int, more: int) -> None:
    wanted = content(WHOLE + more)

    written = direct_io.write(descriptor, wanted, offset)

    assert written in {0, WHOLE}, "0 where the file system of the tests cannot do it"
    assert os.pread(descriptor, WHOLE + more, offset) == bytes(wanted[:written])
    assert not is_direct(descriptor), "what follows is written in the ordinary way"


def test_what_is_small_or_lies_askew_is_left_to_the_caller(descriptor: int) -> None:
    assert direct_io.write(descriptor, content(direct_io.LEAST)[: direct_io.LEAST - 1], 0) == 0
    assert direct_io.write(descriptor, content(WHOLE), 512) == 0
    assert os.fstat(descriptor).st_size == 0


def test_where_the_file_system_cannot_nothing_is_written(descriptor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "pwrite", refuse)
    assert direct_io.write(descriptor, content(WHOLE), 0) == 0
    assert not is_direct(descriptor)


def test_a_full_disk_is_the_callers_to_tell(descriptor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space left"):
        direct_io.write(descriptor, content(WHOLE), 0)
    assert not is_direct(descriptor)


def test_a_write_that_stops_in_the_middle_of_a_page_is_told_as_it_is(
    descriptor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, asked = os.pwrite, []

    def some(descriptor: int, content: memoryview, offset: int) -> int:
        asked.append(offset)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) & ~os.O_DIRECT)
        return real(descriptor, content[: direct_io.ALIGNED + 100], offset)

    monkeypatch.setattr(os, "pwrite", some)
    wanted = content(WHOLE)

    assert direct_io.write(descriptor, wanted, 0) == direct_io.ALIGNED + 100
    assert asked == [0]
    assert os.pread(descriptor, WHOLE, 0) == bytes(wanted[: direct_io.ALIGNED + 100])
