"""What a server's error log says that a person, or the next step, needs to know."""

from __future__ import annotations

import re
from pathlib import Path

_TAIL = 256 * 1024
"""Bytes read from the log's end at most."""
_INTERESTING = re.compile(r"\[ERROR\]|\[FATAL\]|got signal|Assertion|terminate|Out of memory|No space left", re.I)
_DECORATION = re.compile(r"^\S+\s+(\d+:\d\d:\d\d\s+)?\d+\s+(\[[^]]*\]\s+)*")
"""Time, thread, level, number and subsystem at a line's beginning."""
_CLEAN = re.compile(r"mysqld: Shutdown complete|mariadbd: Shutdown complete|\bShutdown complete\b")


class ErrorLog:
    """One server's log, from a mark on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mark = 0

    def mark(self) -> None:
        """What follows belongs to the present start or stop."""
        self._mark = self._size()

    def lines(self) -> list[str]:
        """What has been written since the mark, as far as it is worth reading."""
        try:
            with self._path.open("rb") as stream:
                stream.seek(max(self._mark, self._size() - _TAIL))
                return stream.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return []

    def last_line(self) -> str:
        """The newest line without its time stamp."""
        lines = self.lines()
        return _DECORATION.sub("", lines[-1])[:200] if lines else ""

    def says_clean_shutdown(self) -> bool:
        """Whether the server has reported, since the mark, that it has shut down completely."""
        return any(_CLEAN.search(line) for line in self.lines())

    def complains(self, console: Path) -> bool:
        """Whether the server, or what came to be none, has said what is wrong since the mark. One that is killed from
        outside has no time to."""
        lines = self.lines()
        return any(_INTERESTING.search(line) for line in lines) if lines else bool(_read(console))

    def explain(self, console: Path) -> str:
        """The lines that tell what went wrong: errors, else the last ones; from the console when the log is empty."""
        lines = self.lines() or _read(console)
        interesting = [line for line in lines if _INTERESTING.search(line)]
        return "\n".join((interesting or lines)[-8:]) or "(its log is empty)"

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError:
            return 0


def _read(path: Path) -> list[str]:
    try:
        return path.read_bytes()[-_TAIL:].decode("utf-8", "replace").splitlines()
    except OSError:
        return []
