"""What the fleet shares in Redis: leases, run records, per-shard metrics. Knows Redis, not Celery.

Redis is a view and a referee, never the truth: the truth about backups is the repository. Every key starts with
``tidemark:`` (``keys.py`` lists them); the broker's and RedBeat's keys are their own business.

::

    connection  the way to Redis, and what its errors mean
    counters    what only ever rises: runs, bytes, lost leases
    health      is a shard safe? pure
    history     what every shard's newest runs took and stored
    incidents   what has been told to people
    keys        the names of all keys in Redis
    leases      one run per shard: a lease with a fence
    leftovers   what nobody needs any more in Redis
    logs        the newest log lines of every run
    metrics     what the fleet knows about every shard
    nodes       which nodes are there
    queues      how many messages wait
    records     the record of every run
    retries     requests that are made again because a node was lost
    snapshot    all that the fleet knows at one moment
    turns       whose turn it is; pure, but for its lock
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
from tidemark.fleet.metrics import ShardView
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
]
