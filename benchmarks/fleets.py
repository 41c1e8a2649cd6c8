"""What the fleet adds to a run, and how quickly beat sends out a thousand shards."""

from __future__ import annotations

import re
import statistics
from datetime import datetime

import psutil

from benchmarks.figure import Bench, Outcome
from sandbox.primary import Primary
from sandbox.workload import fill
from tests.support.fleet import Fleet
from tests.support.waiting import wait_until
from tidemark.fleet import history

SHARD = "bench/0"
CHAINS = 20
SHARDS = 1024
_SENT = re.compile(r"^\[?(.{23})[^\n]*Sending due task backup ", re.MULTILINE)


def chain(bench: Bench) -> list[Outcome]:
    """What a chain of four steps that have nothing to do takes."""
    folder = bench.folder("chain")
    with Primary(folder / "primary", "mariadb") as primary, Fleet(folder / "fleet", app="tasks") as fleet:
        fill(primary, 1)
        user, password = primary.create_backup_account()
        fleet.project.add(SHARD, port=primary.port, user=user, password=password)
        fleet.project.set("cycle", min_interval="1h")
        fleet.start_nodes("node1")
        fleet.project.json("run", SHARD, "--wait")
        before = _cpu(fleet, "node1")
        for _ in range(CHAINS):
            fleet.enqueue(SHARD)
        wait_until(lambda: len(_skipped(fleet)) >= CHAINS, 120, "every chain has ended")
        used = _cpu(fleet, "node1") - before
        runs = _skipped(fleet)
    over = [run.total_seconds - run.steps_seconds for run in runs]
    return [
        Outcome(
            "chain",
            "the fleet's overhead per chain: from its start to its end without its steps",
            1000 * statistics.median(over),
            100,
            "less",
            unit="ms",
            parts={
                "chains": len(over),
                "slowest_ms": 1000 * max(over),
                "node_cpu_ms_per_chain": 1000 * used / len(over),
            },
        )
    ]


def _skipped(fleet: Fleet) -> list[history.RunFigures]:
    return [run for run in history.runs(fleet.redis, SHARD) if run.state == "skipped"]


def _cpu(fleet: Fleet, name: str) -> float:
    """CPU seconds that a process and its children have taken so far."""
    process = psutil.Process(fleet.processes[name].pid)
    times = [found.cpu_times() for found in (process, *process.children(recursive=True))]
    return sum(found.user + found.system for found in times)


def emission(bench: Bench) -> list[Outcome]:
    """How long beat takes to send out 1,024 shards that are due at once."""
    with Fleet(bench.folder("emission"), app="tasks") as fleet:
        fleet.add_shards(f"bench/{number}" for number in range(SHARDS))
        fleet.project.set("cycle", every="60s", window="1s")
        fleet.start("beat", program="beat")
        wait_until(lambda: _SENT.search(fleet.text("beat")), 180, "beat sends")
        before = _cpu(fleet, "beat")
        wait_until(lambda: len(_SENT.findall(fleet.text("beat"))) >= SHARDS, 180, "beat has sent every shard")
        used = _cpu(fleet, "beat") - before
        times = [datetime.strptime(text, "%Y-%m-%d %H:%M:%S,%f") for text in _SENT.findall(fleet.text("beat"))]  # noqa: DTZ007
    seconds = (times[SHARDS - 1] - times[0]).total_seconds()
    return [
        Outcome(
            "emission",
            "beat sends out 1,024 shards that are due at once",
            seconds,
            3.0,
            "less",
            unit="s",
            parts={"messages": SHARDS, "per_second": SHARDS / max(seconds, 1e-3), "beat_cpu_seconds": used},
        )
    ]
