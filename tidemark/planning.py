"""How long a fleet's cycle takes and how many nodes it needs: pure arithmetic on what runs have cost.

A node does one run at a time. Beat sends the shards out one after the other, spread over a window, and a shard that
finds no free node waits in the queue: `simulate` plays that, cycle after cycle, and `nodes_needed` asks for the
fewest nodes with which every run ends before its shard's next one begins.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median

from tidemark.results import STEPS

CYCLES = 3
"""Cycles that are simulated; a queue that only grows is seen by then."""
HEADROOM = 1.25
"""How much longer than usual runs may take before a fleet of the size that is recommended falls behind."""


@dataclass(frozen=True, slots=True)
class Work:
    """One run of one shard, seconds per step."""

    shard: str
    restore: float
    catchup: float
    stop: float
    upload: float

    @property
    def seconds(self) -> float:
        """The whole run."""
        return self.restore + self.catchup + self.stop + self.upload

    def scaled(self, *, size: float = 1.0, writes: float = 1.0) -> Work:
        """The same with ``size`` times the data and ``writes`` times the transactions to catch up with."""
        return replace(self, restore=self.restore * size, catchup=self.catchup * writes, upload=self.upload * size)

    def slower(self, times: float) -> Work:
        """The same when everything takes so many times as long."""
        return Work(self.shard, *(times * step for step in (self.restore, self.catchup, self.stop, self.upload)))


@dataclass(frozen=True, slots=True)
class Rates:
    """What a node can do, bytes per second: database bytes, but for the links, whose bytes are compressed."""

    download: float
    """The link from the store."""
    upload: float
    """The link to the store."""
    open: float
    """Decrypting, decompressing, checking and writing."""
    hash: float
    """Reading and hashing, which every upload does with every byte."""
    seal: float
    """Compressing and sealing what has changed, hashing included."""
    fixed: float = 4.0
    """Seconds of a run that no byte causes: the server's start and stop, maps, manifest."""


@dataclass(frozen=True, slots=True)
class Load:
    """A shard as the arithmetic sees it."""

    shard: str
    bytes: float
    """Database bytes."""
    changed: float
    """The part of its blocks that a cycle changes, 0 to 1."""
    ratio: float = 0.42
    """Stored bytes per database byte."""
    catchup: float = 0.0
    """Seconds that the catch-up takes."""
    kept: float = 0.0
    """The part of runs, 0 to 1, that find the shard's folder of the cycle before on their node."""


def cost(load: Load, rates: Rates) -> Work:
    """A run's seconds. Links and processors work at the same time, so the slower one counts."""
    fresh = max(load.bytes * load.ratio / rates.download, load.bytes / rates.open)
    delta = max(load.bytes * load.changed * load.ratio / rates.download, load.bytes / rates.hash)
    changed = load.bytes * load.changed
    busy = (load.bytes - changed) / rates.hash + changed / rates.seal
    return Work(
        shard=load.shard,
        restore=load.kept * min(delta, fresh) + (1 - load.kept) * fresh,
        catchup=load.catchup,
        stop=rates.fixed,
        upload=max(busy, changed * load.ratio / rates.upload),
    )


@dataclass(frozen=True, slots=True)
class Simulated:
    """What a fleet did in its last simulated cycle."""

    nodes: int
    cycle: float
    """Seconds from one run of a shard to its next."""
    longest: float
    """From the first start to the last end, seconds."""
    latest: float
    """The most seconds that any run ended after it was sent out."""
    waited: float
    """The most seconds that any run waited for a node."""
    busy: float
    """The part of the nodes' time that was spent on runs; more than 1: there are too few."""

    @property
    def fits(self) -> bool:
        """Whether every run ends before its shard's next one, for ever."""
        return self.busy <= 1 and self.latest <= self.cycle


def simulate(works: Sequence[Work], *, nodes: int, cycle: float, window: float | None = None) -> Simulated:
    """Plays a few cycles. ``window`` is the part of a cycle, seconds, that the starts are spread over; all of it
    without one, 0 for all at once. ``ValueError`` without a node or a shard."""
    if nodes < 1 or not works or cycle <= 0:
        raise ValueError("a fleet has nodes and shards, and a cycle takes time")
    spread = cycle if window is None else window
    free = [0.0] * nodes  # when each node is next free
    ended_before = dict.fromkeys((work.shard for work in works), 0.0)
    latest = waited = last = first = 0.0
    for number in range(CYCLES):
        latest = waited = 0.0
        first = number * cycle
        for place, work in enumerate(works):
            sent = first + place * spread / len(works)
            begins = max(sent, heapq.heappop(free), ended_before[work.shard])
            ends = begins + work.seconds
            heapq.heappush(free, ends)
            ended_before[work.shard] = ends
            waited, latest, last = max(waited, begins - sent), max(latest, ends - sent), max(last, ends)
    busy = sum(work.seconds for work in works) / (nodes * cycle)
    return Simulated(nodes, cycle, last - first, latest, waited, busy)


def nodes_needed(
    works: Sequence[Work], *, cycle: float, window: float | None = None, headroom: float = HEADROOM
) -> int | None:
    """The fewest nodes with which every run fits into a cycle, even when all take ``headroom`` times as long. None
    when a single run is longer than that: more nodes cannot help, only smaller shards or longer cycles."""
    slow = [work.slower(headroom) for work in works]
    if max(work.seconds for work in slow) > cycle:
        return None
    fewest = max(1, math.ceil(sum(work.seconds for work in slow) / cycle))
    most = len(slow)
    while fewest < most:
        middle = (fewest + most) // 2
        if simulate(slow, nodes=middle, cycle=cycle, window=window).fits:
            most = middle
        else:
            fewest = middle + 1
    return fewest


def shortest_cycle(works: Sequence[Work], *, nodes: int) -> float:
    """Seconds that a cycle must at least take on so many nodes, when the starts are spread over all of it."""
    total, longest = sum(work.seconds for work in works), max(work.seconds for work in works)
    least, most = max(total / nodes, longest), total + longest
    while most - least > max(1.0, 0.001 * least):
        middle = (least + most) / 2
        if simulate(works, nodes=nodes, cycle=middle).fits:
            most = middle
        else:
            least = middle
    return most


def typical(shard: str, runs: Sequence[Mapping[str, float]]) -> Work | None:
    """What a shard's run takes, from the seconds per step of earlier ones: the median of each step, which one slow
    night does not move. None when no run has all four steps."""
    whole = [run for run in runs if run.keys() >= set(STEPS)]
    if not whole:
        return None
    return Work(shard, *(median(run[step] for run in whole) for step in STEPS))


def typical_of(shard: str, others: Sequence[Work]) -> Work:
    """A shard that nothing is known of, taken for one like the others. ``ValueError`` without others."""
    return Work(shard, *(fmean(getattr(work, step) for work in others) for step in STEPS))
