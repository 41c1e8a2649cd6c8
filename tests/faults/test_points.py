"""Every blow at many points of every step: one long-lived fleet is struck, recovers, and proves its newest backup."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults import table
from tests.faults.blows import BLOWS, Blow
from tests.faults.stage import SHARDS, STEPS, Stage

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]


@dataclass
class Shared:
    """The stage of all tests; one that a failed test leaves behind is replaced."""

    folder: Path
    stage: Stage | None = None
    made: int = 0

    def get(self) -> Stage:
        if self.stage is None:
            self.made += 1
            folder = self.folder / str(self.made)
            folder.mkdir()
            self.stage = Stage(folder).__enter__()
            for shard in SHARDS:
                self.stage.run_well(shard)
                self.stage.run_well(shard)
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
    """Evenly spread points, every fourth one of MySQL, when everything is tried. Otherwise, on two cores and within
    minutes: one point, chosen by the seed, of each step for what kills, and of one step for what only disturbs."""
    if table.FULL:
        part, parts = map(int, os.environ.get("PART", "1/1").split("/"))
        everything = [
            Case(blow, step, SHARDS[1 if i % 4 == 1 else 0], blow.place(step, i / max(1, blow.points - 1)))
            for blow in BLOWS
            for step in blow.steps
            for i in range(blow.points)
        ]
        return everything[part - 1 :: parts]
    chosen = []
    for blow in BLOWS:
        chance = random.Random(f"{os.environ.get('SEED', '1')} {blow.name}")
        steps = blow.steps if blow.points == 10 else [chance.choice(blow.steps)]
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
        names = stage.points(case.step, case.shard)
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


def test_the_next_cycle_of_every_shard_ends_well(shared: Shared) -> None:
    with whole(shared) as stage:
        for shard in SHARDS:
            stage.run_well(shard)
            stage.prove(shard)


def test_the_page_says_what_was_tried(shared: Shared) -> None:
    wanted = {(blow.name, step): blow.points for blow in BLOWS for step in blow.steps}
    table.check(wanted, STEPS)
