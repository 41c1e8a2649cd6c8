"""When a node starts: what it held when it was killed comes back to its queue, and what nobody will continue goes."""

from __future__ import annotations

import logging
from typing import Any

from celery import bootsteps

from tasks import app
from tasks.worker.node import is_node
from tidemark import config, fleet, steps
from tidemark.errors import TidemarkError
from tidemark.fleet import records
from tidemark.queue import messages
from tidemark.queue.messages import own_queue

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
            for held in messages.taken(channel):
                if held.message.queue == queue:
                    messages.give_back(channel, held)
                    log.warning("%s was in the middle of this when it ended: %s", node, held.message.task)
            continued = to_be_continued(channel, node)
        clean_up_after(node, continued, REASON)


def to_be_continued(channel: Any, node: str) -> set[str]:
    """The runs of which a message waits for the node, or is held by it until it is tried again: the next step, or the
    clean-up."""
    queue = own_queue(node)
    there = [*messages.waiting(channel, queue), *(held.message for held in messages.taken(channel))]
    return {message.run for message in there if message.queue == queue and message.run}


def clean_up_after(node: str, continued: set[str], reason: str) -> list[str]:
    """Enqueues the cleanup of this node's runs that no message will continue; gives their ids. Other nodes' runs are
    theirs, even in the same scratch folder."""
    settings = config.load()
    left = {run.run_id: run.shard for _, run in steps.runs_on_disk(settings) if run and run.node_id == node}
    try:
        with fleet.connect(settings.redis) as client:
            left |= {run.run: run.shard for run in records.open_runs(client) if run.node == node}
    except TidemarkError as error:
        log.warning("the run records could not be read: %s", error)
    for run_id in sorted(continued & left.keys()):
        log.info("%s: run %s goes on", left[run_id], run_id)
    given_up = sorted(left.keys() - continued)
    for run_id in given_up:
        shard = left[run_id]
        log.warning("%s: nobody continues run %s; cleaning up after it", shard, run_id)
        messages.send_cleanup(node, shard, run_id, reason=reason)
    return given_up


app.steps["worker"].add(Recovery)
