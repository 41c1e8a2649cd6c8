"""The fleet's Celery application: the same for workers, beat, Flower and whoever asks the fleet for something."""

from __future__ import annotations

from celery import Celery

app = Celery("tidemark")
app.config_from_object("celeryconfig")
