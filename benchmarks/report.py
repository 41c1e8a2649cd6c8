"""Puts the figures into ``docs/performance.md``: ``python -m benchmarks.report OUTCOMES.json docs/performance.md``."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

BETWEEN = re.compile(r"(<!-- figures -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> None:
    kept = json.loads(Path(sys.argv[1]).read_text())
    page = Path(sys.argv[2])
    lines = [
        f"Measured on {kept['machine']}.",
        "",
        "| figure | what | ratio | target | met | CPU ratio |",
        "|---|---|---:|---:|---|---:|",
    ]
    lines += [_line(outcome) for outcome in kept["outcomes"]]
    text = "\n".join(lines) + "\n"
    page.write_text(BETWEEN.sub(lambda match: match[1] + text + match[2], page.read_text()))


def _line(outcome: dict[str, Any]) -> str:
    sign = "≥" if outcome["better"] == "more" else "≤"
    target, met = (
        (f"{sign} {outcome['target']:g}", "yes" if outcome["met"] else "**no**") if outcome["target"] else ("", "")
    )
    unit = "" if outcome["unit"] == "x" else f" {outcome['unit']}"
    cpu = _cpu(outcome["parts"])
    return (
        f"| `{outcome['figure']}` | {_what(outcome)} | {outcome['value']:.3g}{unit} | {target} | {met} | "
        f"{'' if cpu is None else f'{cpu:.3g}'} |"
    )


_PAIRS = (
    ("pipeline", "upload"),
    ("limit", "upload"),
    ("first", "second"),
    ("plain", "delta"),
    ("file", "s3"),
    ("theirs", "ours"),
)


def _what(outcome: dict[str, Any]) -> str:
    return f"{outcome['title']} ({outcome['note']})" if outcome["note"] else str(outcome["title"])


def _cpu(parts: dict[str, float]) -> float | None:
    """The same ratio in CPU seconds, which other work on the machine does not disturb."""
    for theirs, ours in _PAIRS:
        if {f"{theirs}_cpu_seconds", f"{ours}_cpu_seconds"} <= parts.keys():
            return parts[f"{theirs}_cpu_seconds"] / parts[f"{ours}_cpu_seconds"]
    return None


if __name__ == "__main__":
    main()
