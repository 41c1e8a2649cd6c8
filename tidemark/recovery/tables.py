"""Tables: single tables out of a backup, ready to be imported into a running server."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from tidemark import mysql, wiring
from tidemark.config import Settings
from tidemark.progress import ProgressCallback, ignore
from tidemark.recovery import restore, staging
from tidemark.repository import Backup, RestoreOptions

FILES = "files"
"""The folder of the tables' files: its inside goes into a data folder."""
CREATE = "1-create.sql"
IMPORT = "2-import.sql"


@dataclass(frozen=True, slots=True)
class TablesOut:
    """Tables that were brought out of a backup."""

    folder: Path
    """Holds ``files``, ``1-create.sql`` and ``2-import.sql``."""
    backup: Backup
    url: str
    """The repository that it came from."""
    exported: mysql.Exported
    seconds: float
    fetched_bytes: int
    """Bytes that came from the repository: only the server's own files and those tables'."""


def run(
    settings: Settings,
    found: restore.Found,
    target: Path,
    wanted: mysql.TablePatterns,
    *,
    progress: ProgressCallback = ignore,
) -> TablesOut:
    """Brings tables out of a backup that ``restore.find`` has found.

    What is needed is restored beside ``target`` and a private server started on it. Only the tables are left in
    ``target``, which must not exist, or be empty.
    """
    began = time.monotonic()
    backup = found.backup
    flavour = wiring.find_flavour(settings, backup.flavour)
    flavour.check_can_open(backup.server_version)
    where = staging.inspect_target(target, delta=False)
    needed = min(found.needed_bytes, found.manifest.part(wanted.need_file).backup.bytes)
    staging.check_room(where, needed, f"what is needed of backup {backup.number} of {found.backups.name}")
    with staging.working(where) as folder:
        _clear(folder)
        server = mysql.PrivateServer(flavour, folder, wiring.server_options(settings, backup.variables, backup.bytes))
        restored = found.backups.restore(
            backup,
            server.data,
            RestoreOptions(threads=settings.node.threads, reuse=server.data.exists(), only=wanted.need_file),
            progress=progress,
        )
        server.mark_cold()
        try:
            server.start(progress)
            exported = mysql.export_tables(server, wanted, folder / FILES)
        finally:
            mysql.kill_leftover(folder)
        (folder / CREATE).write_text(exported.create_sql, encoding="utf-8")
        (folder / IMPORT).write_text(exported.import_sql, encoding="utf-8")
        shutil.rmtree(server.data)
        _clear(folder, but=(FILES, CREATE, IMPORT))
        staging.put_in_place(where)
    return TablesOut(
        folder=where.target,
        backup=backup,
        url=found.url,
        exported=exported,
        seconds=round(time.monotonic() - began, 3),
        fetched_bytes=restored.fetched_bytes,
    )


def _clear(folder: Path, but: tuple[str, ...] = ("data",)) -> None:
    """What an earlier attempt, or our own server, has left; its data folder is gone on from."""
    for path in folder.iterdir():
        if path.name in but:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
