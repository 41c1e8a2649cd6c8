"""The order of it all."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from sandbox import leftovers, processes
from sandbox.demo.fleet import USER, Fleet
from sandbox.demo.proof import Proof, Verdict
from sandbox.demo.screen import Screen
from sandbox.demo.stage import Stage
from sandbox.demo.watch import Backups, Watch

WINDOW = 6
"""Seconds over which a cycle's starts are spread."""


START_SECONDS = 8
"""What the fleet takes until it is there, about."""


def run(folder: Path, *, megabytes: int, every: int, with_mysql: bool) -> bool:
    """Shows everything in ``folder``; whether all that was restored equals its primary. Raises ``ProcessFailed``.

    Whatever happens, none of the processes survives it.
    """
    screen = Screen()
    stage = Stage(folder, megabytes, with_mysql=with_mysql)
    try:
        screen.title("Primaries")
        with screen.busy("starting them, and filling them with rows"):
            stage.set_up(screen.say)
        if not with_mysql:
            screen.say("without MySQL's programs there are four shards, with them two more", "yellow")
        every = next_cycle(every, time.time())
        configuration = stage.write_configuration(every, WINDOW)
        workers = Fleet(configuration, folder / "logs")

        screen.title("Fleet")
        workers.tidemark("keys", "new")
        with screen.busy("starting the nodes, a control worker and Flower"):
            workers.start_workers()
        screen.say("two nodes, a control worker and Flower are ready")
        screen.say(f"Flower: {workers.flower} (in a browser, while the demo runs)", "bold")
        screen.say(f"log in as {USER} with the password {workers.password}", "bold")
        workers.start_beat()
        screen.say(f"beat emits one backup per shard and cycle, a cycle each {every} s")
        screen.say("a shard is a whole server; shards that share a primary here hold the same data", "dim")

        screen.title("Two cycles")
        backups = Watch(stage, workers, configuration, screen, every).until_done()
        with screen.busy("the workers end their work"):
            workers.stop()
        screen.say("the fleet has stopped; the primaries are still being written to")

        screen.title("Restore every shard's newest backup, start a server on it, compare every table")
        with screen.busy("restoring, starting, replaying the primaries' logs for comparison"):
            verdicts = Proof(stage, workers, screen, folder / "restored").run()

        screen.title("Result")
        _print_result(screen, backups, verdicts)
        stage.tear_down()
        left = leftovers.find(folder)
        if left:
            screen.say(f"still running: {', '.join(left)}", "bold red")
        good = not left and all(not verdict.differences for verdict in verdicts)
        if good:
            screen.say("everything has stopped, no process is left", "bold green")
        return good
    finally:
        stage.tear_down()
        processes.stop_all()
        leftovers.end(folder)


def next_cycle(shortest: int, now: float) -> int:
    """A cycle length such that the next cycle begins as soon as the fleet is there: cycles are counted from the epoch,
    whenever beat is started. Between ``shortest`` and 15 s more; ``now`` in seconds since the epoch."""
    ready = now + START_SECONDS
    return min(range(shortest, shortest + 15), key=lambda every: -ready % every)


def _print_result(screen: Screen, backups: Backups, verdicts: Sequence[Verdict]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("shard", no_wrap=True)
    table.add_column("position", no_wrap=True)
    for heading in ("holds", "stored 1st", "stored 2nd", "", "restored"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("compared", no_wrap=True)
    for verdict in verdicts:
        first, second = (backups[verdict.shard][number] for number in sorted(backups[verdict.shard])[:2])
        table.add_row(
            verdict.shard,
            _short(verdict.position),
            decimal(second.bytes),
            decimal(first.stored_bytes),
            decimal(second.stored_bytes),
            f"{second.stored_bytes / max(1, first.stored_bytes):.0%}",
            f"{verdict.seconds:.1f} s",
            Text("differs", "bold red")
            if verdict.differences
            else Text(f"{verdict.tables} tables equal", "bold green"),
        )
    screen.print(table)
    both = [[seen[number] for number in sorted(seen)[:2]] for seen in backups.values()]
    first_bytes, second_bytes = (sum(pair[place].stored_bytes for pair in both) for place in (0, 1))
    whole = sum(pair[1].bytes for pair in both)
    screen.say(
        f"cycle 2 made full backups of {decimal(whole)} and stored {decimal(second_bytes)} for them, "
        f"{second_bytes / max(1, first_bytes):.0%} of cycle 1"
    )
    if all(not verdict.differences for verdict in verdicts):
        screen.say("every table of every shard equals its primary at the backup's position", "bold green")


def _short(position: str) -> str:
    """A position that fits into a column; MySQL's begin with the server's long id."""
    return position if len(position) < 24 else f"...:{position.rpartition(':')[2]}"
