"""A row of numbers as a row of little bars."""

from __future__ import annotations

from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"


def line(values: Sequence[float | None]) -> str:
    """One character a value, the least at the bottom and the most at the top; a gap where there is none. All the same
    is a flat line in the middle."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    least, span = min(known), max(known) - min(known)
    if span == 0:
        return "".join(" " if value is None else BARS[3] for value in values)
    top = len(BARS) - 1
    return "".join(" " if value is None else BARS[round((value - least) / span * top)] for value in values)
