"""Telling people what is wrong with shards, once, and that it is over: by a webhook. Knows neither Celery nor Redis'
keys; what was told is kept by ``fleet.incidents``.

::

    check    one look at all shards: what is new is told
    plan     what is to be told of a shard, given what was told before; pure
    webhook  posting to a webhook
"""

from tidemark.alerts.check import Outcome, check, send_test
from tidemark.alerts.plan import Event, plan
from tidemark.alerts.webhook import Webhook

__all__ = ["Event", "Outcome", "Webhook", "check", "plan", "send_test"]
