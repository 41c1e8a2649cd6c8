"""Restores: against the machine, by delta, and of one large table."""

from __future__ import annotations

import shutil

from benchmarks.child import Found, measured
from benchmarks.figure import Bench, Outcome, Place, fresh_upload, warm


def restore_limit(bench: Bench) -> list[Outcome]:
    """A restore against decrypting and decompressing in memory, or writing, whichever is slower."""
    data = bench.datasets.eight()
    place = Place(bench.folder("restore"), bench.threads)
    place.upload(data)
    scratch = bench.folder("write")

    def write(*, sync: bool) -> dict[str, float]:
        target = scratch / "files"
        try:
            return measured("write", folder=data, threads=bench.threads, target=target, sync=sync)
        finally:
            shutil.rmtree(target, ignore_errors=True)

    best = bench.best(
        open=lambda: measured("open", folder=data, threads=bench.threads),
        write=lambda: write(sync=False),
        restore=lambda: place.restore(data),
        write_synced=lambda: write(sync=True),
        restore_synced=lambda: place.restore(data, durable=True),
    )
    parts = {f"{name}_mb_per_second": found["mb_per_second"] for name, found in best.items()}
    parts |= {f"{name}_cpu_seconds": found["cpu_seconds"] for name, found in best.items()}
    limit = max(best["open"]["seconds"], best["write"]["seconds"])
    synced = max(best["open"]["seconds"], best["write_synced"]["seconds"])
    both = best["open"]["cpu_seconds"] + best["write"]["cpu_seconds"]
    return [
        Outcome(
            "restore-limit",
            "a node's restore against the slower of opening in memory and writing",
            limit / best["restore"]["seconds"],
            0.8,
            "more",
            parts=parts | {"cpu_of_both_against_ours": both / best["restore"]["cpu_seconds"]},
            note="writing goes to the page cache, as a node's restore does",
        ),
        Outcome(
            "restore-limit",
            "tidemark restore (synced) against the slower of opening in memory and writing (synced)",
            synced / best["restore_synced"]["seconds"],
            0.8,
            "more",
        ),
    ]


def restore_delta(bench: Bench) -> list[Outcome]:
    """A restore into the folder of the cycle before against a plain one."""
    data = bench.datasets.eight()
    place = Place(bench.folder("delta"), bench.threads)
    place.upload(data)
    kept = place.folder / "kept"
    place.restore(data, keep=True)
    (place.folder / "restored").rename(kept)

    def delta() -> dict[str, float]:
        warm(kept)
        kept.rename(place.folder / "restored")
        try:
            return place.restore(data, delta=True, durable=True, keep=True)
        finally:
            (place.folder / "restored").rename(kept)

    best = bench.best(plain=lambda: place.restore(data, durable=True), delta=delta)
    return [
        Outcome(
            "restore-delta",
            "restore --delta into the previous cycle's folder against a plain restore",
            best["plain"]["seconds"] / best["delta"]["seconds"],
            4.0,
            "more",
            parts={
                "plain_mb_per_second": best["plain"]["mb_per_second"],
                "delta_mb_per_second": best["delta"]["mb_per_second"],
                "plain_cpu_seconds": best["plain"]["cpu_seconds"],
                "delta_cpu_seconds": best["delta"]["cpu_seconds"],
                "delta_fetched_bytes": best["delta"]["fetched"],
            },
        )
    ]


def shape(bench: Bench) -> list[Outcome]:
    """One table with 90 % of the data against eight equal ones, both ways."""
    eight, skewed = bench.datasets.eight(), bench.datasets.skewed()
    for data in (eight, skewed):
        warm(data)
    places = {name: Place(bench.folder(f"shape-{name}"), bench.threads) for name in ("eight", "skewed")}
    places["eight"].upload(eight)
    places["skewed"].upload(skewed)
    best = bench.best(
        up_eight=lambda: fresh_upload(bench, "first", eight),
        up_skewed=lambda: fresh_upload(bench, "first", skewed),
        down_eight=lambda: places["eight"].restore(eight, durable=True),
        down_skewed=lambda: places["skewed"].restore(skewed, durable=True),
    )
    outcomes = []
    for way, title in (("up", "upload"), ("down", "restore")):
        even, one = best[f"{way}_eight"]["mb_per_second"], best[f"{way}_skewed"]["mb_per_second"]
        outcomes.append(
            Outcome(
                "shape",
                f"{title}: one table with 90 % of the data, throughput against eight equal tables",
                one / even,
                0.9,
                "more",
                parts={
                    "eight_mb_per_second": even,
                    "skewed_mb_per_second": one,
                    "eight_cpu_seconds_per_gb": _cpu_per_gb(best[f"{way}_eight"]),
                    "skewed_cpu_seconds_per_gb": _cpu_per_gb(best[f"{way}_skewed"]),
                },
            )
        )
    return outcomes


def _cpu_per_gb(found: Found) -> float:
    return 1000 * float(found["cpu_seconds"]) / float(found["mb"])
