"""``tidemark status``: is every shard safe, and what is running?"""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich import box
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tidemark import fleet
from tidemark.cli.context import common_options, json_option, load_settings
from tidemark.cli.output import age, facts, print_json, size, span
from tidemark.config import Settings
from tidemark.fleet.metrics import (
    MirrorState,
    NewestBackup,
    ProvenBackup,
    ShardView,
    set_mirrors,
    set_newest,
    set_proven,
)
from tidemark.repository import Backup
from tidemark.steps import MirrorResult, mirror, rooms

EPILOG = """\b
Examples:
  tidemark status
  tidemark status --json | jq '.[] | select(.failures > 0) | .shard'
  tidemark status --rescan        when Redis has lost its memory
"""

NARROW = 110
"""Columns of a terminal below which the less important facts are left out."""


@click.command("status", epilog=EPILOG)
@click.option("--rescan", is_flag=True, help="Read the repository, which is the truth, and refresh what Redis knows.")
@common_options
@json_option
def command(rescan: bool, as_json: bool) -> None:
    """Show every shard: its newest backup, its newest proven one, what is running, what failed last.

    Redis is asked, not the repository; --rescan goes to the repository.
    """
    settings = load_settings()
    if rescan:
        _rescan(settings)
    views = fleet.view(settings)
    if as_json:
        print_json([view.model_dump() for view in views])
        return
    width = facts.width if facts.is_terminal else 200
    facts.print(table(views, width=width), width=width)
    facts.print(_totals(views), soft_wrap=True)


def table(views: Sequence[ShardView], *, width: int) -> Table:
    """The table of shards, for ``status`` and for those who watch runs."""
    wide = width >= NARROW
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    made.add_column("shard", no_wrap=True)
    made.add_column("newest", no_wrap=True)
    made.add_column("proven", justify="right", no_wrap=True)
    made.add_column("size", justify="right", no_wrap=True)
    if wide:
        made.add_column("stored", justify="right", no_wrap=True)
    mirrored = any(view.mirrors for view in views)
    if mirrored:
        made.add_column("mirrors", no_wrap=True)
    made.add_column("now", overflow="fold")
    for view in views:
        newest, proven = view.newest, view.proven
        cells: list[RenderableType] = [
            view.shard,
            f"{newest.number}, {age(newest.finished_at)}" if newest else Text("none", "red"),
            str(proven.number) if proven else "-",
            size(newest.bytes) if newest else "-",
        ]
        if wide:
            cells.append(size(newest.stored_bytes) if newest else "-")
        if mirrored:
            cells.append(_mirrors(view))
        made.add_row(*cells, _now(view))
    return made


def _mirrors(view: ShardView) -> Text:
    """``level``, or by how many backups the mirrors are behind, in the configuration's order."""
    text = Text()
    for state in view.mirrors:
        text.append(", " if text else "")
        if state.error:
            text.append("failed", "red")
        elif state.missing:
            text.append(f"{state.missing} behind", "yellow")
        else:
            text.append("level")
    return text


def _now(view: ShardView) -> RenderableType:
    running, progress = view.running, view.progress
    if running is None:
        if view.last_error:
            first = view.last_error.message.splitlines()[0]
            return Text(f"{view.last_error.step} failed {age(view.last_error.at)}: {first}", "red")
        if view.damaged:
            return Text(f"idle; damaged: backup {', '.join(map(str, view.damaged))}", "red")
        return Text("idle", "dim")
    if progress is None:
        return Text(f"{running.step} on {running.node}")
    rate = ""
    if progress.rate:
        rate = f"{size(int(progress.rate))}/s" if progress.unit == "B" else f"{progress.rate:,.0f} {progress.unit}/s"
    words = [running.step, progress.phase, rate, progress.detail, f"{span(progress.eta)} left" if progress.eta else ""]
    text = Text(" ".join(word for word in words if word))
    if not progress.total:
        return text
    return Group(text, ProgressBar(total=progress.total, completed=progress.done, width=28))


def _totals(views: Sequence[ShardView]) -> str:
    safe = sum(1 for view in views if view.newest)
    running = sum(1 for view in views if view.running)
    failing = sum(1 for view in views if view.failures)
    total = size(sum(view.newest.bytes for view in views if view.newest))
    return f"{safe} of {len(views)} shards have a backup ({total}); {running} running, {failing} failing"


def _rescan(settings: Settings) -> None:
    """Makes the view agree with the repository."""
    repository = rooms.open_repository(settings)
    with fleet.connect(settings.redis) as client:
        for shard in settings.shard:
            backups = repository.shard(shard.name).backups()
            set_mirrors(client, shard.name, [_mirror(found) for found in mirror.look(settings, shard.name)])
            set_newest(client, shard.name, _newest(backups[-1]) if backups else None)
            proofs = [backup for backup in backups if backup.restored_from is not None]
            if proofs:
                set_proven(client, shard.name, _proven(backups, proofs[-1]))


def _mirror(found: MirrorResult) -> MirrorState:
    return MirrorState(url=found.url, newest=found.newest, missing=found.missing, error=found.error)


def _proven(backups: Sequence[Backup], proof: Backup) -> ProvenBackup:
    number = proof.restored_from or 0
    made = next((backup.finished_at for backup in backups if backup.number == number), None)
    return ProvenBackup(number=number, proven_at=proof.finished_at, finished_at=made)


def _newest(backup: Backup) -> NewestBackup:
    return NewestBackup(
        number=backup.number,
        position=backup.position,
        finished_at=backup.finished_at,
        bytes=backup.bytes,
        stored_bytes=backup.stored_bytes,
        digest=backup.digest,
    )
