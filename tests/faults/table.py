"""The table of ``docs/reliability.md``: written when everything is tried (``make test-faults FULL=1``), and compared
with what there is to try whenever a part is."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
FULL = bool(os.environ.get("FULL"))
BEGIN, END = "<!-- faults: written by make test-faults FULL=1 -->", "<!-- end of faults -->"

NOTES = os.environ.get("FAULTS_NOTES")
"""A file in which several runs of the suite, each with a part of it, note their cases together."""

_tried: dict[tuple[str, str], Counter[str]] = {}


def note(what: str, step: str, end: str) -> None:
    """A case that has recovered."""
    _tried.setdefault((what, step), Counter())[end] += 1
    if NOTES:
        with Path(NOTES).open("a") as stream:
            stream.write(json.dumps([what, step, end]) + "\n")


def done(what: str, step: str) -> int:
    """The cases of this cell that an earlier run of the suite has noted."""
    if not NOTES or not Path(NOTES).exists():
        return 0
    return sum(json.loads(line)[:2] == [what, step] for line in Path(NOTES).read_text().splitlines())


def check(wanted: Mapping[tuple[str, str], int], steps: Sequence[str]) -> None:
    """Writes what was tried into the page when that was everything; otherwise sees to it that the page says as many
    cases as the suite has."""
    if NOTES:
        _tried.clear()
        for what, step, end in map(json.loads, Path(NOTES).read_text().splitlines()):
            _tried.setdefault((what, step), Counter())[end] += 1
    if FULL and {key: ends.total() for key, ends in _tried.items()} == dict(wanted):
        page = PAGE.read_text()
        head, tail = page[: page.index(BEGIN)], page[page.index(END) :]
        PAGE.write_text(f"{head}{BEGIN}\n{render(wanted, steps)}\n{tail}")
    assert not FULL or {k: v.total() for k, v in _tried.items()} == dict(wanted), "not everything was tried"
    assert read(steps) == dict(wanted), "docs/reliability.md tells of other cases: run make test-faults FULL=1"


def render(wanted: Mapping[tuple[str, str], int], steps: Sequence[str]) -> str:
    """One row for what dies or breaks, one column a step; a cell is the number of points, and in brackets that of runs
    that failed and were done again."""
    lines = [f"| what dies or breaks | {' | '.join(steps)} |", "|---" * (len(steps) + 1) + "|"]
    for what in dict.fromkeys(what for what, _ in wanted):
        cells = [_cell(_tried.get((what, step), Counter())) for step in steps]
        lines.append(f"| {what} | {' | '.join(cells)} |")
    total = sum(ends.total() for ends in _tried.values())
    lines.append(f"| all {total} |" + " |" * len(steps))
    return "\n".join(lines)


def _cell(ends: Counter[str]) -> str:
    again = ends.total() - ends["SUCCESS"]
    return f"{ends.total()}{f' ({again})' if again else ''}" if ends else "-"


def read(steps: Sequence[str]) -> dict[tuple[str, str], int]:
    """The numbers of cases that the page tells of."""
    page = PAGE.read_text()
    found = {}
    for line in page[page.index(BEGIN) : page.index(END)].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        for step, cell in zip(steps, cells[1:], strict=False):
            if number := re.fullmatch(r"(\d+)(?: \(\d+\))?", cell):
                found[cells[0], step] = int(number[1])
    return found
