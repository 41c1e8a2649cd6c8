"""What long work says while it runs, and what may end it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from tidemark.disk import megabytes


@dataclass(frozen=True, slots=True)
class Progress:
    """A moment of a step. Speeds and ETAs are for whoever shows it to work out."""

    phase: str
    """What is being done, in a few words: ``restoring``, ``waiting for the server``, ``replicating``."""
    done: int
    """How much is done, in ``unit``; never goes down within a phase."""
    total: int | None
    """How much there is to do, in ``unit``; None while that is unknown."""
    unit: str
    """``B`` (bytes of database files), ``transactions`` or ``seconds``."""
    detail: str = ""
    """Anything else worth seeing, e.g. ``3 s behind``."""


ProgressCallback = Callable[[Progress], None]
"""Called from any thread, a few times a second at most; it must be quick and must not raise."""


def ignore(progress: Progress) -> None:
    """The callback of those who do not watch."""


Guard = Callable[[], None]
"""Raises to end work that is not wanted any more, e.g. ``LeaseLost``; asked at safe points and before a commit."""


def always() -> None:
    """The guard of work that nobody ends."""


def showing_rate(rate: int | None, key: str, progress: ProgressCallback) -> ProgressCallback:
    """Says what slows work down on purpose, so that nobody looks for another reason. ``rate`` is in bytes per second,
    None for none; ``key`` names its setting."""
    if rate is None:
        return progress

    def tell(moment: Progress) -> None:
        said = f"at most {megabytes(rate)}/s ({key})"
        progress(dataclasses.replace(moment, detail=f"{moment.detail}, {said}" if moment.detail else said))

    return tell


def span(seconds: float) -> str:
    """``93784`` as ``1 d 2 h``: the largest unit, and what is left in the next one."""
    left = int(seconds)
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    place = next((place for place, (_, length) in enumerate(units) if left >= length), len(units) - 1)
    parts: list[str] = []
    for unit, length in units[place : place + 2]:
        if left >= length or not parts:
            parts.append(f"{left // length} {unit}")
        left %= length
    return " ".join(parts)
