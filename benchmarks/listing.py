"""What a long history costs: `python benchmarks/listing.py [--backups 200] [--files 400] [--json]`.

Makes a shard with so many backups of so many files in a folder of its own, of which each backup changes one in a
hundred, and measures what `tidemark backups` and `tidemark prune --dry-run` do with it, beside what they print.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tidemark.repository import Facts, FolderOrigin, MasterKey, NewBackup, Repository, RetentionPolicy, ShardRepository
from tidemark.storage import FileStore

PAGE = 16384
POLICY = RetentionPolicy(keep_last=7, keep_daily=14, keep_weekly=8, keep_monthly=12)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backups", type=int, default=200)
    parser.add_argument("--files", type=int, default=400)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shard = make(Path(folder), given.backups, given.files)
        sizes = [path.stat().st_size for path in sorted((Path(folder) / "repository/benchmark/0/backups").iterdir())]
        found = {
            "backups": given.backups,
            "files": given.files,
            "list_seconds": measure(shard.catalog.backups),
            "plan_seconds": measure(lambda: shard.prune(POLICY, now=datetime.now(UTC), dry_run=True)),
            "plan_keep_all_seconds": measure(
                lambda: shard.prune(RetentionPolicy(keep_last=given.backups), now=datetime.now(UTC), dry_run=True)
            ),
            "manifest_bytes": round(statistics.median(sizes)),
        }
    if given.json:
        print(json.dumps(found))
        return
    print(f"{given.backups} backups of {given.files} files; a manifest has {found['manifest_bytes']:,} bytes")
    print(f"backups                               {found['list_seconds']:.3f} s")
    print(f"prune --dry-run                       {found['plan_seconds']:.3f} s")
    print(f"prune --dry-run, every backup stays   {found['plan_keep_all_seconds']:.3f} s")


def make(folder: Path, backups: int, files: int) -> ShardRepository:
    """A history in which every backup changes one file in a hundred."""
    rng = random.Random(7)
    data = folder / "data"
    data.mkdir()
    names = [f"t{number}.ibd" for number in range(files)]
    for name in names:
        (data / name).write_bytes(rng.randbytes(PAGE))
    shard = Repository.open(FileStore(folder / "repository"), MasterKey.generate(), create=True).shard("benchmark/0")
    newest = None
    for number in range(backups):
        for name in rng.sample(names, max(1, files // 100)):
            (data / name).write_bytes(rng.randbytes(PAGE))
        now = datetime.now(UTC)
        newest = shard.upload(
            FolderOrigin(data, names),
            NewBackup(
                Facts("mysql", "9.7.4", "", "", now, restored_from=newest.number if newest else None),
                f"{now:%Y%m%dT%H%M%SZ}-{number:08x}",
                folder / "journal",
                parent=newest,
            ),
        )
        (folder / "journal").unlink(missing_ok=True)
    return shard


def measure(work: Callable[[], object]) -> float:
    """The median of five, seconds."""
    taken = []
    for _ in range(5):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return round(statistics.median(taken), 4)


if __name__ == "__main__":
    main()
