"""Copies packs from one store to another: many at a time, within a budget of memory, each checked by its size."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tidemark.errors import Damaged, ObjectExists, ObjectMissing
from tidemark.repository.threads.crew import Crew
from tidemark.repository.threads.limits import Limits
from tidemark.repository.threads.meter import Meter
from tidemark.storage import ObjectInfo, Store

BUDGET = 256 << 20
"""Bytes of packs in memory at most; a pack that is larger goes alone."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied."""

    packs: int
    bytes: int


class PackCopier:
    """Copies packs that the target lacks. Remembers what is there, so that nothing is copied twice."""

    def __init__(
        self,
        source: Store,
        target: Store,
        there: Iterable[ObjectInfo],
        *,
        budget: int = BUDGET,
        limits: Limits | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._source = source
        self._target = target
        self._there = {info.name: info.size for info in there}
        self._budget = budget
        self.copied = Copied(0, 0)
        """All that was copied so far."""

    def missing(self, packs: Iterable[ObjectInfo]) -> list[ObjectInfo]:
        """Those that the target does not have in their full size, each once."""
        wanted = {pack.name: pack for pack in packs if self._there.get(pack.name) != pack.size}
        return list(wanted.values())

    def copy(self, packs: Sequence[ObjectInfo], *, threads: int, meter: Meter) -> None:
        """Returns when all of them are there. Raises ``ObjectMissing`` for one that the source does not have,
        ``Damaged`` for one that has another size than it should, and the errors of both stores."""
        crew = Crew(stall_timeout=self._limits.stall_timeout, what=f"copying to {self._target.url}")
        work = _Work(crew, packs, self._budget)

        def loop() -> None:
            while (pack := work.take()) is not None:
                try:
                    self._limits.rate.take(pack.size, crew.check_waiting)
                    self._copy(pack)
                finally:
                    work.give_back(pack)
                crew.touch()
                meter.add(pack.size)

        crew.run(min(threads, len(packs)), loop, "mirror")
        crew.reraise()
        self.copied = Copied(self.copied.packs + len(packs), self.copied.bytes + sum(pack.size for pack in packs))
        self._there |= {pack.name: pack.size for pack in packs}

    def _copy(self, pack: ObjectInfo) -> None:
        content = self._source.get(pack.name)
        if len(content) != pack.size:
            raise Damaged(f"{pack.name} in {self._source.url} has {len(content)} bytes instead of {pack.size}")
        if pack.name in self._there:
            self._target.put(pack.name, [content])  # there, but cut off
        else:
            with contextlib.suppress(ObjectExists):  # somebody else mirrors at the same time
                self._target.put_if_absent(pack.name, [content])
        try:
            size = self._target.stat(pack.name).size
        except ObjectMissing:
            raise Damaged(f"{pack.name} was written to {self._target.url} and is not there") from None
        if size != pack.size:
            raise Damaged(f"{pack.name} in {self._target.url} has {size} bytes instead of {pack.size}")


class _Work:
    """Hands out packs as the budget allows."""

    def __init__(self, crew: Crew, packs: Sequence[ObjectInfo], budget: int) -> None:
        self.crew = crew
        self._left: Iterator[ObjectInfo] = iter(packs)
        self._next = next(self._left, None)
        self._budget = budget
        self._taken = 0

    def take(self) -> ObjectInfo | None:
        """The next pack, once there is room for it; None when there are no more."""
        with self.crew.changed:
            while True:
                self.crew.check()
                pack = self._next
                if pack is None:
                    return None
                if self._taken == 0 or self._taken + pack.size <= self._budget:
                    self._taken += pack.size
                    self._next = next(self._left, None)
                    return pack
                self.crew.changed.wait()

    def give_back(self, pack: ObjectInfo) -> None:
        """Its bytes are not in memory any more."""
        with self.crew.changed:
            self._taken -= pack.size
            self.crew.changed.notify_all()
