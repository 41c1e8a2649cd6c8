"""This worker as a node: its name, its own queue, its signs of life."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from celery import bootsteps
from celery.signals import celeryd_after_setup
from celery.worker import WorkController

from tasks import app
from tidemark import __version__, config, disk, fleet
from tidemark.errors import TidemarkError
from tidemark.queue.messages import SHARED_QUEUE, own_queue

log = logging.getLogger(__name__)


def is_node(worker: Any) -> bool:
    """Whether a worker does backups; one that was started with ``-Q control`` does not."""
    return own_queue(worker.hostname) in worker.app.amqp.queues.consume_from


@celeryd_after_setup.connect
def consume_own_queue_first(sender: str, instance: WorkController, **_: Any) -> None:
    """A worker without ``-Q``, or with the shared queue in it, is a node. It consumes its own queue before the shared
    one: the queue that is declared first goes first."""
    selected = instance.app.amqp.queues._consume_from
    if selected is None or SHARED_QUEUE in selected:
        instance.app.amqp.queues.select([own_queue(sender), SHARED_QUEUE])


class SignsOfLife(bootsteps.StartStopStep):
    """A node says every few seconds that it is there; the janitor goes by that."""

    requires = ("celery.worker.components:Timer",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._timer: Any = None
        settings = config.load()
        self._redis = fleet.connect(settings.redis)
        self._scratch = settings.node.scratch
        self._since = datetime.now(UTC)

    def include_if(self, worker: Any) -> bool:
        return True

    def start(self, worker: Any) -> None:
        if is_node(worker):
            self._say(worker.hostname)
            self._timer = worker.timer.call_repeatedly(fleet.nodes.INTERVAL, self._say, (worker.hostname,))

    def stop(self, worker: Any) -> None:
        if self._timer:
            self._timer.cancel()
            try:
                fleet.nodes.leave(self._redis, worker.hostname)
            except TidemarkError as error:
                log.warning("could not say that this node has stopped: %s", error)

    def _say(self, node: str) -> None:
        try:
            free, total = _disk(self._scratch)
            sign = fleet.nodes.Node(
                name=node,
                since=self._since,
                version=__version__,
                scratch=str(self._scratch),
                scratch_free=free,
                scratch_total=total,
            )
            fleet.nodes.beat(self._redis, sign)
        except TidemarkError as error:
            log.warning("could not say that this node is there: %s", error)


def _disk(folder: Path) -> tuple[int | None, int | None]:
    """Free and all bytes of the disk that a folder is on, or will be."""
    try:
        return disk.usage(folder)
    except OSError:
        return None, None


app.steps["worker"].add(SignsOfLife)
