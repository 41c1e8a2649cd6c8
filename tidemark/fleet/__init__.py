"""What the fleet shares in Redis: leases, run records, per-shard metrics. Knows Redis, not Celery.

Redis is a view and a referee, never the truth: the truth about backups is the repository. Every key starts with
``tidemark:`` (``keys.py`` lists them); the broker's and RedBeat's keys are their own business.
"""

from tidemark.fleet import (
    counters,
    health,
    history,
    incidents,
    leases,
    leftovers,
    logs,
    metrics,
    nodes,
    queues,
    records,
    retries,
    snapshot,
    turns,
)
from tidemark.fleet.connection import Client, broker_url, connect, persist, tls_options, translated
from tidemark.fleet.history import RunFigures
from tidemark.fleet.leases import Lease, LeaseHolder
from tidemark.fleet.metrics import ShardView, view
from tidemark.fleet.records import RunRecord

__all__ = [
    "Client",
    "Lease",
    "LeaseHolder",
    "RunFigures",
    "RunRecord",
    "ShardView",
    "broker_url",
    "connect",
    "counters",
    "health",
    "history",
    "incidents",
    "leases",
    "leftovers",
    "logs",
    "metrics",
    "nodes",
    "persist",
    "queues",
    "records",
    "retries",
    "snapshot",
    "tls_options",
    "translated",
    "turns",
    "view",
]
