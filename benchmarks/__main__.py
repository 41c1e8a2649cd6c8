"""``python -m benchmarks [FIGURE ...]``: measures figures and says which reach their target.

Every figure is a ratio within one run, on real InnoDB data that is made once and kept in the folder of ``--data``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks import fleets, others, restores, servers, stores, uploads
from benchmarks.dataset import ROWS, Datasets
from benchmarks.figure import Bench, Outcome
from sandbox.programs import find_programs

FIGURES: dict[str, Callable[[Bench], list[Outcome]]] = {
    "upload-first": uploads.upload_first,
    "upload-peers": others.upload_peers,
    "upload-limit": uploads.upload_limit,
    "upload-second": uploads.upload_second,
    "upload-appended": uploads.upload_appended,
    "restore-limit": restores.restore_limit,
    "restore-delta": restores.restore_delta,
    "shape": restores.shape,
    "memory": stores.memory,
    "catchup-mariadb": servers.catchup_mariadb,
    "catchup-mysql": servers.catchup_mysql,
    "idle": servers.idle,
    "s3": stores.s3,
    "chain": fleets.chain,
    "emission": fleets.emission,
    "cycle-cpu": stores.cycle_cpu,
}

NEEDS = {
    "upload-first": ("mariadb-backup", "zstd", "openssl"),
    "upload-peers": ("mydumper", "restic", "zstd"),
    "catchup-mariadb": ("sysbench",),
    "catchup-mysql": ("sysbench", "mysqld"),
    "idle": ("mysqld",),
    "s3": ("versitygw",),
}
"""Programs that a figure needs beside Tidemark's own; most need sysbench as well, to make the data."""
WITHOUT_DATA = {"idle", "chain", "emission"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("figure", nargs="*", help="what to measure; everything without one")
    parser.add_argument("--list", action="store_true", help="tell what there is to measure")
    parser.add_argument("--data", type=Path, help="where the data is kept; without it, made for this call alone")
    parser.add_argument("--work", type=Path, help="where to work; with room for four times the data")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of each of the eight tables; a million make 2 GB")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured; the best counts")
    parser.add_argument("--transactions", type=int, default=30_000, help="how many a catch-up has to apply")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="a file that gets the outcomes; those of other figures in it stay")
    given = parser.parse_args()
    if given.list:
        for name, measure in FIGURES.items():
            print(f"{name:16} {(measure.__doc__ or '').strip().splitlines()[0]}")
        return
    if unknown := set(given.figure) - FIGURES.keys():
        parser.error(f"there is no figure {', '.join(sorted(unknown))}; --list tells what there is")
    complain_of_missing(given)
    show(measure_all(given))


def complain_of_missing(given: argparse.Namespace) -> None:
    """Ends before anything is measured when a program is missing: not after ten minutes."""
    made = given.data and (given.data / f"eight-{given.rows}").exists()
    lines = []
    for figure in given.figure or FIGURES:
        needed = set(NEEDS.get(figure, ())) | (set() if made or figure in WITHOUT_DATA else {"sysbench"})
        if missing := sorted(program for program in needed if not there(program)):
            lines.append(f"  {figure} needs {', '.join(missing)}")
    if lines:
        raise SystemExit(
            "Programs are missing:\n"
            + "\n".join(lines)
            + "\nHINT: apt-get install sysbench mariadb-backup mydumper restic zstd openssl; versitygw is a server for "
            "tests (go install github.com/versity/versitygw/cmd/versitygw@latest); or name only other figures (--list)"
        )


def there(program: str) -> bool:
    """Whether a program can be found."""
    return bool(find_programs("mysql") if program == "mysqld" else shutil.which(program))


def measure_all(given: argparse.Namespace) -> list[Outcome]:
    outcomes: list[Outcome] = []
    work = Path(tempfile.mkdtemp(prefix="tidemark-bench-", dir=given.work))
    try:
        datasets = Datasets(given.data or work / "datasets", given.rows)
        for name in given.figure or FIGURES:
            print(f"measuring {name}", file=sys.stderr, flush=True)
            folder = work / name
            found = FIGURES[name](Bench(datasets, folder, given.threads, given.rounds, given.transactions))
            shutil.rmtree(folder, ignore_errors=True)
            outcomes += found
            if given.json:
                keep(given.json, found, given)  # at once: what comes next may take an hour, or fail
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return outcomes


def keep(path: Path, outcomes: Sequence[Outcome], given: argparse.Namespace) -> None:
    """Puts the outcomes into the file, in place of older ones of the same figures."""
    before: list[dict[str, Any]] = json.loads(path.read_text())["outcomes"] if path.exists() else []
    measured = {outcome.figure for outcome in outcomes}
    at = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    made = [
        asdict(outcome)
        | {"value": _round(outcome.value), "met": outcome.met, "measured": at, "rounds": given.rounds}
        | {"parts": {name: _round(value) for name, value in outcome.parts.items()}}
        for outcome in outcomes
    ]
    order = list(FIGURES)
    kept = [outcome for outcome in before if outcome["figure"] not in measured]
    merged = sorted(kept + made, key=lambda outcome: order.index(outcome["figure"]))
    path.write_text(json.dumps({"machine": machine(), "outcomes": merged}, indent=2) + "\n")


def machine() -> str:
    """The machine in a few words."""
    names = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{len(names)} x {names[0] if names else platform.machine()}, {memory:.0f} GB, Linux {platform.release()}"


def _round(value: float) -> float:
    return float(f"{value:.4g}")


def show(outcomes: Sequence[Outcome]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in ("figure", "what", "value", "target", "met"):
        table.add_column(column, overflow="fold", justify="right" if column in {"value", "target"} else "left")
    for outcome in outcomes:
        sign = "≥" if outcome.better == "more" else "≤"
        parts = ", ".join(f"{name.replace('_', ' ')} {_round(value):,g}" for name, value in outcome.parts.items())
        table.add_row(
            outcome.figure,
            outcome.title + (f"\n[dim]{parts}[/dim]" if parts else ""),
            f"{outcome.value:.3g} {outcome.unit}",
            f"{sign} {outcome.target:g}",
            "[green]yes[/green]" if outcome.met else "[red]no[/red]",
        )
    Console(width=None if sys.stdout.isatty() else 150, highlight=False).print(table)


if __name__ == "__main__":
    main()
