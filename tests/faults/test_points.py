"""Every blow at many points of every step: one long-lived fleet is struck, recovers, and proves its newest backup."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandbox import processes
from tests.faults import table
from tests.faults.blows import BLOWS, MAY_FAIL, Blow, private_server
from tests.faults.stage import SHARDS, STEPS, Point, Stage
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]


@dataclass
class Shared:
    """The stage of all tests; one that a failed test leaves behind is replaced."""

    folder: Path
    stage: Stage | None = None
    made: int = 0
    first_copy: dict[str, list[str]] = field(default_factory=dict)
    """The names of the points of a first copy's restore step, by the shard that was copied."""
    names: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """The names of the points of a step that nothing disturbs, by shard and step."""

    def get(self) -> Stage:
        if self.stage is None:
            self.made += 1
            folder = self.folder / str(self.made)
            folder.mkdir()
            self.stage = Stage(folder).__enter__()
            for shard in SHARDS:
                self.stage.run_well(shard)
                self.first_copy[shard] = self.stage.points("restore", shard)
                self.stage.run_well(shard)
                self.names |= {(shard, step): self.stage.points(step, shard) for step in STEPS}
        return self.stage

    def drop(self) -> None:
        stage, self.stage = self.stage, None
        if stage is not None:
            stage.__exit__()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    made = Shared(tmp_path_factory.mktemp("f"))
    yield made
    made.drop()


@contextlib.contextmanager
def whole(shared: Shared) -> Iterator[Stage]:
    """The stage; it is given up when the block fails."""
    stage = shared.get()
    try:
        yield stage
    except Exception as error:
        print(stage.logs(), f"\nFAILED: {error}", flush=True)
        shared.drop()
        raise


@dataclass(frozen=True, slots=True)
class Case:
    """A blow at a point of a step."""

    blow: Blow
    step: str
    shard: str
    place: float
    """Where in the step: 0 is its first point, 1 its last."""

    def __str__(self) -> str:
        return f"{self.blow.name}-{self.step}-{self.place:.2f}"


def cases() -> list[Case]:
    """Evenly spread points, every fifth one of MySQL, when everything is tried. Otherwise, on two cores and within
    minutes: one point, chosen by the seed, of each step for what kills, and of one step for what only disturbs."""
    if table.FULL:
        part, parts = map(int, os.environ.get("PART", "1/1").split("/"))
        everything = [
            Case(blow, step, SHARDS[1 if i % 5 == 1 else 0], blow.place(step, i / max(1, blow.count(step) - 1)))
            for blow in BLOWS
            for step in blow.steps
            for i in range(table.done(blow.name, step), blow.count(step))
        ]
        return everything[part - 1 :: parts]
    chosen = []
    for blow in BLOWS:
        chance = random.Random(f"{os.environ.get('SEED', '1')} {blow.name}")
        steps = blow.steps if blow.every_step else [chance.choice(blow.steps)]
        chosen += [
            Case(blow, step, SHARDS[1 if chance.random() < 0.25 else 0], blow.place(step, chance.random()))
            for step in steps
        ]
    return chosen


@pytest.mark.parametrize("case", cases(), ids=str)
def test_a_run_that_is_struck_is_recovered(shared: Shared, case: Case) -> None:
    with whole(shared) as stage:
        if case.blow.name == "scratch disk full" and not stage.full_disk:
            pytest.skip("only root can mount a small disk")
        names = shared.names[case.shard, case.step]
        strike(stage, case.blow, case.shard, case.step, 1 + round(case.place * (len(names) - 1)))


def strike(stage: Stage, blow: Blow, shard: str, step: str, at: int) -> None:
    """One case."""
    began = time.monotonic()
    stage.write(shard)
    stage.hold(shard, step, at)
    result = stage.fleet.enqueue(shard)
    point = stage.wait_held(result)
    case = f"{blow.name} at {step} {point.index} ({point.name}) of {shard}"
    try:
        with blow.strike(stage, point):
            end = stage.wait_end(result)
        assert end in blow.ends, f"the run ended as {end}: {result.result}"
        assert "skipped" not in str(result.result), f"the run has made no backup: {result.result}"
        stage.prove(shard)
        if end != "SUCCESS":
            stage.run_well(shard)
    except Exception as error:
        raise AssertionError(f"{case}: {error}") from error
    table.note(blow.name, step, end)
    print(
        f"{case}: {time.monotonic() - began:.1f} s, {end}" + (f" ({result.result})" if end != "SUCCESS" else ""),
        flush=True,
    )


