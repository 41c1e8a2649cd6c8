"""Plots for ``docs/performance.md``: ``python -m benchmarks.plots OUTCOMES.json FOLDER``.

Needs ``pip install .[plots]``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt
from matplotlib.ticker import NullLocator

MET, MISSED = "#2e7d5b", "#c2553a"


def main() -> None:
    outcomes = json.loads(Path(sys.argv[1]).read_text())["outcomes"]
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    plt.rcParams |= {"svg.hashsalt": "tidemark", "svg.fonttype": "none"}  # the same figures make the same small file
    _targets([o for o in outcomes if o["target"]], folder / "targets.svg")
    _throughput(outcomes, folder / "throughput.svg")


def _targets(outcomes: list[dict[str, Any]], path: Path) -> None:
    """How far beyond its target each figure is; 1 is the target."""
    figure, axes = plt.subplots(figsize=(10, 0.26 * len(outcomes) + 0.8))
    for place, outcome in enumerate(reversed(outcomes)):
        value, target = outcome["value"], outcome["target"]
        reached = value / target if outcome["better"] == "more" else target / value if value > 0 else 10.0
        axes.barh(place, min(reached, 10.0), color=MET if outcome["met"] else MISSED)
        axes.text(min(reached, 10.0), place, f" {value:.3g} {outcome['unit']}", va="center", fontsize=7)
    axes.set_yticks(range(len(outcomes)), [_short(o["title"]) for o in reversed(outcomes)], fontsize=7)
    axes.axvline(1, color="black", linewidth=0.8)
    _logarithmic(axes, [0.25, 0.5, 1, 2, 4, 8])
    axes.set_xlim(0.25, 20)  # room for what is written behind the longest bar
    axes.set_ylim(-0.7, len(outcomes) - 0.3)
    axes.set_xlabel("times the target (the line: exactly on it)", fontsize=8)
    _save(figure, path)


def _throughput(outcomes: list[dict[str, Any]], path: Path) -> None:
    """MB of database files per second, of everything that was measured with the same data."""
    bars: dict[str, float] = {}
    for outcome in outcomes:
        for name, value in outcome["parts"].items():
            if name.endswith("_mb_per_second") and outcome["figure"].startswith(("upload", "restore")):
                other = _short(outcome["title"].partition(" against ")[2])
                label = name.removesuffix("_mb_per_second").replace("_", " ")
                label = {"ours": "", "theirs": other}.get(label, f"{outcome['figure']}: {label}")
                if label:
                    bars[label] = value
    figure, axes = plt.subplots(figsize=(10, 0.26 * len(bars) + 0.8))
    names = sorted(bars, key=lambda name: bars[name])
    axes.barh(names, [bars[name] for name in names], color="#3b6ea5")
    axes.tick_params(labelsize=7)
    axes.set_ylim(-0.7, len(bars) - 0.3)
    _logarithmic(axes, [125, 250, 500, 1000, 2000, 4000])
    axes.set_xlabel("MB/s", fontsize=8)
    _save(figure, path)


def _logarithmic(axes: Any, ticks: list[float]) -> None:
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], fontsize=7)
    axes.xaxis.set_minor_locator(NullLocator())


def _short(text: str) -> str:
    return text if len(text) <= 92 else text[:89] + "..."


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
