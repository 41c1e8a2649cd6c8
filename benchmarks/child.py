"""One measured piece of work in a process of its own: ``python -m benchmarks.child WORK``, its orders as JSON on
standard input, what was measured as JSON on standard output. So every piece has its own peak of memory and CPU time.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import floors
from benchmarks.dataset import content
from tidemark.repository import (
    Facts,
    FolderOrigin,
    MasterKey,
    NewBackup,
    Repository,
    RestoreOptions,
    ShardRepository,
    UploadOptions,
)
from tidemark.storage import StoreOptions, open_store

Orders = dict[str, Any]
Found = dict[str, Any]


def measured(work: str, **orders: object) -> Found:
    """Does the work in a new process. Gives ``seconds``, ``cpu_seconds``, ``peak_mb``, ``mb``, ``mb_per_second`` and
    what else the work tells."""
    command = [sys.executable, "-m", "benchmarks.child", work]
    text = json.dumps(orders, default=str)
    done = subprocess.run(command, input=text, stdout=subprocess.PIPE, check=False, text=True)
    if done.returncode:
        raise SystemExit(f"{work} ended with status {done.returncode}")
    found: Found = json.loads(done.stdout)
    return found


def main() -> None:
    orders: Orders = json.load(sys.stdin)
    folder = Path(orders["folder"])
    files, _ = content(folder)
    size = sum((folder / file).stat().st_size for file in files)
    began, cpu = time.perf_counter(), time.process_time()
    found: Found = WORKS[sys.argv[1]](orders, folder, files)
    found.setdefault("seconds", time.perf_counter() - began)
    found.setdefault("cpu_seconds", time.process_time() - cpu)
    found |= {"mb": size / 1e6, "mb_per_second": size / 1e6 / found["seconds"], "peak_mb": peak_mb()}
    print(json.dumps({name: round(value, 4) if isinstance(value, float) else value for name, value in found.items()}))


def peak_mb() -> float:
    """The high-water mark of this process's resident memory, MB. (getrusage starts with that of whoever forked us.)"""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 / 1e6 if found else 0.0


def _shard(orders: Orders) -> ShardRepository:
    store = open_store(orders["url"], StoreOptions(endpoint_url=orders.get("endpoint_url")))
    return Repository.open(store, MasterKey.load(Path(orders["key"])), create=True).shard("benchmark/0")


def _upload(orders: Orders, folder: Path, files: list[str]) -> Found:
    """The next backup of the folder. The repository is opened before the clock starts, as a run has long done."""
    shard = _shard(orders)
    _, folders = content(folder)
    began = time.perf_counter()
    newest = shard.catalog.newest()
    facts = Facts("mariadb", "10.11.0", "", "", datetime.now(UTC), restored_from=newest.number if newest else None)
    run_id = f"20260101T000000Z-{newest.number if newest else 0:08d}"
    journal = Path(orders["key"]).with_name(f"{run_id}.journal")
    backup = shard.upload(
        FolderOrigin(folder, files, folders),
        NewBackup(facts, run_id, journal, parent=newest),
        UploadOptions(threads=orders["threads"]),
    )
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "stored": backup.stored_bytes}


def _restore(orders: Orders, folder: Path, files: list[str]) -> Found:
    shard = _shard(orders)
    began = time.perf_counter()
    newest = shard.catalog.newest()
    assert newest
    restored = shard.restore(
        newest,
        Path(orders["target"]),
        RestoreOptions(
            threads=orders["threads"], reuse=orders.get("delta", False), durable=orders.get("durable", False)
        ),
    )
    return {"seconds": time.perf_counter() - began, "fetched": restored.fetched_bytes}


def _floor(work: Callable[..., float]) -> Callable[[Orders, Path, list[str]], Found]:
    return lambda orders, folder, files: {"seconds": work(folder, files, orders["threads"])}


def _open(orders: Orders, folder: Path, files: list[str]) -> Found:
    seconds, cpu = floors.opening(folder, files, orders["threads"])
    return {"seconds": seconds, "cpu_seconds": cpu}


def _write(orders: Orders, folder: Path, files: list[str]) -> Found:
    size = sum((folder / file).stat().st_size for file in files)
    return {"seconds": floors.writing(Path(orders["target"]), size, orders["threads"], sync=orders["sync"])}


WORKS: dict[str, Callable[[Orders, Path, list[str]], Found]] = {
    "upload": _upload,
    "restore": _restore,
    "hash": _floor(floors.hashing),
    "seal": _floor(floors.sealing),
    "open": _open,
    "write": _write,
}


if __name__ == "__main__":
    main()
