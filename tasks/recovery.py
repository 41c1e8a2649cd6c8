"""When a node starts: what it held when it was killed comes back to its queue, and what nobody will continue goes."""

from __future__ import annotations

import logging
from typing import Any

from celery import bootsteps

from tasks import app, broker
from tasks.node import is_node, own_queue
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
            for held in broker.taken(channel):
                if held.message.queue == queue:
                    broker.give_back(channel, held)
                    log.warning("%s was in the middle of this when it ended: %s", node, held.message.task)
            continued = {message.run for message in broker.waiting(channel, queue) if message.run}
        clean_up_after(node, continued)


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
