"""A node has taken a request: is it that one's turn? If not, the request goes back, and the one whose turn it is goes
to the head of the queue."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection, Iterator
from typing import Any

from celery.exceptions import Ignore

from tasks.base import FleetTask
from tidemark.fleet import turns
from tidemark.queue import admission, messages, parked
from tidemark.queue.messages import BACKUP, SHARED_QUEUE
from tidemark.steps.warm_folders import WarmFolders

log = logging.getLogger(__name__)

_PATIENCE = 4
"""The part of a cycle (one in so many) for which shards may wait for fresher ones whose folders a node has kept."""


@contextlib.contextmanager
def turn(task: FleetTask, shard: str) -> Iterator[None]:
    """The block is run when it is the turn of this task's shard, and nobody else begins a run meanwhile; otherwise
    ``Ignore`` is raised, and the task's message waits for its next delivery under the same id.

    What people have enqueued (priority 0) goes in the order in which it was enqueued; what beat has goes by staleness.
    Without bounds, and with nothing else waiting, there is nothing to choose and nobody to wait for.
    """
    settings, client = task.settings(), task.redis()
    priority = int((task.request.delivery_info or {}).get("priority") or 0)
    with messages.channel() as channel:
        others = messages.count(channel, SHARED_QUEUE, priority) if priority else 0
        if not others and not settings.fleet.bounded:
            yield
            return
        held = WarmFolders.of(settings).held()  # before: while one node chooses, all others wait
        with turns.choosing(client):
            _choose(task, channel, shard, priority if others else 0, held)
            yield


def _choose(task: FleetTask, channel: Any, shard: str, priority: int, held: Collection[str]) -> None:
    settings, client = task.settings(), task.redis()
    own = messages.own(channel, task.request)
    others = messages.waiting(channel, SHARED_QUEUE, priority) if priority else []
    asked = {message.id: message for message in others if message.task == BACKUP}
    here = str(task.request.id)
    asked.pop(here, None)
    there = [(id, message.shard) for id, message in asked.items()]
    requests = admission.waiting_requests(client, settings, [(here, shard), *there])
    found = turns.plan(
        requests,
        admission.running_loads(client, settings),
        settings.fleet,
        kept=held,
        patience=settings.cycle.every / _PATIENCE,
    )
    over = {request.id: reason for request, reason in found.over}
    if found.next and found.next.id == here:
        return
    # All that must wait in one go, so that no node has to take them one by one to learn it.
    put_aside = sum(parked.park(channel, asked[id], reason) for id, reason in over.items() if id in asked)
    if put_aside:
        log.info("%d requests wait for room", put_aside)
    if reason := over.get(here):
        log.info("%s waits: %s", shard, reason)
        if own:
            parked.park_taken(channel, own, reason)
    elif own:
        parked.put_back(channel, own)
    if found.next:
        log.info("%s goes before %s: its newest backup is older, or its folder is here", found.next.shard, shard)
        parked.to_the_head(channel, asked[found.next.id])
    facts = {"shard": shard, "waiting": reason or "for a node"}
    task.backend.store_result(here, facts, "PENDING", request=task.request)
    raise Ignore("it is another shard's turn")
