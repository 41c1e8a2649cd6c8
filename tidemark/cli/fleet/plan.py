"""``tidemark plan``: how many nodes does this fleet need, and how short can its cycle be?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import click

from tidemark import fleet, planning
from tidemark.cli.context import common_options, json_option, load_settings
from tidemark.cli.output import console, facts, print_json, print_table, span
from tidemark.config import Settings
from tidemark.config.types import parse_duration
from tidemark.errors import RunError
from tidemark.fleet import history, nodes
from tidemark.planning import Work
from tidemark.shards import topology

RUNS = 7
"""Runs of each shard that are looked at."""

EPILOG = """\b
Examples:
  tidemark plan                          from what the last runs took
  tidemark plan --cycle 6h               what if every shard were backed up every six hours?
  tidemark plan --nodes 12 --growth 2    and on twelve nodes, once the data has doubled?
  tidemark plan --json | jq .nodes_needed
"""


class DurationParameter(click.ParamType[float]):
    """``12h``, ``90m`` as the configuration writes them; becomes seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            found = parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not isinstance(found, timedelta) or not found:
            self.fail("a cycle takes time", param, ctx)
        return found.total_seconds()


@dataclass(frozen=True, slots=True)
class Measured:
    """What the fleet's own history says."""

    works: tuple[Work, ...]
    """One run of every shard, in the configuration's order."""
    unmeasured: tuple[str, ...]
    """Shards that have no history: taken for the mean of the others."""
    first_only: tuple[str, ...]
    """Shards of which only the first backup was ever made, which costs more than the next ones will."""
    alive: int
    """Nodes that are there now."""


@click.command("plan", epilog=EPILOG)
@click.option("--nodes", "node_count", type=click.IntRange(1), help="Instead of the nodes that are there now.")
@click.option("--cycle", type=DurationParameter(), help="Instead of [cycle] every, e.g. 6h.")
@click.option("--growth", type=click.FloatRange(0, min_open=True), default=1.0, help="Times as much data per shard.")
@click.option("--writes", type=click.FloatRange(0, min_open=True), default=1.0, help="Times as many transactions.")
@common_options
@json_option
def command(node_count: int | None, cycle: float | None, growth: float, writes: float, as_json: bool) -> None:
    """Tell how many nodes the fleet needs for its cycle, from what its own runs have taken.

    Every shard counts with the median of its last runs. Another cycle makes catch-ups longer or shorter in
    proportion; --growth makes restores and uploads longer, --writes makes catch-ups longer. The nodes that are
    needed leave room for runs that take a quarter longer than usual.
    """
    settings = load_settings()
    measured = measure(settings)
    usual = settings.cycle.every.total_seconds()
    cycle = cycle or usual
    window = settings.cycle.window.total_seconds() if settings.cycle.window and cycle == usual else None
    works = [work.scaled(size=growth, writes=writes * cycle / usual) for work in measured.works]
    count = node_count or max(1, measured.alive)
    simulated = planning.simulate(works, nodes=count, cycle=cycle, window=window)
    needed = planning.nodes_needed(works, cycle=cycle, window=window)
    shortest = planning.shortest_cycle(works, nodes=count)
    if as_json:
        print_json(
            {
                "cycle_seconds": cycle,
                "nodes": count,
                "nodes_alive": measured.alive,
                "nodes_needed": needed,
                "headroom": planning.HEADROOM,
                "fits": simulated.fits,
                "busy": round(simulated.busy, 4),
                "longest_wait_seconds": round(simulated.waited, 1),
                "longest_run_seconds": round(max(work.seconds for work in works), 1),
                "shortest_cycle_seconds": round(shortest, 1),
                "unmeasured": measured.unmeasured,
                "first_backup_only": measured.first_only,
                "shards": [asdict(work) | {"seconds": round(work.seconds, 3)} for work in works],
            }
        )
        return
    _show(measured, works, simulated, needed, shortest)


def measure(settings: Settings) -> Measured:
    """Reads the runs that Redis remembers. Raises ``RunError`` when there is none, ``RedisUnavailable``."""
    known: dict[str, Work] = {}
    first_only = []
    with fleet.connect(settings.redis) as client:
        alive = len(nodes.alive(client))
        ended = history.runs_of(client, topology(settings).names())
    for name, found in ended.items():
        runs = [run for run in found if run.state == "succeeded"]
        later = [run for run in runs if run.restored is not None]
        work = planning.typical(name, [run.seconds for run in (later or runs)[:RUNS]])
        if work is not None:
            known[name] = work
            if not later:
                first_only.append(name)
    if not known:
        raise RunError(
            "there is no run to learn from: no shard has a backup that this fleet has made",
            "let every shard have two backups (tidemark run --all --wait), then ask again",
        )
    names = topology(settings).names()
    works = tuple(known.get(name) or planning.typical_of(name, list(known.values())) for name in names)
    return Measured(works, tuple(name for name in names if name not in known), tuple(first_only), alive)


def _show(
    measured: Measured, works: list[Work], simulated: planning.Simulated, needed: int | None, shortest: float
) -> None:
    longest = sorted(works, key=lambda work: -work.seconds)[:5]
    print_table(
        ["longest runs", "restore", "catchup", "stop", "upload", "in all"],
        [[w.shard, *(span(s) for s in (w.restore, w.catchup, w.stop, w.upload, w.seconds))] for w in longest],
        right=["restore", "catchup", "stop", "upload", "in all"],
    )
    total = sum(work.seconds for work in works)
    facts.print(f"{len(works)} shards every {span(simulated.cycle)}: {total / 3600:.2f} node hours per cycle")
    facts.print(
        f"{simulated.nodes} nodes ({measured.alive} are there now) are busy for {simulated.busy:.0%} of the time; the "
        f"longest wait is {span(simulated.waited)}; the shortest cycle that they can keep is {span(shortest)}"
    )
    if needed is None:
        facts.print(f"no number of nodes is enough: {longest[0].shard} alone takes {span(longest[0].seconds)}")
    else:
        facts.print(f"needed, with room for runs that take a quarter longer: {needed} nodes", style="bold")
    if not simulated.fits:
        console.print(
            "[bold yellow]HINT:[/] with these nodes the fleet falls behind; start more, or let cycles be longer"
        )
    for names, why in (
        (measured.unmeasured, "have no run yet and are taken for the mean of the others"),
        (measured.first_only, "have only their first backup, which took longer than later ones will"),
    ):
        if names:
            console.print(f"{len(names)} shards {why}: {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}")