FIRST = Blow("`kill -9` of the private mysqld in a first copy", private_server, MAY_FAIL, ("restore",))


@pytest.mark.parametrize("number", range(table.done(FIRST.name, "restore") if table.FULL else 9, 10))
def test_a_first_copy_whose_server_is_killed_is_made_anew(shared: Shared, number: int) -> None:
    with whole(shared) as stage:
        like = SHARDS[1 if number % 5 == 1 else 0]
        shard = f"{like.split('/')[0]}/new{number}"
        stage.add_shard(shard)
        last = len(shared.first_copy[like]) - 1
        share = number / 9 if table.FULL else random.Random(os.environ.get("SEED", "1")).random()
        strike(stage, FIRST, shard, "restore", 1 + round((0.55 + 0.45 * share) * last))
        stage.check_newest(shard)


BEAT, CLOCK = "`kill -9` of beat, a second one stands by", "the node's clock jumps by three hours"
CYCLE = 8
"""Seconds of beat's cycle."""


def spread(blow: str, count: int) -> list[tuple[str, float]]:
    """Steps and places in them: all when everything is tried, otherwise one place in each step."""
    if table.FULL:
        return [(step, i / max(1, count - 1)) for step in STEPS for i in range(count)]
    chance = random.Random(f"{os.environ.get('SEED', '1')} {blow}")
    return [(step, chance.random()) for step in STEPS]


@pytest.mark.timeout(1800)
def test_beats_that_are_killed_miss_no_cycle_and_double_none(shared: Shared) -> None:
    """Two beats, of which one sends; whichever that is, it is killed while a run that it asked for is held."""
    shard = SHARDS[0]
    with whole(shared) as stage:
        beats = ["beat1", "beat2"]
        for beat in beats:
            stage.start_beat(beat, shard, f"{CYCLE}s")
        kills = 0
        for step, place in spread(BEAT, 10):
            names = shared.names[shard, step]
            stage.write(shard)
            stage.hold(shard, step, 1 + round(place * (len(names) - 1)))
            point = stage.wait_held()
            sender = max(beats, key=lambda name: sent(stage, name)[-1:])
            processes.kill(stage.fleet.processes.pop(sender))
            stage.start_beat(sender, shard, f"{CYCLE}s")
            kills += 1
            stage.release()
            end = stage.wait_run(point)
            assert end == "succeeded", f"{step} {point.index} ({point.name})"
            table.note(BEAT, step, "SUCCESS")
        for beat in beats:
            stage.fleet.stop(beat)
        wait_until(lambda: not stage.fleet.redis.keys("backup*"), 120, "what waits is done or void")
        stage.prove(shard)
        cycles = [int(at // CYCLE) for at in sorted(sent(stage, "beat1") + sent(stage, "beat2"))]
        assert len(set(cycles)) == len(cycles), f"cycles were sent twice: {cycles}"
        assert cycles[-1] - cycles[0] + 1 - len(cycles) <= kills, f"cycles were missed: {cycles}"


def sent(stage: Stage, beat: str) -> list[float]:
    """When a beat has sent its shard out, seconds since the epoch; in order."""
    lines = [line for line in stage.fleet.text(beat).splitlines() if "Sending due task backup" in line]
    return [datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f").replace(tzinfo=UTC).timestamp() for line in lines]


@contextlib.contextmanager
def clock(stage: Stage, point: Point) -> Iterator[None]:
    """It jumps while the step is held, and back when the run has ended."""
    stage.move_clock(3 if point.index % 2 else -3)
    stage.release()
    try:
        yield
    finally:
        stage.move_clock(0)


@pytest.mark.timeout(900)
def test_a_clock_that_jumps_spoils_nothing(shared: Shared) -> None:
    with whole(shared) as stage:
        for step, place in spread(CLOCK, 2):
            names = shared.names[SHARDS[0], step]
            strike(stage, Blow(CLOCK, clock), SHARDS[0], step, 1 + round(place * (len(names) - 1)))


def test_the_next_cycle_of_every_shard_ends_well(shared: Shared) -> None:
    with whole(shared) as stage:
        for shard in SHARDS:
            stage.run_well(shard)
            stage.prove(shard)


def test_the_page_says_what_was_tried(shared: Shared) -> None:
    wanted = {(blow.name, step): blow.count(step) for blow in BLOWS for step in blow.steps}
    wanted |= {(FIRST.name, "restore"): FIRST.count("restore")}
    wanted |= {(BEAT, step): 10 for step in STEPS} | {(CLOCK, step): 2 for step in STEPS}
    table.check(wanted, STEPS)
