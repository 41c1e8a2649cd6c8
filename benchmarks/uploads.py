"""Uploads: the first one against what a user would run instead and against the machine, and the second one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import zstandard

from benchmarks import peers
from benchmarks.child import Found, measured
from benchmarks.dataset import content
from benchmarks.figure import Bench, Outcome, Place, fresh_upload, size_of, warm
from benchmarks.floors import BLOCK, WINDOW


def upload_first(bench: Bench) -> list[Outcome]:
    """The first upload against ``mariadb-backup | zstd | openssl``."""
    data = bench.datasets.eight()
    size, out = size_of(data), bench.folder("stream")
    with peers.served(bench, "served", data) as server:
        warm(data)
        best = bench.best(
            upload=lambda: fresh_upload(bench, "first", data),
            pipeline=lambda: peers.fresh(
                out / "stream", lambda path: peers.mariadb_backup(server, path, bench.threads, size)
            ),
        )
    ours, theirs = best["upload"], best["pipeline"]
    title = "first upload against mariadb-backup, zstd -1, openssl enc"
    stored = {"upload_stored_ratio": ours["stored"] / size, "pipeline_stored_ratio": theirs["stored"] / size}
    return [_against("upload-first", title, 2.0, upload=ours, pipeline=theirs, more=stored)]


def upload_limit(bench: Bench) -> list[Outcome]:
    """The first upload against hashing, compressing and sealing the same bytes in memory."""
    data = bench.datasets.eight()
    warm(data)
    best = bench.best(
        limit=lambda: measured("seal", folder=data, threads=bench.threads),
        upload=lambda: fresh_upload(bench, "first", data),
    )
    peak = {"upload_peak_mb": best["upload"]["peak_mb"]}
    return [_against("upload-limit", "first upload against the in-memory limit", 0.85, **best, more=peak)]


def _against(
    figure: str, title: str, target: float, *, upload: Found, more: Mapping[str, float], **other: Found
) -> Outcome:
    """How much more quickly an upload did what one other thing did; ``more`` is what else to tell."""
    ((name, theirs),) = other.items()
    return Outcome(
        figure,
        title,
        theirs["seconds"] / upload["seconds"],
        target,
        "more",
        parts={
            "upload_mb_per_second": upload["mb_per_second"],
            f"{name}_mb_per_second": theirs["mb_per_second"],
            "upload_cpu_seconds": upload["cpu_seconds"],
            f"{name}_cpu_seconds": theirs["cpu_seconds"],
            **more,
        },
    )


def upload_second(bench: Bench) -> list[Outcome]:
    """The second upload of the same bytes against the first."""
    data = bench.datasets.eight()
    warm(data)
    place = Place(bench.folder("second"), bench.threads)
    place.upload(data)
    best = bench.best(
        first=lambda: fresh_upload(bench, "first", data),
        second=lambda: place.upload(data),
        hash=lambda: measured("hash", folder=data, threads=bench.threads),
    )
    first, second, floor = best["first"], best["second"], best["hash"]
    return [
        Outcome(
            "upload-second",
            "second upload, nothing changed, against the first",
            first["seconds"] / second["seconds"],
            7.0,
            "more",
            parts={
                "first_mb_per_second": first["mb_per_second"],
                "second_mb_per_second": second["mb_per_second"],
                "hash_mb_per_second": floor["mb_per_second"],
                "first_cpu_seconds": first["cpu_seconds"],
                "second_cpu_seconds": second["cpu_seconds"],
                "second_stored_bytes": second["stored"],
            },
        )
    ]


def upload_appended(bench: Bench) -> list[Outcome]:
    """What an upload stores after one per cent of rows came to the end of the tables."""
    before, after = bench.datasets.eight(), bench.datasets.appended()
    place = Place(bench.folder("appended"), bench.threads)
    first = place.upload(before)
    second = place.upload(after)
    changed, compressed = changed_blocks(before, after)
    pages, _ = changed_blocks(before, after, size=16384)
    return [
        Outcome(
            "upload-appended",
            "bytes stored after 1 % of rows were appended, of the changed blocks compressed",
            second["stored"] / compressed,
            1.3,
            "less",
            parts={
                "stored_mb": second["stored"] / 1e6,
                "changed_blocks_mb": changed / 1e6,
                "changed_blocks_compressed_mb": compressed / 1e6,
                "changed_pages_mb": pages / 1e6,
                "first_stored_mb": first["stored"] / 1e6,
                "seconds": second["seconds"],
            },
        )
    ]


def changed_blocks(before: Path, after: Path, size: int = BLOCK) -> tuple[int, int]:
    """Bytes of the blocks that differ and are not zeros, and what they compress to in frames of 4 MiB."""
    zstd, changed, compressed = zstandard.ZstdCompressor(level=1), 0, 0
    pending: list[bytes] = []
    for file in content(after)[0]:
        old = before / file
        with (after / file).open("rb") as new, (old if old.exists() else Path(os.devnull)).open("rb") as known:
            while block := new.read(size):
                if block != known.read(size) and any(block):
                    changed += len(block)
                    pending.append(block)
                    if len(pending) * size >= WINDOW:
                        compressed += len(zstd.compress(b"".join(pending)))
                        pending.clear()
    return changed, compressed + len(zstd.compress(b"".join(pending)))
