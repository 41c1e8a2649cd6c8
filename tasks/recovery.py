"""When a node starts: what it held when it was killed comes back to its queue, and what nobody will continue goes."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

from celery import bootsteps

from tasks import app
from tasks.node import is_node, own_queue
from tasks.revoked import STEPS
from tidemark import config, fleet, steps
from tidemark.errors import TidemarkError
from tidemark.fleet import records

log = logging.getLogger(__name__)

REASON = "the node was stopped in the middle of the run"


class Recovery(bootsteps.StartStopStep):
    """Goes before the consumer, once per process: nothing of this node's own queue can be running yet.

    The broker itself would give back an unacknowledged message only after the visibility timeout, days later. Nobody
    else consumes this queue, so this node knows that its messages are nobody's.
    """

    requires = ("celery.worker.components:Pool",)

    def start(self, worker: Any) -> None:
        if not is_node(worker):
            return
        node = str(worker.hostname)
        with worker.app.connection_for_read() as connection:
            connection.ensure_connection(errback=lambda error, wait: log.warning("waiting for the broker: %s", error))
            channel = connection.default_channel
            queue = own_queue(node)
            worker.app.amqp.queues[queue](channel).declare()
            for name in restore_unacknowledged(channel, queue):
                log.warning("%s was in the middle of this when it ended: %s", node, name)
            continued = {run for task, run in waiting_messages(channel, queue)}
        clean_up_after(node, continued)


def restore_unacknowledged(channel: Any, queue: str) -> list[str]:
    """Puts the unacknowledged messages of a queue back to its head. Gives the names of their tasks."""
    restored = []
    with channel.conn_or_acquire() as client:
        for tag, payload in client.hgetall(channel.unacked_key).items():
            message, _, routing_key = json.loads(payload)
            if routing_key == queue:
                channel.qos.restore_by_tag(tag.decode() if isinstance(tag, bytes) else tag, client)
                restored.append(str(message["headers"].get("task")))
    return restored


def waiting_messages(channel: Any, queue: str) -> Iterator[tuple[str, str]]:
    """The steps that wait in a node's queue: each one's task and run."""
    with channel.conn_or_acquire() as client:
        for priority in channel.priority_steps:
            for raw in client.lrange(channel._q_for_pri(queue, priority), 0, -1):
                message = channel.message_to_python(json.loads(raw))
                task = message.headers.get("task")
                if task in STEPS:
                    (_, run_id), _, _ = message.payload
                    yield task, run_id


def clean_up_after(node: str, continued: set[str]) -> None:
    """Enqueues the cleanup of this node's runs that no message will continue. Other nodes' runs are theirs, even in
    the same scratch folder."""
    settings = config.load()
    left = {run.run_id: run.shard for _, run in steps.runs_on_disk(settings) if run and run.node_id == node}
    try:
        with fleet.connect(settings.redis) as client:
            left |= {run.run: run.shard for run in records.open_runs(client) if run.node == node}
    except TidemarkError as error:
        log.warning("the run records could not be read: %s", error)
    for run_id, shard in sorted(left.items()):
        if run_id in continued:
            log.info("%s: run %s goes on", shard, run_id)
        else:
            log.warning("%s: nobody continues run %s; cleaning up after it", shard, run_id)
            app.send_task("tasks.cleanup", (None, shard, run_id), {"reason": REASON}, queue=own_queue(node), priority=0)


app.steps["worker"].add(Recovery)
