"""The fleet's Celery application: ``celery -A tasks worker|beat|flower|call``.

One module a task. A task adapts, a step works: what a backup is stands in ``tidemark.steps``.
"""

from __future__ import annotations

from celery import Celery

app = Celery("tidemark")
app.config_from_object("celeryconfig")
