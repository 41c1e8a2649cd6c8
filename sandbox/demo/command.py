"""The demo's arguments and its folder."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from sandbox.demo import show
from sandbox.primary import programs_found
from sandbox.processes import ProcessFailed
from tidemark.errors import TidemarkError


def main() -> int:
    """Runs the demo: 0 when all went well, 1 when not, 2 when it was called wrongly."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.demo", description=__doc__)
    parser.add_argument("--folder", type=Path, help="work here and leave everything for a look (a new or empty folder)")
    parser.add_argument("--megabytes", type=int, default=40, help="rows on each primary at the start (default: 40)")
    parser.add_argument("--every", type=int, default=40, help="seconds of a cycle, about (default: 40)")
    parser.add_argument("--no-mysql", action="store_true", help="MariaDB only, also when MySQL's programs are here")
    arguments = parser.parse_args()
    if not programs_found("mariadb"):
        sys.stderr.write("Error: MariaDB's programs are missing\nHINT: make setup installs them\n")
        return 1
    folder: Path | None = arguments.folder
    if folder is not None:
        folder = folder.absolute()
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            sys.stderr.write(f"Error: {folder} is not an empty folder\n")
            return 2
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _run(folder, arguments)
    with tempfile.TemporaryDirectory(prefix="tidemark-demo-", ignore_cleanup_errors=True) as temporary:
        return _run(Path(temporary), arguments)


def _run(folder: Path, arguments: argparse.Namespace) -> int:
    try:
        with_mysql = not arguments.no_mysql and programs_found("mysql")
        good = show.run(folder, megabytes=arguments.megabytes, every=arguments.every, with_mysql=with_mysql)
    except (ProcessFailed, TidemarkError) as error:
        sys.stderr.write(f"\nError: {error}\n")
        if arguments.folder:
            sys.stderr.write(f"HINT: {folder}/logs has what the processes said\n")
        else:
            sys.stderr.write("HINT: with --folder DIR everything stays there for a look\n")
        return 1
    return 0 if good else 1
