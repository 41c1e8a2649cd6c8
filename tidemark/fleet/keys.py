"""The names of everything that Tidemark keeps in Redis.

    key                        type    what it holds                                            lives
    tidemark:lease:<shard>     hash    run, node, step, since, fence                            90 s, renewed
    tidemark:fence:<shard>     string  a counter that only rises                                for ever
    tidemark:run:<run-id>      hash    the record of a run (records.py)                         90 days
    tidemark:runs:<shard>      list    ids of the shard's newest runs, newest first, at most 50 for ever
    tidemark:history:<shard>   list    figures of the shard's newest runs (history.py), at most 200 for ever
    tidemark:open              set     ids of the runs that have not ended                      for ever
    tidemark:shard:<shard>     hash    the shard's metrics (metrics.py)                         for ever
    tidemark:counts:<shard>    hash    what only rises, for Prometheus (counters.py)            for ever
    tidemark:counts:<keyspace> hash    the same: how long steps took                            for ever
    tidemark:log:<run-id>      stream  the run's newest log lines (logs.py)                     14 days
    tidemark:incidents         hash    what people were told of each shard (incidents.py)       for ever
    tidemark:delivery          string  how the last telling went                                for ever
    tidemark:telling           string  who is telling just now                                  120 s
    tidemark:node:<node>       string  since when a node is there                               60 s, renewed
    tidemark:turn              string  who is choosing the next shard (turns.py)                30 s
    tidemark:parked            hash    by id: messages over a bound, which wait for a run's end until then
    tidemark:again             zset    requests whose run was lost, by when they are due again  until then

Losing all of it loses no backup: ``tidemark status --rescan`` and the next cycle fill it again.
"""

from __future__ import annotations

PREFIX = "tidemark:"
OPEN = f"{PREFIX}open"
TURN = f"{PREFIX}turn"
PARKED = f"{PREFIX}parked"
AGAIN = f"{PREFIX}again"
INCIDENTS = f"{PREFIX}incidents"
DELIVERY = f"{PREFIX}delivery"
TELLING = f"{PREFIX}telling"


def lease(shard: str) -> str:
    return f"{PREFIX}lease:{shard}"


def fence(shard: str) -> str:
    return f"{PREFIX}fence:{shard}"


def run(run_id: str) -> str:
    return f"{PREFIX}run:{run_id}"


def runs(shard: str) -> str:
    return f"{PREFIX}runs:{shard}"


def log(run_id: str) -> str:
    return f"{PREFIX}log:{run_id}"


def history(shard: str) -> str:
    return f"{PREFIX}history:{shard}"


def counts(name: str) -> str:
    """Of a shard, or of a keyspace."""
    return f"{PREFIX}counts:{name}"


def shard(name: str) -> str:
    return f"{PREFIX}shard:{name}"


def node(name: str) -> str:
    return f"{PREFIX}node:{name}"
