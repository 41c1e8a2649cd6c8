"""A browser is sent what it has not seen."""

from __future__ import annotations

import pytest

from tidemark.web.board import Row
from tidemark.web.changes import Changes, Journal

pytestmark = pytest.mark.unit

A, B, C = (Row(shard=name, health="fine") for name in "abc")


@pytest.fixture
def journal() -> Journal:
    made = Journal()
    made.update([A, B, C])
    return made


def names(changes: Changes) -> list[str]:
    return [row.shard for row in changes.rows]


@pytest.mark.parametrize("mark", ["", "nonsense", "12345678.3", ".", "x.y"])
def test_a_mark_that_says_nothing_is_answered_with_everything(journal: Journal, mark: str) -> None:
    seen = journal.since(mark)

    assert seen.whole
    assert names(seen) == ["a", "b", "c"]


def test_only_what_has_changed_is_sent_to_each_who_asks(journal: Journal) -> None:
    first = journal.since().mark
    journal.update([A, B.model_copy(update={"waiting": "a free node"}), C])
    second = journal.since(first)
    journal.update([A, B.model_copy(update={"waiting": "a free node"}), C.model_copy(update={"number": 2})])

    assert (second.whole, names(second)) == (False, ["b"])
    assert names(journal.since(second.mark)) == ["c"]
    assert names(journal.since(first)) == ["b", "c"]
    assert names(journal.since(journal.since().mark)) == []


def test_the_same_rows_again_are_no_change(journal: Journal) -> None:
    mark = journal.since().mark
    journal.update([A, B, C])

    assert journal.since(mark).mark == mark


@pytest.mark.parametrize("rows", [[A, B], [A, B, C, Row(shard="d", health="late")], [B, A, C]])
def test_when_other_shards_are_configured_everything_is_sent_anew(journal: Journal, rows: list[Row]) -> None:
    mark = journal.since().mark
    journal.update(rows)

    seen = journal.since(mark)
    assert seen.whole
    assert names(seen) == [row.shard for row in rows]
