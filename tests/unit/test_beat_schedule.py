"""What beat emits and when, simulated over days."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

import beat_schedule
from tasks.beat.schedule import TOO_SOON, CycleSchedule
from tidemark.config import CycleSettings, NodeSettings, RepositorySettings, Settings, ShardSettings

pytestmark = pytest.mark.unit

START = datetime(2026, 11, 23, 7, 31, 12, 345678, UTC)


def _settings(names: list[str], every: str = "12h", window: str | None = None) -> Settings:
    return Settings(
        repository=RepositorySettings(url="file:///backups", key_file=Path("key")),
        node=NodeSettings(scratch=Path("scratch")),
        cycle=CycleSettings.model_validate({"every": every, "window": window}),
        shard=tuple(
            ShardSettings(name=name, host="primary", user="tidemark", password_file=Path("password")) for name in names
        ),
    )


def _tides(settings: Settings) -> dict[str, CycleSchedule]:
    entries = beat_schedule.build(settings)
    return {entry["args"][0]: entry["schedule"] for entry in entries.values() if entry["task"] == "tasks.backup"}


class Beat:
    """Beat with its memory, as Redis keeps it: the last turn of each entry. Looks every ten seconds at the most."""

    def __init__(self, tides: dict[str, CycleSchedule], now: datetime) -> None:
        self.now = now
        self.tides: dict[str, CycleSchedule] = {}
        self.last: dict[str, datetime] = {}
        self.sent: list[tuple[datetime, str]] = []
        self.configure(tides)

    def configure(self, tides: dict[str, CycleSchedule]) -> None:
        self.tides = tides
        for name, tide in tides.items():
            self.last.setdefault(name, self.now - timedelta(seconds=tide.every * TOO_SOON))

    def run(self, span: timedelta) -> None:
        end = self.now + span
        while self.now < end:
            for name, tide in self.tides.items():
                if tide.next_after(self.last[name]) <= self.now:
                    self.sent.append((self.now, name))
                    self.last[name] = self.now
            next_tide = min(tide.next_after(self.last[name]) for name, tide in self.tides.items())
            self.now = min(max(next_tide, self.now + timedelta(seconds=1)), end)

    def sleep(self, span: timedelta) -> None:
        self.now += span

    def times(self, name: str) -> list[datetime]:
        return [when for when, what in self.sent if what == name]


NAMES = [f"commerce/{number:02x}" for number in range(16)]


@pytest.mark.parametrize("every", ["45s", "10m", "7h", "12h", "1d"])
def test_each_shard_has_one_turn_per_cycle_and_all_are_a_cycle_apart(every: str) -> None:
    settings = _settings(NAMES, every)
    beat = Beat(_tides(settings), START)

    beat.run(settings.cycle.every * 6)

    for name in NAMES:
        turns = beat.times(name)
        assert len(turns) == 6
        for one, next_one in pairwise(turns):
            assert abs(next_one - one - settings.cycle.every) < timedelta(seconds=2)


def test_the_shards_of_a_cycle_are_spread_evenly_over_its_window() -> None:
    offsets = sorted(tide.offset for tide in _tides(_settings(NAMES, "12h", "4h")).values())

    assert offsets == [place * 4 * 3600 / len(NAMES) for place in range(len(NAMES))]


def test_a_window_of_nothing_lets_all_go_at_once() -> None:
    assert {tide.offset for tide in _tides(_settings(NAMES, "12h", "0s")).values()} == {0.0}


def test_without_a_window_they_are_spread_over_the_whole_cycle() -> None:
    offsets = sorted(tide.offset for tide in _tides(_settings(NAMES, "12h")).values())

    assert offsets == [place * 12 * 3600 / len(NAMES) for place in range(len(NAMES))]


def test_neighbours_in_name_are_not_neighbours_in_time() -> None:
    tides = _tides(_settings(NAMES))

    assert sorted(NAMES, key=lambda name: tides[name].offset) != NAMES


def test_a_restart_of_beat_neither_repeats_nor_forgets_a_turn() -> None:
    settings = _settings(NAMES, "12h")
    whole = Beat(_tides(settings), START)
    whole.run(timedelta(days=4))
    broken = Beat(_tides(settings), START)
    chance = random.Random(1)  # noqa: S311

    while broken.now < whole.now:
        broken.run(min(timedelta(minutes=chance.randint(1, 300)), whole.now - broken.now))
        broken.configure(_tides(settings))

    assert broken.sent == whole.sent


def test_turns_that_were_missed_while_beat_was_away_are_made_up_for_and_no_others() -> None:
    settings = _settings(NAMES, "12h")
    beat = Beat(_tides(settings), START)
    beat.run(timedelta(hours=24))
    before = len(beat.sent)
    missed = {
        name for name in NAMES if _tides(settings)[name].next_after(beat.last[name]) <= beat.now + timedelta(hours=2)
    }

    beat.sleep(timedelta(hours=2))
    beat.run(timedelta(seconds=1))

    assert 0 < len(missed) < len(NAMES)
    assert {name for _, name in beat.sent[before:]} == missed
    beat.run(timedelta(hours=22) - timedelta(seconds=1))
    assert {len(beat.times(name)) for name in NAMES} == {4}


def test_a_shard_that_comes_or_goes_moves_the_others_a_little_and_none_goes_twice() -> None:
    beat = Beat(_tides(_settings(NAMES, "12h")), START)
    beat.run(timedelta(hours=30))

    beat.configure(_tides(_settings([*NAMES, "new/0", "new/1"], "12h")))
    beat.run(timedelta(hours=36))

    for name in NAMES:
        turns = beat.times(name)
        gaps = [(next_one - one) / timedelta(hours=12) for one, next_one in pairwise(turns)]
        assert min(gaps) > TOO_SOON
        assert max(gaps) < 1.3
    assert len(beat.times("new/0")) == 3


def test_a_new_shard_has_its_first_turn_within_a_cycle() -> None:
    for minutes in range(0, 720, 30):
        beat = Beat(_tides(_settings(["a/0"], "12h")), START + timedelta(minutes=minutes))

        beat.run(timedelta(hours=12, seconds=1))

        assert len(beat.sent) == 1


def test_scheduled_runs_wait_for_those_that_people_ask_for_and_expire_with_their_cycle() -> None:
    entry = beat_schedule.build(_settings(["a/0"], "12h"))["backup a/0"]

    assert entry["task"] == "tasks.backup"
    assert entry["args"] == ("a/0",)
    assert entry["options"] == {"queue": "backup", "priority": 6, "expires": 43200.0}


def test_the_janitor_comes_each_minute() -> None:
    entry = beat_schedule.build(_settings(["a/0"]))["janitor"]

    assert (entry["task"], entry["schedule"], entry["options"]["queue"]) == (
        "tasks.janitor",
        CycleSchedule(60),
        "control",
    )


def test_a_thousand_shards_are_scheduled_in_no_time() -> None:
    settings = _settings([f"keyspace/{number}" for number in range(1024)])

    entries = beat_schedule.build(settings)

    assert len(entries) == 1025
    assert len({entry["schedule"].offset for entry in entries.values() if "args" in entry}) == 1024
