"""Damaged input, authenticated or not: parsing gives Tidemark's own errors and nothing else."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemark.errors import TidemarkError
from tidemark.repository import MasterKey, blockmap
from tidemark.repository.keys import DataKey, unwrap, wrap
from tidemark.repository.manifest import ManifestCodec

pytestmark = pytest.mark.unit

MASTER = MasterKey(bytes(range(32)))
DATA = DataKey.generate()
WRAPPED = wrap(MASTER, DATA)
MAP = blockmap.Segment.unknown(9).encode()


def spoilt(whole: bytes) -> st.SearchStrategy[bytes]:
    """The same with bytes overwritten, cut off or added; or anything."""
    edits = st.lists(st.tuples(st.integers(0, len(whole) - 1), st.binary(max_size=6)), max_size=4)

    def edit(drawn: tuple[list[tuple[int, bytes]], int]) -> bytes:
        changed = bytearray(whole)
        for at, piece in drawn[0]:
            changed[at : at + len(piece)] = piece
        return bytes(changed[: drawn[1]])

    return st.one_of(st.binary(max_size=300), st.tuples(edits, st.integers(0, len(whole) + 8)).map(edit))


@settings(max_examples=400, deadline=None)
@given(spoilt(MAP), st.integers(1, 20))
def test_a_map_is_read_or_refused(content: bytes, count: int) -> None:
    with contextlib.suppress(TidemarkError):
        assert blockmap.decode(content, count, "a map").count == count


@settings(max_examples=400, deadline=None)
@given(spoilt(WRAPPED))
def test_a_key_object_opens_to_the_right_key_or_is_refused(content: bytes) -> None:
    with contextlib.suppress(TidemarkError):
        assert unwrap(MASTER, content, "keys/k") == DATA


@settings(max_examples=400, deadline=None)
@given(spoilt(b"TIDEMARK\1\0\0\0" + DATA.repository + bytes(200)), st.integers(1, 99))
def test_a_manifest_that_was_not_sealed_by_the_key_is_refused(content: bytes, number: int) -> None:
    with pytest.raises(TidemarkError):
        ManifestCodec(DATA, "commerce/-80").decode(number, content)
