"""256 shards, 8 worker processes, one cycle of beat's: each shard is backed up once, none twice, the stalest first.

By default the steps only say that they were there (``tests.support.choreography``): what is tried is beat, Redis, the
queues, the turns and the leases. With ``REAL=256`` (or fewer) the steps are real as well, on four MariaDB primaries;
the figures of such a run stand in ``docs/reliability.md``.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox.primary import Primary
from tests.support.fleet import Fleet
from tests.support.needs import need_flavour, need_program
from tests.support.waiting import wait_until
from tidemark.fleet import keys, metrics, queues, records
from tidemark.fleet.metrics import NewestBackup

REAL = int(os.environ.get("REAL", "0"))
"""Shards whose steps are real; 0 for 256 of which only the fleet is."""
COUNT, NODES = REAL or 256, 8
NAMES = [f"tide/{number:03}" for number in range(COUNT)]

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600 if REAL else 600)]


def soon() -> int:
    """The length of a cycle, seconds, that begins in a little while and again long after the test; cycles are counted
    from the epoch."""
    now = time.time()
    return next(every for every in range(7200, 12000) if 25 <= every - now % every <= 40)


def waiting(fleet: Fleet) -> int:
    """Messages in the shared queue."""
    return queues.lengths(fleet.redis, ["backup"])["backup"]


def make_shards(fleet: Fleet, stack: contextlib.ExitStack, folder: Path) -> None:
    fleet.project.set("node", threads=1, buffer_pool="16M", min_free="32M")
    if not REAL:
        fleet.add_shards(NAMES)
        return
    need_flavour("mariadb")
    for at in range(4):
        primary = stack.enter_context(Primary(folder / f"primary{at}", "mariadb"))
        user, password = primary.create_backup_account()
        for name in NAMES[at::4]:
            fleet.project.add(name, port=primary.port, user=user, password=password, catchup_room="64M")


def make_ages(fleet: Fleet) -> list[str]:
    """Every shard but some is said to have had a backup, each at another time; gives the names, the stalest first."""
    order = NAMES[:]
    random.Random(1).shuffle(order)
    if REAL:  # nobody has had one: equals go in the order in which they came
        return order
    now = datetime.now(UTC)
    for rank, name in enumerate(order):
        newest = NewestBackup(number=41, position="0-1-41", finished_at=now, bytes=1, stored_bytes=1)
        made = newest.model_copy(update={"finished_at": now - timedelta(days=2, minutes=-rank)})
        metrics.set_newest(fleet.redis, name, made)
    return order


def most_passed_over(begun: list[str], order: list[str]) -> int:
    """How many staler shards were left out at most when one began. Those whose message another node has just taken, and
    is about to choose for, cannot be chosen."""
    left, most = list(order), 0
    for name in begun:
        most = max(most, left.index(name))
        left.remove(name)
    return most


def test_each_shard_is_backed_up_once_in_a_cycle_the_stalest_first(tmp_path: Path) -> None:
    need_program("redis-server")
    app = "tasks" if REAL else "tests.support.choreography"
    with contextlib.ExitStack() as stack:
        fleet = stack.enter_context(Fleet(tmp_path / "fleet", app=app))
        make_shards(fleet, stack, tmp_path)
        order = make_ages(fleet)
        fleet.project.set("cycle", every=f"{soon()}s", window="2s")
        fleet.start("beat", program="beat")
        wait_until(lambda: waiting(fleet) >= COUNT, 120, "beat has sent every shard")
        began = time.monotonic()

        fleet.start_nodes(*(f"node{number}" for number in range(1, NODES + 1)))

        def all_ended() -> bool:
            ended = sum(bool(records.history(fleet.redis, name, 1)) for name in NAMES)
            assert ended == COUNT, f"{ended} shards have begun"
            assert not records.open_runs(fleet.redis), "some are running"
            return True

        wait_until(all_ended, 3000 if REAL else 400, "every shard has had its run")
        seconds = time.monotonic() - began
        fleet.stop("beat")

        runs = [run for name in NAMES for run in records.history(fleet.redis, name)]
        assert Counter(run.shard for run in runs) == dict.fromkeys(NAMES, 1)
        assert Counter(run.state for run in runs) == {"succeeded": COUNT}, [run.error for run in runs if run.error][:3]
        assert len({run.node for run in runs}) == NODES
        if not REAL:
            assert most_passed_over([run.shard for run in sorted(runs, key=lambda run: run.started)], order) < NODES
        assert waiting(fleet) == 0
        wait_until(lambda: not fleet.redis.exists(keys.TURN, keys.PARKED, "unacked"), 60, "nothing is left in Redis")
        assert list((fleet.project.scratch / "runs").glob("*")) == []
        nodes = Counter(run.node.split("@")[0] for run in runs)
        print(
            f"{COUNT} shards, {NODES} nodes, {seconds:.0f} s; runs per node: {json.dumps(dict(sorted(nodes.items())))}"
        )
