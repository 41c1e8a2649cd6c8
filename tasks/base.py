"""What all tasks share: settings, Redis, this node's name; and how a run's record begins and fails."""

from __future__ import annotations

import functools
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import redis
from celery import Task

from tasks import arguments
from tidemark import config, fleet, steps
from tidemark.config import RedisSettings, Settings
from tidemark.errors import TidemarkError
from tidemark.fleet import RunRecord, incidents, metrics, records
from tidemark.queue.messages import own_queue
from tidemark.results import Failure

if TYPE_CHECKING:
    BaseTask = Task[Any, Any]
else:
    BaseTask = Task

log = logging.getLogger(__name__)

Value = dict[str, Any]
"""What a task returns: plain JSON, never a secret."""


@functools.lru_cache(maxsize=4)
def _client(settings: RedisSettings) -> redis.Redis:
    return fleet.connect(settings)


class FleetTask(BaseTask):
    """A task that knows the fleet. Tasks are one object per process: nothing of a single call is kept in them."""

    abstract = True
    throws = (TidemarkError,)  # expected: logged without a traceback
    only_configured = True
    """Whether a shard must be in the configuration; a run that is cleaned up may be one of a shard that has left it."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The worker calls this, and so does whatever else a message can name."""
        arguments.check(self.name, self.run, args, kwargs, self.settings() if self.only_configured else None)
        return self.run(*args, **kwargs)

    def settings(self) -> Settings:
        """The configuration as it is now; an edited file counts from the next task on."""
        return config.current(self.config_path())

    def config_path(self) -> Path:
        return config.config_path()

    def redis(self) -> redis.Redis:
        return _client(self.settings().redis)

    @property
    def node(self) -> str:
        """The worker that runs this, e.g. ``node1@machine``."""
        return str(self.request.hostname)

    @property
    def root(self) -> str:
        """The id that somebody enqueued; everything that became of it has this root."""
        return str(self.request.root_id or self.request.id)

    @property
    def queue_here(self) -> str:
        """The queue that only this node consumes."""
        return own_queue(self.node)

    def tell_soon(self, *, over: str = "") -> None:
        """Asks for ``tasks.notify`` now instead of within the minute: a run has failed; or, with ``over``, that shard's
        run has ended well, which matters if people were told of it. Whatever happens to that, no run hears of it."""
        try:
            if self.settings().alert.webhook_url_file is None or (over and not incidents.is_open(self.redis(), over)):
                return
            self.app.send_task("tasks.notify", queue="control", expires=60.0, retry=False)
        except Exception as error:
            log.warning("nobody is told at once: %s", error)


def new_record(run: steps.Run, *, node: str, root: str, fence: int, attempt: int = 1) -> RunRecord:
    """The record of a run that begins."""
    now = datetime.now(UTC)
    return RunRecord(
        run=run.id,
        shard=run.shard.name,
        node=node,
        root=root,
        fence=fence,
        attempt=attempt,
        first_backup=run.on_disk.first_backup or "",
        force=run.on_disk.force,
        started=now,
        updated=now,
    )


def fail_run(client: redis.Redis, run_id: str, shard: str, step: str, failure: Failure) -> bool:
    """Ends a run as failed and counts it, once, however often it is told; False when it had ended before."""
    if not fleet.persist(lambda: records.close(client, run_id, "failed", failure=failure)):
        return False
    fleet.persist(lambda: metrics.fail(client, shard, failure, run=run_id, step=step))
    return True
