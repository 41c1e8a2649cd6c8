"""Damaged input, authenticated or not: parsing gives Tidemark's own errors and nothing else."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemark.errors import Damaged, TidemarkError
from tidemark.repository import MasterKey
from tidemark.repository.format import block_map
from tidemark.repository.format.block_map import FrameRef, Segment
from tidemark.repository.format.manifest import ManifestCodec
from tidemark.repository.format.names import PackName
from tidemark.repository.format.sealing import OVERHEAD, Compressor, FrameSealer, Kind, decompress
from tidemark.repository.keys.keys import DataKey, unwrap, wrap
from tidemark.repository.upload.journal import FrameNote, Journal, StoredPack

pytestmark = pytest.mark.unit

MASTER = MasterKey(bytes(range(32)))
DATA = DataKey.generate()
WRAPPED = wrap(MASTER, DATA)
MAP = block_map.Segment.unknown(9).encode()


def spoilt(whole: bytes) -> st.SearchStrategy[bytes]:
    """The same with bytes overwritten, cut off or added; or anything."""
    edits = st.lists(st.tuples(st.integers(0, len(whole) - 1), st.binary(max_size=6)), max_size=4)

    def edit(drawn: tuple[list[tuple[int, bytes]], int]) -> bytes:
        changed = bytearray(whole)
        for at, piece in drawn[0]:
            changed[at : at + len(piece)] = piece
        return bytes(changed[: drawn[1]])

    return st.one_of(st.binary(max_size=300), st.tuples(edits, st.integers(0, len(whole) + 8)).map(edit))


RUN = "20261123T210713Z-1a2b3c4d"
PACK = PackName(RUN, 7)
CONTENT = bytes(range(256)) * 40
COMPRESSED = Compressor(1).compress(CONTENT)
_PLACE = bytearray(len(COMPRESSED) + OVERHEAD)
FrameSealer(DATA, "commerce/-80").seal(memoryview(_PLACE), Kind.DATA, PACK, 3, len(CONTENT), COMPRESSED)
FRAME = bytes(_PLACE)


def journal_text() -> bytes:
    """What a journal of one stored pack looks like."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "journal"
        journal = Journal(path, RUN, "this upload")
        journal.begin(0)
        journal.add(StoredPack(7, 900, 640), [FrameNote("a", 0, FrameRef(PACK, 0, 0, 900, 640), (2, 5), bytes(32))])
        journal.close()
        return path.read_bytes()


JOURNAL = journal_text()


@settings(max_examples=400, deadline=None)
@given(spoilt(FRAME))
def test_a_frame_opens_to_what_was_sealed_or_is_refused(sealed: bytes) -> None:
    sealer = FrameSealer(DATA, "commerce/-80")
    if sealed == FRAME:
        assert sealer.open(Kind.DATA, PACK, 3, len(CONTENT), sealed, "a pack") == CONTENT
    else:
        with pytest.raises(Damaged, match="a pack, frame 3"):
            sealer.open(Kind.DATA, PACK, 3, len(CONTENT), sealed, "a pack")


@settings(max_examples=400, deadline=None)
@given(spoilt(COMPRESSED), st.integers(0, 20_000))
def test_compressed_data_gives_as_many_bytes_as_were_announced_or_is_refused(data: bytes, raw: int) -> None:
    with contextlib.suppress(Damaged):
        assert len(decompress(data, raw, "a frame")) == raw


@settings(max_examples=400, deadline=None)
@given(spoilt(JOURNAL))
def test_a_journal_is_believed_as_far_as_it_can_be_read(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "journal"
        path.write_bytes(content)
        with contextlib.suppress(TidemarkError):
            journal = Journal(path, RUN, "this upload")
            try:
                assert all(0 <= number < 10**12 for number in journal.packs)
                segment = Segment.unknown(9)
                journal.overlay("a", 0, segment)
                assert segment.count == 9
            finally:
                journal.close()


@settings(max_examples=400, deadline=None)
@given(spoilt(MAP), st.integers(1, 20))
def test_a_map_is_read_or_refused(content: bytes, count: int) -> None:
    with contextlib.suppress(TidemarkError):
        assert block_map.decode(content, count, "a map").count == count


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
