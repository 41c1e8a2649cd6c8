"""The fleet's Celery application: ``celery -A tasks worker|beat|flower|call``.

One module a task. A task adapts, a step works: what a backup is stands in ``tidemark.steps``.
"""

from __future__ import annotations

import os
from pathlib import Path

from tidemark.queue.app import app

__all__ = ["app"]

# Flower takes its options from the folder that it is started in, and without them asks nobody for a login: it is told
# where ours are, wherever that is. ``--conf`` on its command line goes before this.
os.environ.setdefault("FLOWER_CONF", str(Path(__file__).resolve().parents[1] / "flowerconfig.py"))
