"""``tasks.janitor``: each minute, on the control queue: for what nodes that are gone have left, and nobody needs."""

from __future__ import annotations

import logging
from typing import Any

from tasks import app
from tasks.base import FleetTask
from tasks.worker import logs
from tidemark import fleet
from tidemark.fleet import records
from tidemark.queue import admission, messages
from tidemark.queue.leftovers import find_leftovers
from tidemark.queue.messages import own_queue

log = logging.getLogger(__name__)

SWEEP = "tasks.sweep"
SWEEP_EXPIRES = 600.0
"""Seconds after which a node need not look at its disk any more: the next request is on its way."""


@app.task(name="tasks.janitor", base=FleetTask, bind=True)
def janitor(self: FleetTask) -> dict[str, Any]:
    """Ends the runs whose node is gone and makes their requests again, removes what is left over in Redis, lets those
    go on that wait for room, and has every node look at its own disk. A line in the log for each thing."""
    client, settings = self.redis(), self.settings()
    open_runs = len(records.open_runs(client))
    nodes = sorted(fleet.nodes.alive(client))
    done: list[dict[str, str]] = []
    with messages.channel() as channel:
        for found in find_leftovers(client, settings, channel):
            with logs.about(found.about, step="janitor"):
                log.warning("%s %s: %s", found.what, found.subject, found.why)
                found.do()
            done.append({"what": found.what, "subject": found.subject, "about": found.about, "why": found.why})
        for shard in admission.make_room(client, settings):
            log.info("there is room for %s now", shard)
        for node in nodes:
            # A node that is at a long step looks once, when it gets to it.
            if not any(message.task == SWEEP for message in messages.waiting(channel, own_queue(node))):
                app.send_task(SWEEP, queue=own_queue(node), priority=0, expires=SWEEP_EXPIRES, ignore_result=True)
    lost = [one["subject"] for one in done if one["what"] == "run"]
    if lost:
        self.tell_soon()
    return {"open": open_runs, "nodes": len(nodes), "lost": lost, "done": done}
