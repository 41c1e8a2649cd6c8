"""A fleet on paper: ``python -m benchmarks.simulator [published | fleet]``.

``published`` plays what PlanetScale has told of its backups (every 12 hours; one dedicated node per shard; everything
restored and everything uploaded each time) and compares with the times that it told. ``fleet`` plays any fleet: how
long its cycle takes and how many nodes it needs.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from tidemark.planning import Load, Rates, Simulated, Work, cost, nodes_needed, shortest_cycle, simulate

MEASURED = Rates(download=1.2e9, upload=1.2e9, open=1.6e9, hash=4.6e9, seal=0.7e9)
"""Per-byte costs of a node with two cores, by this project's benchmarks, on a link of 10 Gbit/s."""


@dataclass(frozen=True, slots=True)
class Published:
    """A time that somebody has told."""

    what: str
    bytes: float
    shards: int
    seconds: float
    rate: float
    """Bytes per second and node that were told with it, to and from the store."""


PUBLISHED = (
    Published("161 GB in 1 shard", 161e9, 1, 31 * 60, 173e6),
    Published("20 TB in 32 shards", 20e12, 32, 99 * 60, 210e6),
    Published("about 230 TB in 256 shards", 230e12, 256, 217 * 60, 137e6),
)
"""PlanetScale tells these times, and 137 to 210 MB/s per node. The rate of the first is what its time comes to."""


def loads(total: float, shards: int, *, changed: float, spread: float = 0.0, **more: float) -> list[Load]:
    """Shards of together ``total`` bytes; the largest is about ``spread`` larger than the mean (0: all are equal)."""
    rng = random.Random(shards)
    sizes = [1 + spread * rng.uniform(-1, 1) for _ in range(shards)]
    if shards > 1:
        sizes[0] = 1 + spread
    scale = total / sum(sizes)
    return [Load(f"fleet/{number}", size * scale, changed, **more) for number, size in enumerate(sizes)]


def everything_each_time(rate: float) -> Rates:
    """A node that moves database bytes at one rate, both ways, and computes for free."""
    return Rates(download=rate, upload=rate, open=1e15, hash=1e15, seal=1e15, fixed=30.0)


def dedicated(works: Sequence[Work]) -> Simulated:
    """A node per shard, all started at once."""
    return simulate(works, nodes=len(works), cycle=12 * 3600.0, window=0.0)


def published() -> list[dict[str, float | str]]:
    """Each published time beside the simulated ones."""
    lines: list[dict[str, float | str]] = []
    for known in PUBLISHED:
        own = [
            cost(load, everything_each_time(known.rate))
            for load in loads(known.bytes, known.shards, changed=1.0, ratio=1.0)
        ]
        one = [
            cost(load, everything_each_time(173e6)) for load in loads(known.bytes, known.shards, changed=1.0, ratio=1.0)
        ]
        ours = [cost(load, MEASURED) for load in loads(known.bytes, known.shards, changed=0.1, catchup=120.0)]
        lines.append(
            {
                "what": known.what,
                "published_minutes": known.seconds / 60,
                "simulated_minutes": dedicated(own).longest / 60,
                "error": dedicated(own).longest / known.seconds - 1,
                "one_rate_minutes": dedicated(one).longest / 60,
                "one_rate_error": dedicated(one).longest / known.seconds - 1,
                "tidemark_minutes": dedicated(ours).longest / 60,
            }
        )
    return lines


def fleet(given: argparse.Namespace) -> dict[str, object]:
    """A fleet as the options describe it."""
    rates = Rates(given.down * 1e6, given.up * 1e6, given.open * 1e6, given.hash * 1e6, given.seal * 1e6)
    shards = loads(
        given.total * 1e12,
        given.shards,
        changed=given.changed,
        spread=given.spread,
        catchup=given.catchup,
        kept=given.kept,
    )
    works = [cost(load, rates) for load in shards]
    cycle = given.cycle * 3600
    count = given.nodes or nodes_needed(works, cycle=cycle) or given.shards
    return {
        "nodes": asdict(simulate(works, nodes=count, cycle=cycle)),
        "nodes_needed": nodes_needed(works, cycle=cycle),
        "shortest_cycle_hours": shortest_cycle(works, nodes=count) / 3600,
        "longest_run_minutes": max(work.seconds for work in works) / 60,
        "node_hours_per_cycle": sum(work.seconds for work in works) / 3600,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulator", description=__doc__.splitlines()[0])
    parser.add_argument("scenario", nargs="?", choices=["published", "fleet"], default="published")
    parser.add_argument("--total", type=float, default=20, help="TB of database files")
    parser.add_argument("--shards", type=int, default=32)
    parser.add_argument("--spread", type=float, default=0.3, help="by how much the largest exceeds the mean")
    parser.add_argument("--changed", type=float, default=0.1, help="the part of blocks that a cycle changes")
    parser.add_argument("--catchup", type=float, default=300, help="seconds of a catch-up")
    parser.add_argument("--kept", type=float, default=0, help="the part of runs that find a kept folder")
    parser.add_argument("--cycle", type=float, default=12, help="hours")
    parser.add_argument("--nodes", type=int, help="without it, as many as are needed")
    parser.add_argument("--down", type=float, default=MEASURED.download / 1e6, help="link from the store, MB/s")
    parser.add_argument("--up", type=float, default=MEASURED.upload / 1e6, help="link to the store, MB/s")
    for name in ("open", "hash", "seal"):
        parser.add_argument(f"--{name}", type=float, default=getattr(MEASURED, name) / 1e6, help="MB/s")
    given = parser.parse_args()
    print(json.dumps(published() if given.scenario == "published" else fleet(given), indent=2))


if __name__ == "__main__":
    main()
