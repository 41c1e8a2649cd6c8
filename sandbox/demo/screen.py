"""How it looks: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Self

from rich import box
from rich.console import Console, Group, RenderableType
from rich.filesize import decimal
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from sandbox.demo.stage import Shard
from tidemark.fleet.metrics import ShardView, StepProgress
from tidemark.results import STEPS


class Screen:
    """Prints what happens, each line with the seconds since the start; ``live`` keeps a table below."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._began

    def say(self, text: str, style: str = "") -> None:
        """A line about something that happened."""
        stamp = (f"{self.seconds:5.1f} s  ", "dim")
        self.console.print(Text.assemble(stamp, (text, style)), soft_wrap=not self.console.is_terminal)

    def title(self, text: str) -> None:
        """A line that begins a chapter."""
        self.console.print()
        self.console.print(Text(text, "bold cyan"))

    def print(self, what: RenderableType) -> None:
        """Whatever it is; without a terminal nothing of it is cut off."""
        if self.console.is_terminal:
            self.console.print(what)
        else:
            Console(highlight=False, width=160).print(what)

    def busy(self, text: str) -> contextlib.AbstractContextManager[object]:
        """Shows that something is going on, until the block ends."""
        if self.console.is_terminal:
            return self.console.status(Text(text, "dim"), spinner_style="cyan")
        return contextlib.nullcontext()

    def live(self, shards: Sequence[Shard]) -> Board:
        """The live table of these shards."""
        return Board(self, shards)


class Board:
    """The live table. Use as a context manager; without a terminal it is silent, and the lines have to do."""

    def __init__(self, screen: Screen, shards: Sequence[Shard]) -> None:
        self._shards = shards
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(console=screen.console, auto_refresh=False, transient=True)
        self._shown = screen.console.is_terminal

    def __enter__(self) -> Self:
        if self._shown:
            self._live.start()
        return self

    def __exit__(self, *details: object) -> None:
        if self._shown:
            self._live.stop()

    def show(self, views: Mapping[str, ShardView], heading: str, note: str) -> None:
        """Draws the present state."""
        if self._shown:
            self._live.update(Group("", Text(heading, "bold"), self._table(views), Text(note, "dim")), refresh=True)

    def _table(self, views: Mapping[str, ShardView]) -> Table:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold", expand=True)
        table.add_column("shard", no_wrap=True, width=12)
        table.add_column("primary", no_wrap=True, width=9)
        table.add_column("node", no_wrap=True, width=5)
        table.add_column("step", no_wrap=True, width=11)
        table.add_column("progress", no_wrap=True, ratio=1)
        table.add_column("speed", justify="right", no_wrap=True, width=10)
        table.add_column("backup", justify="right", no_wrap=True, width=11)
        for shard in self._shards:
            view = views.get(shard.name) or ShardView(shard=shard.name)
            table.add_row(shard.name, Text(shard.label, "dim"), *self._now(view), _newest(view))
        return table

    def _now(self, view: ShardView) -> tuple[RenderableType, RenderableType, RenderableType, RenderableType]:
        running, progress = view.running, view.progress
        if running is None:
            if view.last_error:
                return "", Text("failed", "bold red"), Text(view.last_error.message.splitlines()[0], "red"), ""
            return "", Text("waiting" if view.newest is None else "idle", "dim"), "", ""
        place = STEPS.index(running.step) + 1 if running.step in STEPS else 1
        step = Text.assemble((f"{place}/{len(STEPS)} ", "dim"), (running.step, "bold cyan"))
        node = running.node.split("@")[0]
        if progress is None:
            return node, step, self._spinner, ""
        return node, step, _progress(progress), _speed(progress)


def _progress(progress: StepProgress) -> RenderableType:
    """A bar where the end is known, words where it is not."""
    words = Text(" ".join(word for word in (progress.phase, progress.detail) if word), "dim")
    if not progress.total:
        return words
    line = Table.grid(padding=(0, 1), expand=True)
    line.add_column(ratio=2)
    line.add_column(no_wrap=True, ratio=3)
    line.add_row(ProgressBar(total=progress.total, completed=min(progress.done, progress.total)), words)
    return line


def _speed(progress: StepProgress) -> str:
    if not progress.rate:
        return ""
    return f"{decimal(int(progress.rate))}/s" if progress.unit == "B" else f"{progress.rate:,.0f}/s"


def _newest(view: ShardView) -> Text:
    if view.newest is None:
        return Text("none yet", "dim")
    seconds = max(0, int((datetime.now(UTC) - view.newest.finished_at).total_seconds()))
    return Text.assemble((f"{view.newest.number}", "bold green"), (f", {seconds} s ago", "dim"))
