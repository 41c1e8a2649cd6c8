"""``tidemark show``: everything about one shard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tidemark import fleet, wiring
from tidemark.cli.context import common_options, json_option, load_settings, shard_argument
from tidemark.cli.fleet.shard_table import brief, moving
from tidemark.cli.output import age, console, facts, moment, print_json, print_table, size, span
from tidemark.cli.spark import line as sparkline
from tidemark.config import Settings, ShardSettings
from tidemark.errors import TidemarkError
from tidemark.fleet import RunFigures, RunRecord, ShardView, health
from tidemark.fleet.health import Thresholds
from tidemark.repository import Backup
from tidemark.results import STEPS
from tidemark.shards import Address, Servers, Topology, topology

EPILOG = """\b
Examples:
  tidemark show commerce/-80
  tidemark show commerce/-80 --runs 50
  tidemark show commerce/-80 --json | jq '.history[0].seconds'
"""

WIDE = 120
"""Columns from which on every step has its own."""
TREND = 30
"""Backups that a trend shows."""


@dataclass(frozen=True, slots=True)
class Configured:
    """A shard, and where it is."""

    shard: ShardSettings
    servers: Servers

    @property
    def replicas(self) -> tuple[Address, ...]:
        """Those that are the source instead of the primary; none when the primary is."""
        return self.servers.sources("replica") if self.shard.source == "replica" else ()


@click.command("show", epilog=EPILOG)
@shard_argument
@click.option("--runs", default=10, show_default=True, help="How many of the newest runs to list.")
@click.option("--no-backups", is_flag=True, help="Do not read the repository.")
@common_options
@json_option
def command(shard: str, runs: int, no_backups: bool, as_json: bool) -> None:
    """Show everything about SHARD: its newest and its newest proven backup, what is running, the last error with what
    to try and where it was raised, how size and duration develop, the newest runs and the backups."""
    settings = load_settings()
    configured = _find_configured(topology(settings), shard)
    name = configured.shard.name
    with fleet.connect(settings.redis) as client:
        (view,) = fleet.metrics.views(client, [name])
        history = fleet.history.runs(client, name)
        open_runs = [run for run in fleet.records.history(client, name) if run.state == "open"]
    backups, problem = ([], "") if no_backups else _backups(settings, name)
    if as_json:
        read = None if no_backups or problem else backups
        print_json(_as_json(settings, configured, view, history[:runs], open_runs, read))
    else:
        _print_head(settings, configured, view, open_runs)
        _print_trends(history)
        _print_runs(history[:runs])
        if not no_backups:
            _print_backups(backups, problem)
    if problem and as_json:
        console.print(f"The repository could not be read: {problem}", soft_wrap=True)


def _find_configured(shards: Topology, name: str) -> Configured:
    return Configured(shards.find(name), shards.servers(name))


def _last_source(view: ShardView) -> str | None:
    """Where the last catch-up took its transactions from, ``host:port``; None when no run has told it."""
    return (view.caught.source or None) if view.caught else None


def _either(addresses: Sequence[Address]) -> str:
    """Several are shown as such: which of them is the primary only a run asks."""
    return " or ".join(map(str, addresses))


def _backups(settings: Settings, shard: str) -> tuple[list[Backup], str]:
    """The backups; or why they cannot be read, which is no reason to show nothing."""
    try:
        return list(wiring.open_repository(settings).shard(shard).catalog.backups()), ""
    except TidemarkError as error:
        return [], error.message


def _as_json(
    settings: Settings,
    configured: Configured,
    view: ShardView,
    history: Sequence[RunFigures],
    open_runs: Sequence[RunRecord],
    backups: Sequence[Backup] | None,
) -> dict[str, Any]:
    limits = Thresholds.of(settings)
    return {
        "shard": view.shard,
        "servers": [str(address) for address in configured.servers.candidates],
        "replicas": [str(address) for address in configured.replicas],
        "last_source": _last_source(view),
        "state": health.state(view, limits),
        "troubles": [trouble.model_dump() for trouble in health.troubles(view, limits)],
        "age_seconds": health.age(view),
        "proven_age_seconds": health.proven_age(view),
        "view": view.model_dump(),
        "open_runs": [run.model_dump() for run in open_runs],
        "history": [figures.model_dump() for figures in history],
        "backups": None if backups is None else [_backup_as_json(backup) for backup in backups],
    }


def _backup_as_json(backup: Backup) -> dict[str, Any]:
    return {
        "number": backup.number,
        "run": backup.run_id,
        "finished_at": backup.finished_at,
        "bytes": backup.bytes,
        "stored_bytes": backup.stored_bytes,
        "restored_from": backup.restored_from,
        "holds": backup.holds,
        "position": backup.position,
        "server": f"{backup.flavour} {backup.server_version}",
    }


def _print_head(settings: Settings, configured: Configured, view: ShardView, open_runs: Sequence[RunRecord]) -> None:
    limits = Thresholds.of(settings)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    over = health.over(view, limits)
    colour = "bold red" if over else "yellow" if view.failures else "bold green"
    verdict = ", ".join(trouble.message for trouble in over) or "safe"
    table.add_row("shard", Text.assemble((view.shard, "bold"), "  ", (verdict, colour)))
    table.add_row("primary", Text(f"{_either(configured.servers.candidates)} ({configured.shard.flavour})"))
    if configured.replicas:
        table.add_row("source", Text(f"a replica: {_either(configured.replicas)}"))
    if last_source := _last_source(view):
        table.add_row("last source", Text(last_source))
    if newest := view.newest:
        stored = f"{size(newest.bytes)}, {size(newest.stored_bytes)} stored anew"
        table.add_row("newest", f"backup {newest.number}, {age(newest.finished_at)}: {stored}")
        table.add_row("position", newest.position or "-")
    else:
        table.add_row("newest", Text("no backup", "bold red"))
    if proven := view.proven:
        made = f", made {age(proven.finished_at)}" if proven.finished_at else ""
        table.add_row("proven", f"backup {proven.number}{made}; proven {age(proven.proven_at)}")
    else:
        table.add_row("proven", "none yet")
    for mirror in view.mirrors:
        behind = mirror.error or ("level" if not mirror.missing else f"{mirror.missing} behind")
        table.add_row("mirror", Text.assemble(f"{mirror.url}: ", (behind, "red" if mirror.error else "")))
    table.add_row("now", _running(view, open_runs))
    for number, what in sorted(view.damaged.items()):
        table.add_row("damaged", Text(f"backup {number}: {what}", "red"))
    facts.print(table)
    if view.last_error:
        _print_error(view)


def _running(view: ShardView, open_runs: Sequence[RunRecord]) -> Text:
    if view.running:
        where = f"  on {view.running.node}, run {view.running.run}"
        step = moving(view.running.step, view.progress) if view.progress else Text(view.running.step, "cyan")
        return step + Text(where, "dim")
    if open_runs:
        return Text(f"run {open_runs[0].run} on {open_runs[0].node}, between two steps")
    return Text("idle; the last run had nothing to do" if view.last_skip else "idle", "dim")


def _print_error(view: ShardView) -> None:
    if view.last_error is None:
        return
    error = view.last_error
    times = f", {view.failures} times in a row" if view.failures > 1 else ""
    facts.print()
    facts.print(Text.assemble(("last error ", "bold red"), f"{error.step} failed {age(error.at)}{times}"))
    facts.print(Text(f"  {error.message}"), soft_wrap=True)
    if error.hint:
        facts.print(Text.assemble(("  HINT: ", "bold yellow"), error.hint), soft_wrap=True)
    where = f"raised at {error.place}" if error.place else "raised outside of Tidemark's own code"
    facts.print(Text(f"  {where}; run {error.run or '(none)'}", "dim"), soft_wrap=True)
    if error.run:
        facts.print(Text(f"  its log: tidemark logs {view.shard} --run {error.run}", "dim"), soft_wrap=True)


def _print_trends(history: Sequence[RunFigures]) -> None:
    made = [figures for figures in reversed(history) if figures.state == "succeeded"][-TREND:]
    if len(made) < 2:
        return
    trends: list[tuple[str, list[float | None], Any]] = [
        ("size", [figures.bytes for figures in made], lambda value: size(int(value))),
        ("stored", [figures.stored_bytes for figures in made], lambda value: size(int(value))),
        ("duration", [figures.steps_seconds for figures in made], brief),
        ("to catch up", [figures.lag_seconds for figures in made], brief),
    ]
    narrow = _width() < WIDE
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name, values, write in trends:
        known = [value for value in values if value is not None]
        if known:
            row = [f"{write(known[0])} → {write(known[-1])}"]
            if not narrow:
                row.append(f"(least {write(min(known))}, most {write(max(known))})")
            table.add_row(Text(name, "dim"), Text(sparkline(values), "cyan"), *row)
    facts.print()
    facts.print(table)


def _print_runs(history: Sequence[RunFigures]) -> None:
    facts.print()
    if not history:
        facts.print("No run has ended yet.")
        return
    colours = {"succeeded": "green", "skipped": "dim", "failed": "red", "revoked": "yellow", "lost": "red"}
    steps = () if _width() < WIDE else STEPS
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in ("run ended (UTC)", "", "backup", "took", *steps):
        made.add_column(name, no_wrap=True, justify="right" if name in {"backup", "took", *steps} else "left")
    if steps:
        made.add_column("node", no_wrap=True)
    made.add_column("what", overflow="fold" if steps else "ellipsis", no_wrap=not steps)
    for figures in history:
        made.add_row(
            moment(figures.finished),
            Text(figures.state, colours[figures.state]),
            str(figures.number or ""),
            brief(figures.total_seconds),
            *(brief(figures.seconds[step]) if step in figures.seconds else "" for step in steps),
            *([figures.node.partition("@")[0]] if steps else []),
            _what(figures),
        )
    if facts.is_terminal:
        facts.print(made)
    else:
        Console(highlight=False, width=_width()).print(made)


def _width() -> int:
    """Without a terminal nothing has to be cut."""
    return facts.width if facts.is_terminal else 240


def _what(figures: RunFigures) -> Text:
    if figures.error:
        return Text(f"{figures.step}: {figures.error}", "red")
    if figures.skipped:
        return Text(figures.skipped, "dim")
    words = [
        f"{size(figures.bytes)}" if figures.bytes is not None else "",
        f"{size(figures.stored_bytes)} stored" if figures.stored_bytes is not None else "",
        f"{size(figures.fetched_bytes)} fetched" if figures.fetched_bytes else "",
        f"{figures.transactions:,} transactions" if figures.transactions is not None else "",
        f"{span(figures.lag_seconds)} to catch up" if figures.lag_seconds is not None else "",
    ]
    return Text(", ".join(word for word in words if word))


def _print_backups(backups: Sequence[Backup], problem: str) -> None:
    if problem:
        facts.print(Text(f"The repository could not be read: {problem}", "red"), soft_wrap=True)
        return
    proven = {backup.proves for backup in backups}
    facts.print(f"{len(backups)} backups; tidemark backups lists all of them with their positions. The newest:")
    print_table(
        ["number", "finished (UTC)", "age", "size", "stored", "proven"],
        [
            (
                backup.number,
                moment(backup.finished_at),
                brief((datetime.now(UTC) - backup.finished_at).total_seconds()),
                size(backup.bytes),
                size(backup.stored_bytes),
                Text("yes", "green") if backup.number in proven else "not yet",
            )
            for backup in reversed(backups[-5:])
        ],
        right=["number", "age", "size", "stored"],
    )
