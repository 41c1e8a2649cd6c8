"""Which server opens what which other server has written."""

from __future__ import annotations

import re
from collections.abc import Callable

from tidemark.errors import ServerError

Version = tuple[int, int, int]

VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")

_LONG_TERM = ((5, 7), (8, 0), (8, 4), (9, 7))
"""MySQL's long-term series: each opens what the one before it and all since have written."""


def parse_version(text: str) -> Version:
    """``10.11.19-MariaDB-log`` as ``(10, 11, 19)``. ``ValueError`` when there is no version in it."""
    match = VERSION.search(text)
    if match is None:
        raise ValueError(f'"{text}" is not a version')
    return int(match[1]), int(match[2]), int(match[3])


def mysql_needs(installed: Version, written: Version) -> str:
    """What MySQL to install instead of this one to open what ``written`` has written; empty when it can."""
    series = written[:2]
    # Until 8.0 each release may change the format; since 8.4 a series keeps it.
    if installed[:2] < series or (series <= (8, 0) and installed[:2] == series and installed < written):
        return f"{_text(written)} or newer of the same series"
    latest = next((later for later in _LONG_TERM if later > series), None)
    if latest is not None and installed[:2] > latest:
        return f"{series[0]}.{series[1]} or {latest[0]}.{latest[1]}; from there on upgrade step by step"
    return ""


def mariadb_needs(installed: Version, written: Version) -> str:
    """The same for MariaDB: every newer series opens what an older one has shut down cleanly."""
    return "" if installed[:2] >= written[:2] else f"{written[0]}.{written[1]} or newer"


def check_can_open(product: str, needs: Callable[[Version, Version], str], installed: str, written: str) -> None:
    """Raises ``ServerError`` when the installed server cannot open the data. ``product`` is the flavour as a name."""
    needed = needs(parse_version(installed), parse_version(written))
    if needed:
        raise ServerError(
            f"the installed {product} {installed} cannot open what {product} {written} has written",
            f"install {product} {needed}, and set [node] {product.lower()}_bin to the folder of its programs",
        )


def _text(version: Version) -> str:
    return ".".join(map(str, version))
