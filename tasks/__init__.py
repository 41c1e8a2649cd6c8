"""The fleet's Celery application: ``celery -A tasks worker|beat|flower|call``.

One module a task. A task adapts, a step works: what a backup is stands in ``tidemark.steps``.

::

    arguments  what a message may say, checked before a task runs
    backup     ``tasks.backup``: a request becomes the shard's chain of steps
    base       what all tasks share: settings, Redis, this node
    beat/      when things happen
    catchup    ``tasks.catchup``
    cleanup    ``tasks.cleanup``: after a run that did not end well
    janitor    ``tasks.janitor``: what nodes that are gone have left
    notify     ``tasks.notify``: people are told what is wrong
    restore    ``tasks.restore``
    step       what the four steps share: lease, record, retries, errors
    stop       ``tasks.stop``
    sweep      ``tasks.sweep``: a node looks after its own disk
    turns      whose turn it is when a node has taken a request
    upload     ``tasks.upload``
    worker/    what a worker process needs beside its tasks
"""

from __future__ import annotations

import os
from pathlib import Path

from tidemark.queue.app import app

__all__ = ["app"]

# Flower takes its options from the folder that it is started in, and without them asks nobody for a login: it is told
# where ours are, wherever that is. ``--conf`` on its command line goes before this.
os.environ.setdefault("FLOWER_CONF", str(Path(__file__).resolve().parents[1] / "flowerconfig.py"))
