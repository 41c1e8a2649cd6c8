"""``tidemark status``: is every shard safe, and what is running?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from tidemark import fleet
from tidemark.cli.context import common_options, complete_shards, json_option, load_settings, prepare_celery
from tidemark.cli.fleet.rescan import rescan as rescan_repository
from tidemark.cli.fleet.shard_table import UNCUT, table
from tidemark.cli.output import console, facts, print_json, size, span
from tidemark.cli.pauses import pauses
from tidemark.cli.selection import select
from tidemark.config import Settings
from tidemark.errors import TidemarkError
from tidemark.fleet import health
from tidemark.fleet.health import Thresholds
from tidemark.fleet.metrics import ShardView

EPILOG = """\b
Examples:
  tidemark status
  tidemark status 'commerce/*' --state late --sort age
  tidemark status --watch
  tidemark status --brief         one line and an exit status, for cron or Nagios
  tidemark status --json | jq '.[] | select(.failures > 0) | .shard'
  tidemark status --rescan        when Redis has lost its memory
"""

NAMED = 5
"""Shards over their limit that are named on the last line."""
_FIRST = {"late": 0, "failed": 1, "running": 2, "idle": 3}


@dataclass(frozen=True, slots=True)
class Seen:
    """The fleet at one moment."""

    views: list[ShardView]
    nodes: int
    limits: Thresholds
    waiting: Mapping[str, str]
    """Shards that wait for their run, and for what; empty for a free node."""

    @property
    def over(self) -> list[str]:
        """Every shard over its limit, with what is wrong."""
        found = ((view.shard, health.over(view, self.limits)) for view in self.views)
        return [f"{shard} ({', '.join(trouble.message for trouble in over)})" for shard, over in found if over]


@click.command("status", epilog=EPILOG)
@click.argument("shards", nargs=-1, metavar="[SHARD...]", shell_complete=complete_shards)
@click.option("--state", multiple=True, type=click.Choice(health.STATES), help="Show only shards in this state.")
@click.option(
    "--sort", type=click.Choice(["config", "name", "age", "size"]), default="config", help="age: the stalest first."
)
@click.option("--watch", is_flag=True, help="Go on showing it, what needs attention first; Ctrl-C ends.")
@click.option("--interval", default=2.0, show_default=True, help="Seconds between two looks of --watch.")
@click.option("--brief", is_flag=True, help="Print one line only.")
@click.option("--rescan", is_flag=True, help="Read the repository, which is the truth, and refresh what Redis knows.")
@common_options
@json_option
def command(
    shards: tuple[str, ...],
    state: tuple[str, ...],
    sort: str,
    watch: bool,
    interval: float,
    brief: bool,
    rescan: bool,
    as_json: bool,
) -> None:
    """Show every SHARD (or those that a pattern names): how old its newest backup is, and the newest that a restore has
    proven; what is running; what failed last.

    Exit status 1 when a shard is over its limit: [alert] max_age and max_proven_age. Redis is asked, not the
    repository; --rescan goes to the repository.
    """
    if watch and (as_json or brief):
        raise click.UsageError("--watch draws a table; leave out --json and --brief")
    settings = load_settings()
    names = select(settings, shards)
    if rescan:
        rescan_repository(settings, names)
    if watch:
        _watch(settings, names, state, sort, interval)
        return
    seen = _look(settings, names)
    chosen = _choose(seen, state, sort)
    if as_json:
        print_json([_as_json(view, seen) for view in chosen])
    elif brief:
        facts.print(_one_line(seen), soft_wrap=True)
    elif facts.is_terminal:
        facts.print(table(chosen, width=facts.width, limits=seen.limits, waiting=seen.waiting))
        facts.print(_totals(seen), soft_wrap=True)
    else:
        uncut = table(chosen, width=UNCUT, limits=seen.limits, waiting=seen.waiting)
        Console(highlight=False, width=UNCUT).print(uncut)
        facts.print(_totals(seen), soft_wrap=True)
    if seen.over:
        if not brief:
            console.print(_one_line(seen), soft_wrap=True)
        raise SystemExit(1)


def _look(settings: Settings, names: Sequence[str]) -> Seen:
    with fleet.connect(settings.redis) as client:
        views = fleet.metrics.views(client, names)
        nodes, waits = len(fleet.nodes.alive(client)), fleet.queues.anything_waits(client)
    if not waits:
        return Seen(views, nodes, Thresholds.of(settings), {})
    prepare_celery()  # which takes a while, so it is asked only when there is something to tell
    from tidemark.queue import client as queue_client

    return Seen(views, nodes, Thresholds.of(settings), queue_client.waiting())


def _choose(seen: Seen, states: Sequence[str], sort: str) -> list[ShardView]:
    chosen = [view for view in seen.views if not states or health.states(view, seen.limits) & set(states)]
    match sort:
        case "name":
            chosen.sort(key=lambda view: view.shard)
        case "age":
            chosen.sort(key=lambda view: -(health.age(view) or float("inf")))
        case "size":
            chosen.sort(key=lambda view: -(view.newest.bytes if view.newest else 0))
    return chosen


def _as_json(view: ShardView, seen: Seen) -> dict[str, Any]:
    """Everything that is known, and what follows from it."""
    limits = seen.limits
    return view.model_dump() | {
        "state": health.state(view, limits),
        "age_seconds": health.age(view),
        "proven_age_seconds": health.proven_age(view),
        "waiting": seen.waiting.get(view.shard),
        "over_limit": bool(health.over(view, limits)),
        "troubles": [trouble.model_dump() for trouble in health.troubles(view, limits)],
    }


def _totals(seen: Seen) -> str:
    views = seen.views
    with_backup = [view.newest for view in views if view.newest]
    running = sum(1 for view in views if view.running)
    failing = sum(1 for view in views if view.failures)
    waiting = seen.waiting.keys() & {view.shard for view in views if not view.running}
    nodes = "1 node" if seen.nodes == 1 else f"{seen.nodes} nodes"
    return (
        f"{len(with_backup)} of {len(views)} shards have a backup "
        f"({size(sum(newest.bytes for newest in with_backup))}, "
        f"{size(sum(newest.stored_bytes for newest in with_backup))} stored anew by the newest); "
        f"{running} running, {len(waiting)} waiting, {failing} failing, {len(seen.over)} over the limit; {nodes}"
    )


def _one_line(seen: Seen) -> Text:
    """What a monitoring system shows."""
    over = seen.over
    if over:
        more = f", and {len(over) - NAMED} more" if len(over) > NAMED else ""
        which = ", ".join(over[:NAMED])
        head = f"{len(over)} of {len(seen.views)} shards over the limit: "
        return Text.assemble(("LATE: ", "bold red"), head, which, more)
    oldest = max((health.age(view) or 0 for view in seen.views), default=0)
    return Text.assemble(("OK: ", "green"), f"{len(seen.views)} shards, the oldest newest backup is {span(oldest)} old")


def _watch(settings: Settings, names: Sequence[str], states: Sequence[str], sort: str, interval: float) -> None:
    """Draws the table again and again; what does not fit the screen is what needs no attention."""
    if not facts.is_terminal:
        raise click.UsageError("--watch draws on a terminal, and standard output is none")
    try:
        with Live(console=facts, screen=True, auto_refresh=False) as live:
            while True:
                try:
                    live.update(_screen(_look(settings, names), states, sort), refresh=True)
                except TidemarkError as error:  # Redis is away: so the screen says until it is back
                    live.update(Text(str(error), "red"), refresh=True)
                pauses.wait(max(interval, 0.2))
    except KeyboardInterrupt:
        return


def _screen(seen: Seen, states: Sequence[str], sort: str) -> Group:
    chosen = _choose(seen, states, sort)
    if sort == "config":
        chosen.sort(key=lambda view: _FIRST[health.state(view, seen.limits)])
    lines = max(facts.height - 6, 1)
    left = len(chosen) - lines
    below = [Text(f"... and {left} more", "dim")] if left > 0 else []
    shown = chosen[: lines - len(below)] if left > 0 else chosen
    heading = Text(f"tidemark status, {datetime.now(UTC):%H:%M:%S} UTC", "bold")
    drawn = table(shown, width=facts.width, limits=seen.limits, waiting=seen.waiting)
    return Group(heading, drawn, *below, Text(_totals(seen), "dim"))
