"""The first and the second upload beside mydumper, restic, plain copies and plain compression."""

from __future__ import annotations

from pathlib import Path

from benchmarks import peers
from benchmarks.child import Found
from benchmarks.figure import Bench, Outcome, Place, fresh_upload, size_of, warm


def upload_peers(bench: Bench) -> list[Outcome]:
    """The first and second upload against restic, mydumper, cp and tar with zstd, each once."""
    data = bench.datasets.eight()
    size, out = size_of(data), bench.folder("peers")
    place = Place(bench.folder("second"), bench.threads)
    warm(data)
    found: dict[str, Found] = {
        "upload": fresh_upload(bench, "first", data),
        "zstd": peers.fresh(out / "tar.zst", lambda path: peers.zstd(data, path, bench.threads, size)),
        "cp": peers.fresh(out / "copy", lambda path: peers.cp(data, path, size)),
    }

    def restic(repository: Path) -> Found:
        first = peers.restic(data, repository, size, create=True)
        place.upload(data)
        found["second"] = place.upload(data)
        found["restic_second"] = peers.restic(data, repository, size, create=False)
        return first

    found["restic"] = peers.fresh(out / "restic", restic)
    with peers.served(bench, "served", data) as server:
        found["mydumper"] = peers.fresh(out / "dump", lambda path: peers.mydumper(server, path, bench.threads, size))
    outcomes = []
    for ours, theirs, title, target in (
        ("upload", "restic", "first upload against restic", 1.0),
        ("upload", "mydumper", "first upload against mydumper --compress", 1.0),
        ("upload", "zstd", "first upload against tar and zstd -1, unsealed", 1.0),
        ("upload", "cp", "first upload against cp, the floor", 0.0),
        ("second", "restic_second", "second upload (hashes everything) against restic's (believes times)", 0.0),
    ):
        outcomes.append(
            Outcome(
                "upload-peers",
                title,
                found[theirs]["seconds"] / found[ours]["seconds"],
                target,
                "more",
                parts={
                    "ours_mb_per_second": found[ours]["mb_per_second"],
                    "theirs_mb_per_second": found[theirs]["mb_per_second"],
                    "ours_cpu_seconds": found[ours]["cpu_seconds"],
                    "theirs_cpu_seconds": found[theirs]["cpu_seconds"],
                },
            )
        )
    return outcomes
