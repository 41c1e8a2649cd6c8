"""Asks the fleet for the pages. Blocking: handlers call it in a thread."""

from __future__ import annotations

import threading
import time
from datetime import datetime
from typing import Any

from tidemark import config, fleet
from tidemark.config import Settings
from tidemark.fleet import history, metrics, nodes, records
from tidemark.fleet.health import Thresholds
from tidemark.queue import client as queue_client
from tidemark.shards import topology
from tidemark.web import board, story
from tidemark.web.board import Value
from tidemark.web.changes import Changes, Journal
from tidemark.web.story import Story

FRESH = 0.5
"""Seconds for which an answer will do for the next one who asks."""


class Fleet(Value):
    """What the page of all shards is told."""

    at: datetime
    """When this was so, UTC."""
    nodes: int
    """Nodes that are there."""
    limits: Thresholds
    changes: Changes


class FleetReader:
    """What Redis knows, asked for at most twice a second however many browsers ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._journal = Journal()
        self._asked = float("-inf")
        self._nodes = 0
        self._at = board.now()

    def settings(self) -> Settings:
        """The configuration as it is now."""
        return config.current(config.config_path())

    def fleet(self, mark: str = "") -> Fleet:
        """All shards, or those that have changed since ``mark``. Raises ``ConfigError``, ``RedisUnavailable``."""
        settings = self.settings()
        limits = Thresholds.of(settings)
        with self._lock:
            if time.monotonic() - self._asked > FRESH:
                with fleet.connect(settings.redis) as client:
                    waiting = _waiting(client)
                    views = metrics.views(client, topology(settings).names())
                    self._nodes = len(nodes.alive(client))
                self._at = board.now()
                self._journal.update(board.rows(views, limits, self._at, waiting=waiting))
                self._asked = time.monotonic()
            return Fleet(at=self._at, nodes=self._nodes, limits=limits, changes=self._journal.since(mark))

    def forget(self) -> None:
        """The next answer is asked for anew: somebody has just changed something."""
        with self._lock:
            self._asked = float("-inf")

    def shard(self, name: str) -> Story:
        """All about one shard. Raises ``UnknownShard`` besides."""
        settings = self.settings()
        configured = topology(settings).find(name)
        with fleet.connect(settings.redis) as client:
            waiting = _waiting(client).get(configured.name)
            (view,) = metrics.views(client, [configured.name])
            runs = history.runs(client, configured.name)
        return story.tell(view, runs, Thresholds.of(settings), board.now(), waiting=waiting)


def _waiting(client: Any) -> dict[str, str]:
    """What the shards wait for whose run was asked for and has not begun its first step."""
    begun = {run.shard: f"{run.node} to begin" for run in records.open_runs(client)}
    return begun | queue_client.waiting()
