"""A zone whose local time is that of a server."""

from __future__ import annotations

import os
import time
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tidemark.errors import SourceUnfit
from tidemark.mysql.source import time_zone
from tidemark.mysql.source.time_zone import OLD_MOMENTS, LocalTime, find_zone, recent_moments

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The node's own zone is UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def offset(zone: str, moment: int) -> int:
    local = datetime.fromtimestamp(moment, UTC).astimezone(zoneinfo.ZoneInfo(zone)).utcoffset()
    assert local is not None
    return int(local.total_seconds())


def local(zone: str) -> LocalTime:
    return LocalTime(
        {moment: offset(zone, moment) for moment in recent_moments(NOW)},
        {moment: offset(zone, moment) for moment in OLD_MOMENTS},
    )


def fixed(seconds: int) -> LocalTime:
    return LocalTime(dict.fromkeys(recent_moments(NOW), seconds), dict.fromkeys(OLD_MOMENTS, seconds))


def test_the_nodes_own_zone_needs_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_zone(local("UTC"), "", "db1:3306") == ""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    assert find_zone(local("Asia/Kolkata"), "", "db1:3306") == ""
    assert find_zone(local("UTC"), "", "db1:3306") == "UTC"


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu"])
def test_a_zone_is_found_that_gives_the_same_in_every_season_and_decade(zone: str) -> None:
    found = find_zone(local(zone), "", "db1:3306")

    assert found
    assert local(found) == local(zone)


def test_two_machines_may_know_different_things_about_earlier_decades() -> None:
    seen = LocalTime(local("Europe/Berlin").recent, dict.fromkeys(OLD_MOMENTS, 3600))

    assert local(find_zone(seen, "", "db1:3306")).recent == seen.recent


def test_an_offset_that_no_place_has_is_given_as_posix_writes_it() -> None:
    for seconds, wanted in ((5 * 3600 + 17 * 60, "<+0517>-05:17"), (-(3600 + 60), "<-0101>01:01")):
        found = find_zone(fixed(seconds), "", "db1:3306")
        assert found == wanted
        os.environ["TZ"] = found
        time.tzset()
        assert time.localtime(recent_moments(NOW)[0]).tm_gmtoff == seconds
        os.environ["TZ"] = "UTC"
        time.tzset()


def test_a_local_time_that_no_zone_gives_is_refused_with_what_was_seen() -> None:
    strange = dict(fixed(3600).recent)
    strange[recent_moments(NOW)[5]] = 7200

    with pytest.raises(SourceUnfit, match=r"over the year \+1 h, \+2 h from UTC") as caught:
        find_zone(LocalTime(strange, fixed(3600).old), "", "db1:3306")
    assert "tzdata" in caught.value.hint
    assert "time_zone" in caught.value.hint


def test_a_node_without_zones_still_has_fixed_ones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(time_zone, "_FOLDER", tmp_path)

    assert find_zone(fixed(7200), "", "db1:3306") == "<+0200>-02:00"
    with pytest.raises(SourceUnfit):
        find_zone(local("Europe/Berlin"), "", "db1:3306")


def test_a_zone_that_the_operator_names_must_be_there_and_right() -> None:
    assert find_zone(local("Europe/Berlin"), "Europe/Paris", "db1:3306") == "Europe/Paris"
    with pytest.raises(SourceUnfit, match=r"it is \+0 h"):
        find_zone(local("Europe/Berlin"), "Europe/London", "db1:3306")
    with pytest.raises(SourceUnfit, match="not known on this node"):
        find_zone(local("Europe/Berlin"), "Europe/Nowhere", "db1:3306")
