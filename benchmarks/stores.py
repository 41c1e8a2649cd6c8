"""S3 over HTTP on loopback against a folder, both ways; and the memory that an upload and a restore take."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from benchmarks.child import Found, measured
from benchmarks.dataset import content
from benchmarks.figure import Bench, Outcome, Place, fresh_upload, warm
from sandbox.object_servers import ACCESS_KEY, REGION, SECRET_KEY, VersityGateway


def s3(bench: Bench) -> list[Outcome]:
    """S3 (versitygw on loopback) against the file store."""
    program = shutil.which("versitygw")
    assert program, "it is looked for before anything is measured"
    data = bench.datasets.eight()
    warm(data)
    os.environ |= {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": REGION,
    }
    files = Place(bench.folder("files"), bench.threads)
    with VersityGateway(bench.folder("gateway"), Path(program)) as server:
        counter = iter(range(1000))

        def upload() -> Found:
            bucket = f"bench{next(counter)}"
            server.make_bucket(bucket)
            place = Place(bench.folder(bucket), bench.threads, f"s3://{bucket}/r", server.url)
            found = place.upload(data)
            shutil.rmtree(server.folder / "objects" / bucket)
            return found

        server.make_bucket("restore")
        objects = Place(bench.folder("s3"), bench.threads, "s3://restore/r", server.url)
        objects.upload(data)
        files.upload(data)
        best = bench.best(
            file_up=lambda: fresh_upload(bench, "first", data),
            s3_up=upload,
            file_down=lambda: files.restore(data, durable=True),
            s3_down=lambda: objects.restore(data, durable=True),
        )
    return [
        Outcome(
            "s3",
            f"S3 over HTTP on loopback against the file store, {title}",
            best[f"file_{way}"]["seconds"] / best[f"s3_{way}"]["seconds"],
            0.7,
            "more",
            parts={
                "file_mb_per_second": best[f"file_{way}"]["mb_per_second"],
                "s3_mb_per_second": best[f"s3_{way}"]["mb_per_second"],
                "file_cpu_seconds": best[f"file_{way}"]["cpu_seconds"],
                "s3_cpu_seconds": best[f"s3_{way}"]["cpu_seconds"],
            },
            note="the gateway takes its share of the same processors",
        )
        for way, title in (("up", "upload"), ("down", "restore"))
    ]


def memory(bench: Bench) -> list[Outcome]:
    """The peak of memory with the data and with four times as much."""
    small = bench.datasets.eight()
    large = _four_times(small, bench.folder("large"))
    peaks: dict[str, float] = {}
    for name, data in (("small", small), ("large", large)):
        place = Place(bench.folder(f"memory-{name}"), bench.threads)
        up, down = place.upload(data), place.restore(data)
        peaks |= {f"{name}_upload_mb": up["peak_mb"], f"{name}_restore_mb": down["peak_mb"], f"{name}_mb": up["mb"]}
        shutil.rmtree(place.folder)
    most = max(value for name, value in peaks.items() if name.endswith(("upload_mb", "restore_mb")))
    apart = [max(peaks[f"{n}_upload_mb"], peaks[f"{n}_restore_mb"]) for n in ("small", "large")]
    return [
        Outcome("memory", "peak memory of a run beside its server, MB", most, 400, "less", unit="MB", parts=peaks),
        Outcome("memory", "that peak with four times the data", apart[1] / apart[0], 1.1, "less"),
    ]


def _four_times(data: Path, folder: Path) -> Path:
    """The data folder's files four times over, as links: they take no room, and every byte is read all the same."""
    files, _ = content(data)
    for number in range(4):
        for file in files:
            target = folder / f"copy{number}" / file if number else folder / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.hardlink_to(data / file)
    return folder


def cycle_cpu(bench: Bench) -> list[Outcome]:
    """CPU seconds of a cycle in which nothing changed, on a kept folder, against hashing everything twice."""
    data = bench.datasets.eight()
    warm(data)
    place = Place(bench.folder("cycle"), bench.threads)
    place.upload(data)
    place.restore(data, keep=True)
    best = bench.best(
        hash=lambda: measured("hash", folder=data, threads=bench.threads),
        restore=lambda: place.restore(data, delta=True, keep=True),
        upload=lambda: place.upload(data),
    )
    ours = best["restore"]["cpu_seconds"] + best["upload"]["cpu_seconds"]
    twice = 2 * best["hash"]["cpu_seconds"]
    gigabytes = best["hash"]["mb"] / 1000
    return [
        Outcome(
            "cycle-cpu",
            "CPU seconds of a whole cycle (kept folder, unchanged data) against hashing it twice",
            ours / twice,
            1.5,
            "less",
            parts={
                "cycle_cpu_seconds_per_gb": ours / gigabytes,
                "hash_twice_cpu_seconds_per_gb": twice / gigabytes,
                "restore_cpu_seconds": best["restore"]["cpu_seconds"],
                "upload_cpu_seconds": best["upload"]["cpu_seconds"],
            },
            note="restore and upload; the server in between has nothing to do",
        )
    ]
