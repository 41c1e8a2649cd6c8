"""What one shard's run costs beside its servers: ``python -m benchmarks.shard --megabytes 2000``.

Starts a sandbox primary, fills it, and runs ``tidemark backup`` twice as a person would (the first backup by clone,
then one with nothing changed), then ``tidemark restore``. Reports, per call and step: seconds, the peak of the
resident memory of the process (without mysqld), and how many cores it kept busy.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from sandbox.primary import Primary
from sandbox.workload import fill
from tests.support.project import Project

SHARD = "bench/0"
SAMPLE_EVERY = 0.02


@dataclass(frozen=True, slots=True)
class Cost:
    """One step of one call."""

    call: str
    step: str
    seconds: float
    cores: float
    """CPU seconds of the process per second."""
    peak_mb: float
    """Resident memory of the process, MB of 10^6 bytes."""


def measure(project: Project, call: str, *words: str) -> list[Cost]:
    """Runs a command; the steps are told by the lines that it prints where there is no terminal."""
    process = subprocess.Popen(
        project.command(*words),
        env=project.environment() | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    watched = psutil.Process(process.pid)
    costs: list[Cost] = []
    peak = 0.0
    ended = threading.Event()

    def sample() -> None:
        nonlocal peak
        while not ended.wait(SAMPLE_EVERY):
            try:
                peak = max(peak, watched.memory_info().rss / 1e6)
            except psutil.NoSuchProcess:
                return

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    began, used = time.monotonic(), 0.0
    assert process.stderr is not None
    for line in process.stderr:
        step, _, rest = line.partition(": ")
        if rest.startswith("started"):
            times = watched.cpu_times()
            began, used, peak = time.monotonic(), times.user + times.system, 0.0
        elif rest.startswith("done"):
            times = watched.cpu_times()
            seconds = time.monotonic() - began
            cores = (times.user + times.system - used) / seconds if seconds else 0.0
            costs.append(Cost(call, step, round(seconds, 2), round(cores, 2), round(peak, 1)))
        elif not rest:
            sys.stderr.write(line)
    ended.set()
    if process.wait():
        raise SystemExit(f"{' '.join(words)} failed")
    return costs


def main() -> None:
    """Prints a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=2000, help="how much data the primary holds")
    parser.add_argument("--flavour", choices=["mysql", "mariadb"], default="mariadb")
    parser.add_argument("--tables", type=int, default=2, help="how many tables it is spread over")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tidemark-bench-") as name:
        folder = Path(name)
        with Primary(folder / "primary", arguments.flavour) as primary:
            fill(primary, arguments.megabytes, tables=arguments.tables)
            project = Project(folder)
            project.add_shard(SHARD, primary)
            costs = measure(project, "first backup", "backup", SHARD)
            costs += measure(project, "second backup", "backup", SHARD)
            listed = project.json("backups", SHARD)
        costs += measure(project, "restore", "restore", SHARD, "--to", str(folder / "restored"))
    if arguments.json:
        print(json.dumps({"costs": [asdict(cost) for cost in costs], "backups": listed}, indent=2))
        return
    print(f"{'call':14} {'step':8} {'seconds':>8} {'cores':>6} {'peak MB':>8}")
    for cost in costs:
        print(f"{cost.call:14} {cost.step:8} {cost.seconds:8.2f} {cost.cores:6.2f} {cost.peak_mb:8.1f}")
    first, second = listed[0], listed[-1]
    share = second["stored_bytes"] / first["stored_bytes"]
    print(f"{first['bytes'] / 1e6:.0f} MB; stored {first['stored_bytes'] / 1e6:.1f} MB, then {share:.3%} of that")


if __name__ == "__main__":
    main()
