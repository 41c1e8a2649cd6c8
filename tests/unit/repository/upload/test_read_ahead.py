"""Small reads become few large ones and give the same bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.backups import WatchedStore, noise
from tidemark.errors import ObjectMissing
from tidemark.repository.upload.read_ahead import CHUNK, KEPT, ReadAhead
from tidemark.storage import MemoryStore

pytestmark = pytest.mark.unit

SIZE = 3 * CHUNK + 1234
STORE = MemoryStore()
STORE.put("a", [noise("a", SIZE)])
STORE.put("whole", [noise("b", 2 * CHUNK)])


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "whole"]), st.integers(0, SIZE + 10), st.integers(0, 2 * CHUNK)), max_size=9
    )
)
def test_every_range_is_what_the_store_gives(ranges: list[tuple[str, int, int]]) -> None:
    ahead = ReadAhead(STORE)

    for name, start, length in ranges:
        assert ahead.get(name, start, length) == STORE.get(name, start, length)


def test_neighbours_are_one_request() -> None:
    requests: list[str] = []
    ahead = ReadAhead(WatchedStore(STORE, lambda what, name: requests.append(what)))

    for start in range(0, SIZE, 1000):
        ahead.get("a", start, 300)

    assert len(requests) == 4


def test_only_a_few_chunks_are_kept() -> None:
    store = MemoryStore()
    for number in range(KEPT + 1):
        store.put(f"{number}", [b"x"])
    requests: list[str] = []
    ahead = ReadAhead(WatchedStore(store, lambda what, name: requests.append(name)))

    for number in [*range(KEPT + 1), KEPT, 0]:
        ahead.get(f"{number}", 0, 1)

    assert requests == [*map(str, range(KEPT + 1)), "0"]


def test_what_is_missing_is_missing_each_time() -> None:
    ahead = ReadAhead(MemoryStore())
    for _ in range(2):
        with pytest.raises(ObjectMissing, match="nothing"):
            ahead.get("nothing", 0, 1)
