"""A body as one file."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemark.storage.joined import JoinedBody

pytestmark = pytest.mark.unit


@given(
    body=st.lists(st.binary(max_size=9), max_size=9),
    start=st.integers(0, 60),
    length=st.integers(0, 60) | st.none(),
    steps=st.lists(st.tuples(st.booleans(), st.integers(-1, 30)), max_size=12),
)
def test_it_reads_and_seeks_as_a_file_of_the_same_bytes_does(
    body: list[bytes], start: int, length: int | None, steps: list[tuple[bool, int]]
) -> None:
    end = None if length is None else start + length
    expected, joined = io.BytesIO(b"".join(body)[start:end]), JoinedBody(body, start, end)

    assert len(joined) == len(expected.getvalue())
    for reads, number in steps:
        if reads:
            assert joined.read(number) == expected.read(number)
        else:
            assert joined.seek(max(0, number)) == expected.seek(max(0, number))
        assert joined.tell() == expected.tell()
    assert joined.seek(0, io.SEEK_END) == len(joined)
    joined.seek(0)
    assert io.BufferedReader(joined).read() == expected.getvalue()


def test_there_is_nothing_before_the_start() -> None:
    with pytest.raises(ValueError, match="before the start"):
        JoinedBody([b"abc"], 1).seek(-1)
