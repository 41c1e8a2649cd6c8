"""Map segments come back as they were, and nothing that is none passes for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemark.errors import Damaged
from tidemark.repository.format.block_map import HOLE, HOLE_DIGEST, FrameRef, Segment, decode
from tidemark.repository.format.names import PackName

pytestmark = pytest.mark.unit

run_ids = st.sampled_from(["20261123T210713Z-1a2b3c4d", "a", "B.c_d-9" * 14])
frames = st.builds(
    FrameRef,
    st.builds(PackName, run_ids, st.integers(0, 2**64 - 1)),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(1, 500),
    st.integers(1, 4 << 20),
)


@st.composite
def segments(draw: st.DrawFn) -> Segment:
    count = draw(st.integers(1, 40))
    segment = Segment.unknown(count)
    segment.frames = draw(st.lists(frames, max_size=count))
    for block in range(count):
        if len(segment.frames) > 0 and draw(st.booleans()):
            place = draw(st.integers(0, len(segment.frames) - 1))
            segment.set_block(block, draw(st.binary(min_size=16, max_size=16)), place, draw(st.integers(0, 65535)))
        else:
            segment.set_block(block, HOLE_DIGEST, HOLE, 0)
    return segment


@given(segments())
def test_a_segment_comes_back(segment: Segment) -> None:
    assert decode(segment.encode(), segment.count, "it") == segment


@given(segments())
def test_compacting_keeps_every_blocks_place(segment: Segment) -> None:
    def places() -> list[tuple[bytes, FrameRef | None, int]]:
        return [
            (segment.digest(i), None if f == HOLE else segment.frames[f], segment.index_of[i])
            for i, f in enumerate(segment.frame_of)
        ]

    before = places()
    segment.compact()

    assert places() == before
    assert set(segment.blocks_per_frame()) == set(range(len(segment.frames)))


@given(segments(), st.integers(1, 60))
def test_a_file_that_grows_or_shrinks_keeps_what_is_common(segment: Segment, count: int) -> None:
    resized = segment.resized(count)

    assert resized.count == count == len(resized.frame_of) == len(resized.index_of)
    for block in range(count):
        if block < segment.count:
            assert resized.digest(block) == segment.digest(block)
            assert resized.frame_of[block] == segment.frame_of[block]
        else:
            assert resized.digest(block) == b"\xff" * 16


@given(segments(), st.data())
def test_what_is_no_segment_is_damaged_and_nothing_else(segment: Segment, data: st.DataObject) -> None:
    """These bytes come out of a seal, so this is about a faulty writer: a reader must say so, not fall over."""
    content = bytearray(segment.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] ^= data.draw(st.integers(1, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    try:
        decoded = decode(bytes(content), segment.count, "it")
    except Damaged:
        return
    assert all(frame == HOLE or frame < len(decoded.frames) for frame in decoded.frame_of)


@pytest.mark.parametrize("count", [1, 2, 3, 16385])
def test_a_segment_of_another_length_is_damaged(count: int) -> None:
    with pytest.raises(Damaged, match=f"{count} blocks expected"):
        decode(Segment.unknown(4).encode(), count, "it")
