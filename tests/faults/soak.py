"""The soak: 8 shards, 2 nodes, beat, cycles back to back, and every 20 seconds something is killed.

``python -m tests.faults.soak --minutes 30`` prints a row a minute and the figures at the end, and exits with 1 when a
backup is not what its primary was, or when something has leaked. ``make soak`` calls it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from celery import states

from sandbox import processes
from sandbox.checksums import checksums
from sandbox.stock import StockServer
from sandbox.witness import Witness
from sandbox.workload import Workload
from tests.faults.stage import Stage
from tests.support.waiting import wait_until
from tidemark.fleet import records
from tidemark.recovery import restore

SHARDS = (*(f"maria/{letter}" for letter in "abcdef"), "mysql/a", "mysql/b")
NODES = ("node1", "node2")
KILL_EVERY = 20.0
"""Seconds."""
CYCLE = "20s"
"""Shorter than eight runs take: both nodes always have something to do."""
TRANSACTIONS = 3
"""A second, on each primary."""


@dataclass
class Figures:
    """What the soak has seen."""

    minutes: float
    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    runs: Counter[str] = field(default_factory=Counter)
    """Ended runs by how they ended."""
    backups: int = 0
    proven: int = 0
    """Backups that were restored, started and compared."""
    samples: list[dict[str, float]] = field(default_factory=list)
    """One a minute: processes, descriptors, megabytes, keys."""
    wrong: list[str] = field(default_factory=list)
    """What must not be."""

    def rows(self) -> list[str]:
        """For a person, and for ``docs/reliability.md``."""
        kills = ", ".join(f"{what} {times}" for what, times in sorted(self.kills.items()))
        runs = ", ".join(f"{how} {times}" for how, times in sorted(self.runs.items()))
        lines = [
            f"| minutes, seed | {self.minutes:g}, {self.seed} |",
            f"| kills: {self.kills.total()} | {kills} |",
            f"| runs: {self.runs.total()} | {runs} |",
            f"| backups | {self.backups} |",
            f"| restored and compared | {self.proven}, wrong {sum('is not what' in line for line in self.wrong)} |",
        ]
        for what in self.samples[0] if self.samples else ():
            seen = [sample[what] for sample in self.samples]
            lines.append(f"| {what}: first, most, last | {seen[0]:g}, {max(seen):g}, {seen[-1]:g} |")
        return lines


class Soak:
    """A stage with eight shards, two nodes and beat."""

    def __init__(self, stage: Stage, figures: Figures) -> None:
        self.stage, self.figures = stage, figures
        self.fleet = stage.fleet
        self.chance = random.Random(figures.seed)
        self.blows: dict[str, Callable[[], bool]] = {
            "step's process": self._kill_step,
            "worker": self._kill_worker,
            "private mysqld": self._kill_server,
            "Redis": self._kill_redis,
            "beat": self._kill_beat,
            "storage server": self._kill_storage,
            "primary": self._kill_primary,
            "broker connections": self._cut,
        }
        self.witnesses = {k: Witness(p, stage.folder / f"witness-{k}") for k, p in stage.primaries.items()}

    def run(self) -> None:
        """To its end; everything that must not be stands in the figures."""
        workloads = [Workload(primary, rate=TRANSACTIONS) for primary in self.stage.primaries.values()]
        try:
            for workload in workloads:
                workload.start()
            self._start_beat()
            self._work(time.monotonic() + self.figures.minutes * 60)
            self.fleet.stop("beat")
            self._settle()
        finally:
            for workload in workloads:
                workload.stop()
        for shard in SHARDS:
            self._prove(shard)
        for witness in self.witnesses.values():
            witness.stop()
        self._look_for_leaks()

    def _work(self, end: float) -> None:
        began = time.monotonic()
        kill, sample = began + KILL_EVERY, began + 60
        while (now := time.monotonic()) < end:
            if now >= kill:
                self._blow()
                kill += KILL_EVERY
            elif now >= sample:
                self._sample()
                self._prove(self.chance.choice(SHARDS))
                sample += 60
            else:
                signal.sigtimedwait([], min(0.5, max(0.01, kill - now)))

    # ---- blows

    def _blow(self) -> None:
        names = sorted(self.blows)
        self.chance.shuffle(names)
        for name in names:
            if self.blows[name]():
                self.figures.kills[name] += 1
                return

    def _kill_step(self) -> bool:
        running = [run for run in records.open_runs(self.fleet.redis) if run.step in {"restore", "catchup", "upload"}]
        children = [child for name in NODES for child in psutil.Process(self.fleet.processes[name].pid).children()]
        if not running or not children:
            return False
        with contextlib.suppress(psutil.NoSuchProcess):
            self.chance.choice(children).kill()
        return True

    def _kill_worker(self) -> bool:
        name = self.chance.choice(NODES)
        self.stage.kill_node(name)
        self.stage.restart_node(name)
        return True

    def _kill_server(self) -> bool:
        servers = [line for line in self.stage.programs() if "mysqld" in line or "mariadbd" in line]
        if not servers:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(self.chance.choice(servers).split()[0]), signal.SIGKILL)
        return True

    def _kill_redis(self) -> bool:
        self.fleet.redis_server.kill()
        self.fleet.redis_server.start()
        return True

    def _kill_beat(self) -> bool:
        processes.kill(self.fleet.processes.pop("beat"))
        self._start_beat()
        return True

    def _start_beat(self) -> None:
        self.fleet.start("beat", program="beat")

    def _kill_storage(self) -> bool:
        self.stage.store.kill()
        self.stage.store.start()
        return True

    def _kill_primary(self) -> bool:
        primary = self.stage.primaries[self.chance.choice(sorted(self.stage.primaries))]
        primary.kill()
        primary.start()
        return True

    def _cut(self) -> bool:
        return bool(self.stage.wire.cut())

    # ---- looking

    def _sample(self) -> None:
        trees = [psutil.Process(process.pid) for process in self.fleet.processes.values() if process.poll() is None]
        workers, descriptors, memory = 0, [0], [0.0]
        for process in [member for root in trees for member in [root, *root.children(recursive=True)]]:
            with contextlib.suppress(psutil.Error):
                if process.name() not in {"mysqld", "mariadbd"}:
                    workers += 1
                    descriptors.append(process.num_fds())
                    memory.append(process.memory_info().rss / 1e6)
        redis = self.fleet.redis
        lasting = 0
        with contextlib.suppress(Exception):
            lasting = sum(redis.ttl(key) == -1 for key in redis.scan_iter(count=1000))
        scratch = self.fleet.project.scratch
        sample = {
            "processes of Celery": workers,
            "private servers": len(self.stage.programs()),
            "descriptors of one of Celery's processes": max(descriptors),
            "MB of one of Celery's processes": round(max(memory)),
            "MB of all of them": round(sum(memory)),
            "lasting keys in Redis": lasting,
            "run folders": len(list((scratch / "runs").glob("*"))),
            "MB in scratch": round(
                sum(p.stat().st_size for p in (scratch / "known").rglob("*") if p.is_file()) / 1e6, 1
            ),
            "objects in the store": sum(1 for p in self.stage.store.folder.rglob("packs/*/*")),
        }
        self.figures.samples.append({name: float(value) for name, value in sample.items()})
        minute = len(self.figures.samples)
        print(f"{minute:3} min  {self._count()}  " + ", ".join(f"{k} {v}" for k, v in sample.items()), flush=True)

    def _count(self) -> str:
        redis = self.fleet.redis
        with contextlib.suppress(Exception):
            found = [redis.hmget(key, "state", "result") for key in redis.scan_iter("tidemark:run:*", count=1000)]
            self.figures.runs = Counter(str(state) for state, _ in found if state)
            self.figures.backups = sum(bool(result and '"number"' in result) for _, result in found)
        return ", ".join(f"{how} {times}" for how, times in sorted(self.figures.runs.items()))

    def _prove(self, shard: str) -> None:
        """Restores the newest backup and compares it with what a plain replica held at its position."""
        keyspace = shard.split("/")[0]
        primary, settings = self.stage.primaries[keyspace], self.fleet.project.settings()
        target = self.stage.folder / f"proof-{keyspace}"
        if not self.stage.backups(shard).catalog.backups():
            return
        done = restore.run(settings, restore.find(settings, shard), target, delta=True)
        with StockServer(self.stage.folder / f"stock-{keyspace}", primary.flavour, data=target, tls="off") as server:
            found = checksums(server)
        if found != self.witnesses[keyspace].checksums_at(done.backup.position):
            self.figures.wrong.append(f"backup {done.backup.number} of {shard} is not what the primary was")
        self.figures.proven += 1

    def _settle(self) -> None:
        """No more cycles: what runs comes to its end, what waits is done or void."""
        self.fleet.redis.delete("backup", *self.fleet.redis.keys("backup*"))
        wait_until(lambda: not records.open_runs(self.fleet.redis), 300, "every run has ended")
        self.stage.sweep()
        for shard in SHARDS:
            result = self.fleet.enqueue(shard)
            if (state := self.stage.wait_end(result)) != states.SUCCESS:
                self.figures.wrong.append(f"{shard}: the cycle after the soak ended as {state}: {result.result}")
        self._sample()

    def _look_for_leaks(self) -> None:
        self.stage.sweep()
        for shard in SHARDS:
            try:
                wait_until(lambda name=shard: self.stage.tidy(name), 60, f"{shard} is tidy")  # type: ignore[misc]
            except AssertionError as error:
                self.figures.wrong.append(str(error))
        first, last = self.figures.samples[0], self.figures.samples[-1]
        limits = {"processes of Celery": 2, "private servers": 0, "run folders": 0, "MB in scratch": 1}
        limits |= {"descriptors of one of Celery's processes": 30, "MB of one of Celery's processes": 60}
        limits |= {"MB of all of them": 200, "lasting keys in Redis": 40, "objects in the store": 400}
        self.figures.wrong += [
            f"{what} have grown from {first[what]:g} to {last[what]:g}"
            for what, room in limits.items()
            if last[what] > first[what] + room
        ]


def soak(folder: Path, minutes: float, seed: int) -> Figures:
    """Runs one in an empty folder."""
    figures = Figures(minutes, seed)
    with Stage(folder, SHARDS) as stage:
        stage.fleet.project.set("cycle", every=CYCLE)
        stage.fleet.project.set("retention", keep_last=2)
        (stage.fleet.orders / "points").unlink()
        stage.fleet.start_nodes(*NODES[1:])
        try:
            Soak(stage, figures).run()
        finally:
            if os.environ.get("SOAK_LOGS"):
                for log in stage.fleet.folder.glob("*.log"):
                    Path(os.environ["SOAK_LOGS"], log.name).write_bytes(log.read_bytes())
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-", dir="/tmp") as folder:
        figures = soak(Path(folder), asked.minutes, asked.seed)
    print("\n".join(figures.rows()))
    for line in figures.wrong:
        print(f"WRONG: {line}")
    return 1 if figures.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
