"""A progress bar for each step; plain lines where there is no terminal."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from tidemark.cli.output import console, span
from tidemark.progress import Progress as Moment
from tidemark.progress import ProgressCallback

LINE_EVERY = 10.0
"""Seconds between two lines of a step where there is no terminal."""


class _Amount(ProgressColumn):
    """``1.2 GB of 2.0 GB`` or ``4711 of 9000 transactions``."""

    def render(self, task: Task) -> Text:
        return Text(_amount(task.completed, task.total, task.fields.get("unit", "")), style="progress.download")


class _Speed(ProgressColumn):
    """Per second, once it is known."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        unit = task.fields.get("unit", "")
        if not speed or unit == "seconds":
            return Text("")
        return Text(f"{decimal(int(speed))}/s" if unit == "B" else f"{speed:,.0f}/s", style="progress.data.speed")


def _amount(done: float, total: float | None, unit: str) -> str:
    if unit == "B":
        return decimal(int(done)) + (f" of {decimal(int(total))}" if total else "")
    if unit == "seconds" or not unit:
        return ""
    return f"{int(done):,}" + (f" of {int(total):,}" if total else "") + f" {unit}"


class StepBars:
    """Shows the steps of a run. Use as a context manager; ``step(name)`` gives a step's callback."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bars = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("[bold]{task.description:<8}"),
            BarColumn(bar_width=28),
            _Amount(),
            _Speed(),
            TimeRemainingColumn(compact=True),
            TextColumn("[dim]{task.fields[note]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._phases: dict[str, str] = {}
        self._spoke: dict[str, float] = {}

    def __enter__(self) -> StepBars:
        self._bars.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.__exit__(kind, error, trace)

    def step(self, name: str) -> ProgressCallback:
        """Starts a step's bar and gives the callback that moves it."""
        self._tasks[name] = self._bars.add_task(name, total=None, unit="", note="")
        self._spoke[name] = time.monotonic()
        if not console.is_terminal:
            console.print(f"{name}: started")
        return lambda moment: self._show(name, moment)

    def finish(self, name: str, seconds: float, note: str = "") -> None:
        """Marks a step as done."""
        text = f"{note}, {span(seconds)}" if note else span(seconds)
        if not console.is_terminal:
            console.print(f"{name}: done: {text}", soft_wrap=True)
            return
        task = self._bars.tasks[self._tasks[name]]
        total = task.total or max(task.completed, 1)
        self._bars.update(self._tasks[name], total=total, completed=total, note=text)

    def _show(self, name: str, moment: Moment) -> None:
        note = f"{moment.phase} {moment.detail}".strip()
        with self._lock:
            if not console.is_terminal:
                self._say(name, moment, note)
                return
            task = self._tasks[name]
            if self._phases.get(name) != moment.phase:
                self._phases[name] = moment.phase
                self._bars.reset(task, total=moment.total, unit=moment.unit, note=note)
            self._bars.update(task, completed=moment.done, total=moment.total, unit=moment.unit, note=note)

    def _say(self, name: str, moment: Moment, note: str) -> None:
        now = time.monotonic()
        if now - self._spoke[name] >= LINE_EVERY:
            self._spoke[name] = now
            console.print(f"{name}: {note} {_amount(moment.done, moment.total, moment.unit)}".rstrip(), soft_wrap=True)
