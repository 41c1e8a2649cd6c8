"""How fast a data folder becomes a backup and comes back: `python benchmarks/upload.py [--folder DATA] [--json]`.

Without --folder it makes pages that compress like InnoDB's (to about 0.4), 90 % of them in one file. Every upload and
restore is a process of its own, so that the peak of its memory is its own too. The limit is what the same machine
reaches when it only hashes, compresses and seals the same bytes, in a thread pool and without storing them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import zstandard
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tidemark.repository import Facts, MasterKey, Repository
from tidemark.storage import StoreOptions, open_store

PAGE = 16384
WINDOW = 4 << 20


def make_folder(folder: Path, size: int) -> None:
    """Pages of records with random keys and texts of few words; every page differs from every other one."""
    rng = random.Random(7)
    words = [rng.randbytes(12).hex().encode() for _ in range(4096)]
    rows = []
    for number in range(40_000):
        text = b" ".join(words[(number * 31 + i * i) % 4096][: 4 + i] for i in range(4))
        rows.append(rng.randbytes(44) + number.to_bytes(6, "big") + text.ljust(60, b" ") + bytes(14))
    folder.mkdir(parents=True)
    shares = [("big.ibd", 0.9), *((f"small{i}.ibd", 0.02) for i in range(5))]
    for name, share in shares:
        with (folder / name).open("wb") as stream:
            for page in range(int(size * share) // PAGE):
                start = rng.randrange(len(rows) - 140)
                body = b"".join(rows[start : start + 110])
                head = page.to_bytes(4, "big") + rng.randbytes(34)
                stream.write((head + body).ljust(PAGE - 8, b"\0") + rng.randbytes(8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="a cold data folder; without it one is made")
    parser.add_argument("--size", type=int, default=1024, help="MiB of the folder that is made")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--work", type=Path, help="where repository and restore go; with room for twice the data")
    parser.add_argument("--url", help="the store, empty, e.g. s3://bucket/prefix; without it a folder in --work")
    parser.add_argument("--endpoint-url", help="where the store of --url answers")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(run_child(options.child[0], options.child[1], options)))
        return
    work = Path(tempfile.mkdtemp(prefix="tidemark-benchmark-", dir=options.work))
    try:
        result = measure(work, options)
    finally:
        shutil.rmtree(work)
    print(json.dumps(result, indent=2) if options.json else table(result))


def measure(work: Path, options: argparse.Namespace) -> dict[str, Any]:
    folder = options.folder
    if folder is None:
        folder = work / "data"
        make_folder(folder, options.size << 20)
    MasterKey.generate().write(work / "key")
    warm(folder)
    result: dict[str, Any] = {"threads": options.threads, "folder": str(options.folder or "generated")}
    for step in ("limit", "first upload", "second upload", "restore"):
        command = [sys.executable, __file__, "--child", step, str(work), "--threads", str(options.threads)]
        for name, value in (("--url", options.url), ("--endpoint-url", options.endpoint_url)):
            command += [name, value] if value else []
        command += ["--folder", str(folder)]
        result[step] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    first, second = result["first upload"], result["second upload"]
    result["second is faster by"] = round(second["MB/s"] / first["MB/s"], 1)
    result["second stores, of the first"] = round(second["stored"] / first["stored"], 5)
    result["first, of the limit"] = round(first["MB/s"] / result["limit"]["MB/s"], 2)
    return result


def run_child(step: str, where: str, options: argparse.Namespace) -> dict[str, Any]:
    work, folder, threads = Path(where), options.folder, options.threads
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    folders = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_dir())
    size = sum((folder / file).stat().st_size for file in files)
    result: dict[str, Any] = {}
    if step == "limit":
        seconds, stored = limit(folder, files, threads)
        result["ratio"] = round(stored / size, 3)
    else:
        store = open_store(
            options.url or (work / "repository").as_uri(), StoreOptions(endpoint_url=options.endpoint_url)
        )
        shard = Repository.open(store, MasterKey.load(work / "key"), create=True).shard("benchmark/0")
        newest = shard.newest()
        began = time.perf_counter()
        if step == "restore":
            assert newest
            shard.restore(newest, work / "restored", threads=threads)
        else:
            facts = Facts("mysql", "0", "", "", datetime.now(UTC))
            run_id = f"20260101T000000Z-{newest.number if newest else 0:08d}"
            journal = work / f"{run_id}.journal"
            backup = shard.upload(
                folder, files, folders, facts, parent=newest, run_id=run_id, journal=journal, threads=threads
            )
            result["stored"] = backup.stored_bytes
        seconds = time.perf_counter() - began
    usage = resource.getrusage(resource.RUSAGE_SELF)
    result |= {
        "MB": round(size / 1e6),
        "seconds": round(seconds, 3),
        "MB/s": round(size / 1e6 / seconds),
        "CPU seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak RSS MB": round(usage.ru_maxrss / 1000),
    }
    return result


def warm(folder: Path) -> None:
    """Everything is measured with the files in the page cache."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb", buffering=0) as stream:
                while stream.read(WINDOW):
                    pass


def limit(folder: Path, files: list[str], threads: int) -> tuple[float, int]:
    """Seconds and sealed bytes for read + BLAKE3 of 64 KiB + zstd 1 + AES-256-GCM of 4 MiB, storing nothing."""
    work = [(folder / file, offset) for file in files for offset in range(0, (folder / file).stat().st_size, WINDOW)]
    queue, lock, stored = iter(work), threading.Lock(), [0] * threads
    key = AESGCM(bytes(32))

    def run(place: int) -> None:
        buffer = memoryview(bytearray(WINDOW))
        compressor = zstandard.ZstdCompressor(level=1)
        while True:
            with lock:
                item = next(queue, None)
            if item is None:
                return
            descriptor = os.open(item[0], os.O_RDONLY)
            content = buffer[: os.preadv(descriptor, [buffer], item[1])]
            os.close(descriptor)
            for at in range(0, len(content), 65536):
                blake3(content[at : at + 65536], key=bytes(32)).digest(16)
            stored[place] += len(key.encrypt(os.urandom(12), compressor.compress(content), b"")) + 12

    began = time.perf_counter()
    pool = [threading.Thread(target=run, args=(place,)) for place in range(threads)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    return time.perf_counter() - began, sum(stored)


def table(result: dict[str, Any]) -> str:
    lines = [f"{'':14} {'MB/s':>7} {'seconds':>8} {'CPU s':>7} {'RSS MB':>7}"]
    for step in ("limit", "first upload", "second upload", "restore"):
        seen = result[step]
        lines.append(f"{step:14} {seen['MB/s']:7} {seen['seconds']:8} {seen['CPU seconds']:7} {seen['peak RSS MB']:7}")
    lines.append("")
    lines += [
        f"{name}: {result[name]}"
        for name in result
        if name.startswith(("second ", "first,")) and name not in ("second upload",)
    ]
    lines.append(f"zstd ratio {result['limit']['ratio']}, {result['limit']['MB']} MB, {result['threads']} threads")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
