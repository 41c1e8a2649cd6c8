"""Positions as values, against a model that counts single transactions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemark.mysql.gtid import Gtid, GtidPosition, GtidSet, parse_gtids

pytestmark = pytest.mark.unit

A = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
B = "4a11fa47-71ca-11e1-9e33-c80aa9429562"

Model = frozenset[tuple[str, str, int]]

models = st.frozensets(
    st.tuples(st.sampled_from([A, B]), st.sampled_from(["", "t1", "zone_2"]), st.integers(1, 12)), max_size=30
)


def write(model: Model) -> str:
    return ", ".join(f"{uuid}:{tag}:{number}" if tag else f"{uuid}:{number}" for uuid, tag, number in model)


def read(text: str) -> Model:
    found = GtidSet.parse(text)
    return frozenset(
        (uuid, tag, number)
        for (uuid, tag), intervals in found.intervals.items()
        for first, last in intervals
        for number in range(first, last + 1)
    )


@given(models)
def test_a_set_survives_being_written_and_read(model: Model) -> None:
    text = str(GtidSet.parse(write(model)))
    assert read(text) == model
    assert str(GtidSet.parse(text)) == text


@given(models, models)
def test_sets_subtract_join_and_contain_as_sets_do(mine: Model, other: Model) -> None:
    one, two = GtidSet.parse(write(mine)), GtidSet.parse(write(other))
    assert read(str(one - two)) == mine - other
    assert read(str(one | two)) == mine | other
    assert len(one) == len(mine)
    assert one.contains(two) == (mine >= other)


@given(models)
def test_equal_sets_are_written_the_same(model: Model) -> None:
    assert str(GtidSet.parse(write(model))) == str(GtidSet.parse(write(frozenset(sorted(model, reverse=True)))))


def test_a_set_is_written_as_mysql_writes_it() -> None:
    text = f"{B.upper()}:1-2,\n{A}:9:tag_a:2:1:3-3:5-7, {A}:1-3:4"
    assert str(GtidSet.parse(text)) == f"{A}:1-4:9:tag_a:1-3:5-7,{B}:1-2"


def test_an_empty_set_is_an_empty_text() -> None:
    assert str(GtidSet.parse(" \n")) == ""
    assert len(GtidSet.parse("")) == 0


@pytest.mark.parametrize("text", ["0-1-3", A, f"{A}:", f"{A}:0", f"{A}:1-2-3", f"{A}:1 x{B}:1", "x:1", f"{A}:a-b"])
def test_what_is_no_set_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a MySQL GTID set"):
        GtidSet.parse(text)


positions = st.dictionaries(st.integers(0, 3), st.builds(Gtid, st.integers(1, 3), st.integers(1, 50)), max_size=4).map(
    lambda domains: GtidPosition(dict(sorted(domains.items())))
)


@given(positions)
def test_a_position_survives_being_written_and_read(position: GtidPosition) -> None:
    assert GtidPosition.parse(str(position)) == position


@given(positions, positions)
def test_nothing_is_missing_exactly_when_a_position_is_reached(one: GtidPosition, two: GtidPosition) -> None:
    assert one.reached(two) == (one.count_missing(two) == 0)
    assert one.reached(one)
    if one.reached(two) and two.reached(one):
        assert {d: g.sequence for d, g in one.domains.items()} == {d: g.sequence for d, g in two.domains.items()}


def test_a_position_is_written_by_domain_and_the_highest_of_a_domain_counts() -> None:
    assert str(GtidPosition.parse("5-2-7, 0-1-100,\n0-2-98")) == "0-1-100,5-2-7"


def test_missing_transactions_are_counted_over_all_domains() -> None:
    assert GtidPosition.parse("0-1-90,2-1-5").count_missing(GtidPosition.parse("0-1-100,5-2-7,2-1-3")) == 17


@pytest.mark.parametrize("text", ["0-1", "0-1-2-3", f"{A}:1", "0-1-x", "0-1-1 0-1-2"])
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a MariaDB GTID"):
        GtidPosition.parse(text)


@pytest.mark.parametrize(
    ("position", "state", "ahead"),
    [
        ("0-1-10", "0-1-10", ""),
        ("0-1-10", "0-1-9", "0-1-10"),
        ("0-1-10", "0-1-9,0-2-20", "0-1-10"),  # server 1 wrote a tenth that never got here
        ("0-1-10", "0-2-20", ""),  # server 1 is forgotten; replication itself will tell
        ("0-1-10", "", "0-1-10"),
        ("0-1-10,7-1-1", "0-1-12", "7-1-1"),
        ("", "0-1-12", ""),
    ],
)
def test_what_a_source_never_had_is_ahead_of_it(position: str, state: str, ahead: str) -> None:
    assert str(GtidPosition.parse(position).ahead_of(parse_gtids(state))) == ahead
