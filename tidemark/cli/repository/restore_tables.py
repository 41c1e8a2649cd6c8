"""What ``tidemark restore --tables`` does and prints."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from tidemark.cli.bars import StepBars
from tidemark.cli.output import console, facts, print_json, size, span
from tidemark.config import Settings
from tidemark.mysql import TablePatterns
from tidemark.recovery import tables
from tidemark.recovery.restore import Found
from tidemark.recovery.tables import TablesOut

_NOT_THERE = (
    "Not on a primary that has replicas or is backed up: they get these statements, not the files. Give the tables a "
    "server of their own, and copy their rows to the primary (mysqldump | mysql)."
)


def show(settings: Settings, found: Found, target: Path, wanted: TablePatterns, *, as_json: bool) -> None:
    """Brings the tables out and says how they are imported."""
    with StepBars() as bars:
        done = tables.run(settings, found, target, wanted, progress=bars.step("restore"))
        bars.finish("restore", done.seconds, f"{len(done.exported.names)} tables, {size(done.fetched_bytes)} fetched")
    if as_json:
        print_json(
            {
                "shard": found.backups.name,
                "number": done.backup.number,
                "from": done.url,
                "position": done.backup.position,
                "folder": str(done.folder),
                "tables": done.exported.names,
                "left_out": [dataclasses.asdict(table) for table in done.exported.left_out],
                "notes": done.exported.notes,
                "fetched_bytes": done.fetched_bytes,
                "seconds": done.seconds,
            }
        )
        return
    _print(found.backups.name, done)


def _print(shard: str, done: TablesOut) -> None:
    exported, backup = done.exported, done.backup
    for table in exported.left_out:
        console.print(f"Left out: {table.name} {table.reason}.", soft_wrap=True, markup=False)
    for note in exported.notes:
        console.print(f"Note: {note}.", soft_wrap=True, markup=False)
    folder = done.folder
    facts.print(
        f"{shard}: {len(exported.names)} tables of backup {backup.number} are in {folder}, {span(done.seconds)}; "
        f"{size(done.fetched_bytes)} were fetched from {done.url}.\n"
        f"They are as they were at position {backup.position or '(none)'}. To import them into a running server of "
        f"{backup.flavour} {backup.server_version} (or its series), where DATADIR is what SELECT @@datadir says:\n"
        f"  1. make the tables, without their content: mysql < {folder / tables.CREATE}\n"
        "     (a table that is there already is not replaced: rename or drop it first)\n"
        f"  2. put their files in place: cp -r {folder / tables.FILES}/. DATADIR && chown -R mysql: DATADIR\n"
        f"  3. import them: mysql < {folder / tables.IMPORT}\n" + _NOT_THERE,
        soft_wrap=True,
        markup=False,
    )
