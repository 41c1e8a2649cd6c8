"""What is seen while two cycles go by: the fleet's own view, as ``tidemark status`` shows it."""

from __future__ import annotations

import time
from pathlib import Path

from rich.filesize import decimal

from sandbox.demo.fleet import Fleet
from sandbox.demo.screen import Screen
from sandbox.demo.stage import Stage
from sandbox.processes import ProcessFailed
from tidemark import config, fleet
from tidemark.fleet.metrics import NewestBackup, ShardView
from tidemark.shards import topology

CYCLES = 2
LIMIT = 300.0
"""Seconds after which something must be wrong."""
PAUSE = 0.25
"""Seconds between two looks."""

Backups = dict[str, dict[int, NewestBackup]]
"""Every backup that was seen, by shard and number."""


class Watch:
    """Follows the fleet until every shard has as many backups as there are cycles."""

    def __init__(self, stage: Stage, workers: Fleet, configuration: Path, screen: Screen, every: int) -> None:
        self._stage = stage
        self._workers = workers
        self._settings = config.load(configuration)
        self._screen = screen
        self._every = every
        self._steps: dict[str, str] = {}
        self.backups: Backups = {shard.name: {} for shard in stage.shards}

    def _views(self) -> list[ShardView]:
        with fleet.connect(self._settings.redis) as client:
            return fleet.metrics.views(client, topology(self._settings).names())

    def until_done(self) -> Backups:
        """Returns when every shard has them. Raises ``ProcessFailed`` when a run fails or nothing gets done."""
        deadline = time.monotonic() + LIMIT
        beating = True
        with self._screen.live(self._stage.shards) as board:
            while True:
                views = {view.shard: view for view in self._views()}
                for view in views.values():
                    self._note(view)
                if beating and all(self._is_in_last_cycle(view) for view in views.values()):
                    self._workers.stop_beat()  # no third cycle
                    beating = False
                board.show(
                    views, self._heading(), f"Flower: {self._workers.flower}   Ctrl-C stops and removes everything"
                )
                running = any(view.running for view in views.values())
                if not beating and not running and all(len(seen) >= CYCLES for seen in self.backups.values()):
                    return self.backups
                self._workers.check()
                if time.monotonic() > deadline:
                    raise ProcessFailed(f"after {LIMIT:g} s not every shard has {CYCLES} backups")
                time.sleep(PAUSE)

    def _is_in_last_cycle(self, view: ShardView) -> bool:
        done = len(self.backups[view.shard])
        return done >= CYCLES or (done == CYCLES - 1 and view.running is not None)

    def _note(self, view: ShardView) -> None:
        """Keeps, and says, what is new about a shard."""
        if view.last_error:
            where = f"{view.shard}: {view.last_error.step} failed"
            raise ProcessFailed(f"{where}: {view.last_error.message}")
        if view.newest and view.newest.number not in self.backups[view.shard]:
            newest = view.newest
            self.backups[view.shard][newest.number] = newest
            seconds = sum(step.seconds for step in view.steps.values())
            share = f"{decimal(newest.bytes)}, of which {decimal(newest.stored_bytes)} stored anew"
            self._screen.say(f"{view.shard}: backup {newest.number} is complete: {share}, {seconds:.1f} s", "green")
        step = f"{view.running.step} on {view.running.node.split('@')[0]}" if view.running else ""
        if step and step != self._steps.get(view.shard) and not self._screen.console.is_terminal:
            self._screen.say(f"{view.shard}: {step}")
        self._steps[view.shard] = step

    def _heading(self) -> str:
        cycle = min(CYCLES, 1 + min(len(seen) for seen in self.backups.values()))
        writes = sum(workload.transactions for workload in self._stage.workloads)
        return (
            f"Cycle {cycle} of {CYCLES}, one each {self._every} s   {len(self._stage.shards)} shards, 2 nodes   "
            f"{writes:,} transactions written meanwhile"
        )
