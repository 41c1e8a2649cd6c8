"""Who has seen what: a browser that asks every two seconds is sent the rows that have changed since."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from tidemark.web.board import Row, Value


class Changes(Value):
    """Rows for one who has seen the others."""

    mark: str
    """To be given with the next question."""
    whole: bool
    """Whether these are all rows: what the browser has besides is gone."""
    rows: tuple[Row, ...]


class Journal:
    """The newest row of every shard, each with the number of its last change. Not for several threads at once."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._epoch = secrets.token_hex(4)  # marks of another process, or from before shards went, say nothing
        self._count = 0
        self._known: dict[str, tuple[int, Row]] = {}

    def update(self, rows: Iterable[Row]) -> None:
        """Takes the rows as they are now."""
        fresh = {row.shard: row for row in rows}
        if list(fresh) != list(self._known):
            self._begin()
        for name, row in fresh.items():
            known = self._known.get(name)
            if known is None or known[1] != row:
                self._count += 1
                self._known[name] = (self._count, row)

    def since(self, mark: str = "") -> Changes:
        """What has changed since the answer that bore ``mark``; everything for a mark that says nothing."""
        epoch, _, count = mark.partition(".")
        known = epoch == self._epoch and count.isdecimal()
        after = int(count) if known else 0
        rows = tuple(row for number, row in self._known.values() if number > after)
        return Changes(mark=f"{self._epoch}.{self._count}", whole=not known, rows=rows)
