"""The table of shards: one line each, whatever the terminal's width. For ``status``, and for those who watch runs."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from tidemark.cli.output import size, span
from tidemark.fleet import health
from tidemark.fleet.health import Thresholds
from tidemark.fleet.metrics import ShardView, StepProgress

UNCUT = 10_000
"""A width at which nothing is left out or cut off."""
LEAST, ENOUGH = 24, 48
"""Columns that the last cell, what happens now, has at least, and what it gets before facts are shown that are not
dear."""
DEAR = frozenset({"stored", "size"})
WIDE = 110
"""A terminal with this many columns is wide."""
BAR, SHORT_BAR = 10, 6
"""Columns of a progress bar on a wide terminal and on one of 80 columns."""

_UUID = re.compile(r"([0-9a-f]{4})[0-9a-f]{4}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_UNITS = {"transactions": "trx"}
_STEPS = {"restore": "restore", "catchup": "catch-up", "stop": "stop", "upload": "upload"}


def table(
    views: Sequence[ShardView],
    *,
    width: int,
    limits: Thresholds | None = None,
    waiting: Mapping[str, str] = MappingProxyType({}),
) -> Table:
    """Each shard on one line of at most ``width`` columns; facts are left out, the least important first, until it
    fits. ``waiting`` is what shards wait for; empty for a free node."""
    columns = _columns(views, limits, datetime.now(UTC))
    rows = {name: [column.cell(view) for view in views] for name, column in columns.items()}
    widths = {name: max([len(name), *(cell_len(text.plain) for text in texts)]) for name, texts in rows.items()}
    bar = BAR if width >= WIDE else SHORT_BAR
    happening = [_now(view, bar, waiting.get(view.shard)) for view in views]
    longest = max((cell_len(text.plain) for text in happening), default=0)
    enough = min(max(longest, LEAST), ENOUGH)
    shown = list(columns)
    for name in ("position", "mirrors", "stop", "restore", "catch-up", "upload", "backup", "stored", "size"):
        if _space(shown, widths, width) >= (LEAST if name in DEAR else enough):
            break
        if name in shown:
            shown.remove(name)
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in shown:
        made.add_column(name, justify=columns[name].justify, no_wrap=True)
    made.add_column("now", no_wrap=True)
    space = max(_space(shown, widths, width), LEAST)
    for place, now in enumerate(happening):
        now.truncate(space, overflow="ellipsis")
        made.add_row(*(rows[name][place] for name in shown), now)
    return made


def _space(shown: Sequence[str], widths: dict[str, int], width: int) -> int:
    """What is left for the last column: each one before it takes three more for the gap."""
    return width - sum(widths[name] + 3 for name in shown) - 1


@dataclass(frozen=True, slots=True)
class _Column:
    cell: Callable[[ShardView], Text]
    justify: Literal["left", "right"] = "right"


def _columns(views: Sequence[ShardView], limits: Thresholds | None, now: datetime) -> dict[str, _Column]:
    """In their order."""
    max_age = limits.max_age.total_seconds() if limits else None
    max_proven_age = limits.max_proven_age.total_seconds() if limits else None
    speeds = {head: _Column(functools.partial(_speed, step)) for step, head in _STEPS.items()}
    columns = {
        "shard": _Column(lambda view: Text(view.shard), "left"),
        "backup": _Column(lambda view: Text(str(view.newest.number) if view.newest else "")),
        "newest": _Column(lambda view: _age(health.age(view, now), max_age, "none")),
        "proven": _Column(lambda view: _age(health.proven_age(view, now), max_proven_age, "-")),
        "size": _Column(lambda view: Text(size(view.newest.bytes) if view.newest else "-")),
        "stored": _Column(lambda view: Text(size(view.newest.stored_bytes) if view.newest else "-")),
        **speeds,
        "mirrors": _Column(_mirrors, "left"),
        "position": _Column(lambda view: Text(short_position(view.newest.position) if view.newest else ""), "left"),
    }
    if not any(view.mirrors for view in views):
        del columns["mirrors"]
    return columns


def brief(seconds: float) -> str:
    """``93784`` as ``1d 2h``."""
    return re.sub(r"(\d+) (d|h|m|s)(in)?", r"\1\2", span(seconds))


def short_position(position: str) -> str:
    """A GTID position with every server's UUID cut to its first four digits."""
    return _UUID.sub(r"\1…", " ".join(position.split()))


def _age(seconds: float | None, limit: float | None, missing: str) -> Text:
    """Green, yellow when three quarters of the limit are gone, red (and with a mark, for those who see no red) over
    it."""
    if seconds is None:
        return Text(missing, "bold red" if missing == "none" else "dim")
    if limit is None:
        return Text(brief(seconds))
    if seconds > limit:
        return Text(f"! {brief(seconds)}", "bold red")
    return Text(brief(seconds), "yellow" if seconds > 0.75 * limit else "green")


def _speed(step: str, view: ShardView) -> Text:
    """How fast the step was when it last ended well, in what it works through; ``stop`` in time."""
    figures = view.steps.get(step)
    if figures is None:
        return Text("")
    if step == "catchup" and view.transactions:
        return Text(f"{view.transactions / max(figures.seconds, 0.001):,.0f} trx/s", "dim")
    if figures.bytes:
        return Text(f"{size(int(figures.bytes / max(figures.seconds, 0.001)))}/s", "dim")
    return Text(brief(figures.seconds), "dim")


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


def _now(view: ShardView, bar: int, waiting: str | None) -> Text:
    running = view.running
    if running is None:
        if waiting is not None:
            return Text(f"waiting: {waiting}" if waiting else "waiting for a node", "cyan")
        if view.last_error:
            ago = brief((datetime.now(UTC) - view.last_error.at).total_seconds())
            first = view.last_error.on_one_line().message
            first = first.removeprefix(f"{view.shard}: ")
            times = f" {view.failures}×" if view.failures > 1 else ""
            return Text(f"{view.last_error.step} failed{times} {ago} ago: {first}", "red")
        if view.damaged:
            return Text(f"idle; damaged: backup {', '.join(map(str, view.damaged))}", "red")
        return Text("idle", "dim")
    if view.progress is None:
        return Text(f"{running.step} on {running.node}", "cyan")
    return moving(running.step, view.progress, bar)


def moving(step: str, progress: StepProgress, bar: int = BAR) -> Text:
    """A step that is under way: a bar, what is left, how fast."""
    text = Text(step, "cyan")
    if progress.total:
        part = min(progress.done / progress.total, 1.0)
        full = int(part * bar)
        text.append(f" {part:.0%} ")
        text.append("━" * full, "cyan")
        text.append("─" * (bar - full), "dim")
    if progress.eta is not None:
        text.append(f" {brief(progress.eta)} left")
    if progress.rate:
        rate = (
            f"{size(int(progress.rate))}/s"
            if progress.unit == "B"
            else f"{progress.rate:,.0f} {_UNITS.get(progress.unit, progress.unit)}/s"
        )
        text.append(f" {rate}", "dim")
    text.append("".join(f" {word}" for word in (progress.phase, progress.detail) if word), "dim")
    return text
