"""A figure: a ratio within one run, what it should reach, and what it was made of."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from benchmarks.child import Found, measured
from benchmarks.dataset import Datasets, content
from tidemark.repository import MasterKey


@dataclass(frozen=True, slots=True)
class Outcome:
    """One line of the table."""

    figure: str
    """The command that measures it: ``python -m benchmarks FIGURE``."""
    title: str
    value: float
    target: float
    better: Literal["more", "less"]
    """Whether more than the target is better, or less."""
    unit: str = "x"
    parts: Mapping[str, float] = field(default_factory=dict)
    """What it was computed from: seconds, MB/s and so on, as the names say."""
    note: str = ""

    @property
    def met(self) -> bool:
        return self.value >= self.target if self.better == "more" else self.value <= self.target


@dataclass(frozen=True, slots=True)
class Bench:
    """What every figure is given."""

    datasets: Datasets
    work: Path
    """A folder that is empty at first; every figure works in one of its own below it."""
    threads: int
    rounds: int
    """How often everything is measured, in turn; the best of each counts, so that a passing load on the machine
    spoils no ratio."""
    transactions: int = 30_000
    """To catch up with: sysbench's oltp_write_only, four statements each."""

    def folder(self, name: str) -> Path:
        """A new, empty folder."""
        folder = self.work / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def best(self, **works: Callable[[], Found]) -> dict[str, Found]:
        """Each work once a round, one after the other; of each the quickest."""
        best: dict[str, Found] = {}
        for _ in range(self.rounds):
            for name, work in works.items():
                os.sync()  # what the one before has written is not for this one to wait for
                found = work()
                if name not in best or found["seconds"] < best[name]["seconds"]:
                    best[name] = found
        return best


@dataclass(frozen=True, slots=True)
class Place:
    """A repository that is being measured, with a key of its own."""

    folder: Path
    threads: int
    url: str = ""
    endpoint_url: str | None = None

    def orders(self, data: Path, **more: object) -> dict[str, object]:
        key = self.folder / "key"
        if not key.exists():
            MasterKey.generate().write(key)
        url = self.url or (self.folder / "repository").as_uri()
        return {
            "folder": data,
            "url": url,
            "endpoint_url": self.endpoint_url,
            "key": key,
            "threads": self.threads,
            **more,
        }

    def upload(self, data: Path) -> Found:
        """One more backup."""
        return measured("upload", **self.orders(data))

    def restore(self, data: Path, *, delta: bool = False, durable: bool = False, keep: bool = False) -> Found:
        """The newest backup into a new folder, or with ``delta`` into the one that was kept."""
        target = self.folder / "restored"
        if not delta:
            shutil.rmtree(target, ignore_errors=True)
        try:
            return measured("restore", **self.orders(data, target=target, delta=delta, durable=durable))
        finally:
            if not keep:
                shutil.rmtree(target, ignore_errors=True)


def fresh_upload(bench: Bench, name: str, data: Path) -> Found:
    """A first backup into a repository that is thrown away."""
    folder = bench.folder(name)
    try:
        return Place(folder, bench.threads).upload(data)
    finally:
        shutil.rmtree(folder)


def size_of(data: Path) -> int:
    """Bytes of the files that a backup of the folder holds."""
    return sum((data / file).stat().st_size for file in content(data)[0])


def warm(data: Path) -> None:
    """Reads everything once: figures are measured with the files in the page cache."""
    for file in content(data)[0]:
        with (data / file).open("rb", buffering=0) as stream:
            while stream.read(4 << 20):
                pass
