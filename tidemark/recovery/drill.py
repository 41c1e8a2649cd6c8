"""Drill: restore into scratch, start a server, read everything, and tell how long recovery really takes."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tidemark import files, mysql, wiring
from tidemark.config import RepositorySettings, Settings
from tidemark.disk import locked, scratch_error
from tidemark.errors import RunError
from tidemark.holdings import differences
from tidemark.progress import ProgressCallback, ignore
from tidemark.recovery import restore, staging
from tidemark.repository import Backup, RestoreOptions


@dataclass(frozen=True, slots=True)
class Drilled:
    """What a drill has shown."""

    backup: Backup
    url: str
    """The repository that it came from."""
    restore_seconds: float
    """Until every file was there, every block checked."""
    start_seconds: float
    """Until the server answered."""
    check_seconds: float
    """What ``CHECK TABLE`` took; no part of a recovery."""
    fetched_bytes: int
    """Bytes that came from the repository."""
    tables: int
    """Tables that were checked, the server's own included."""
    problems: tuple[str, ...]
    """Findings, one per line; empty when the backup is good."""

    @property
    def recovery_seconds(self) -> float:
        """From the decision to restore until a server answers."""
        return round(self.restore_seconds + self.start_seconds, 3)


def run(
    settings: Settings,
    shard_name: str,
    *,
    number: int | None = None,
    place: RepositorySettings | None = None,
    progress: ProgressCallback = ignore,
) -> Drilled:
    """Restores a backup (the newest without a number) as an outage would ask for it, checks every table, and removes
    all of it again. Findings are in what it returns; a backup that cannot be restored or started raises."""
    found = restore.find(settings, shard_name, number=number, place=place)
    backup = found.backup
    flavour = wiring.find_flavour(settings, backup.flavour)
    flavour.check_can_open(backup.server_version)
    with _folder(settings, shard_name) as folder:
        where = staging.inspect_target(folder / "data", delta=False)
        staging.check_room(where, found.needed_bytes, f"backup {backup.number} of {shard_name}")
        server = mysql.PrivateServer(flavour, folder, wiring.server_options(settings, backup.variables, backup.bytes))
        began = time.monotonic()
        restored = found.backups.restore(
            backup, server.data, RestoreOptions(threads=settings.node.threads, durable=True), progress=progress
        )
        server.mark_cold()
        complete = time.monotonic()
        server.start(progress)
        answers = time.monotonic()
        stands = server.position()
        lacking = _compare(found, server)
        checked = mysql.check_tables(server, progress)
        ended = time.monotonic()
    problems = (*lacking, *checked.problems)
    if not flavour.reached(stands, backup.position) or not flavour.reached(backup.position, stands):
        problems = (f"the server stands at {stands or '(none)'}, the manifest says {backup.position}", *problems)
    return Drilled(
        backup=backup,
        url=found.url,
        restore_seconds=round(complete - began, 3),
        start_seconds=round(answers - complete, 3),
        check_seconds=round(ended - answers, 3),
        fetched_bytes=restored.fetched_bytes,
        tables=checked.tables,
        problems=problems,
    )


def _compare(found: restore.Found, server: mysql.PrivateServer) -> list[str]:
    """What the server holds other than the manifest says."""
    wanted = found.manifest.body.inventory
    if wanted is None:
        return []
    same = found.backup.server_version == server.flavour.server_version
    return differences(wanted, server.inventory(), same_version=same)


@contextlib.contextmanager
def _folder(settings: Settings, shard_name: str) -> Iterator[Path]:
    """A folder for this shard's drill alone. What a killed one has left is removed first, and all of it at the end."""
    folder = settings.node.scratch / "drills" / shard_name
    with contextlib.ExitStack() as stack:
        try:
            files.make_private(folder)
            stack.enter_context(locked(folder))
        except BlockingIOError:
            raise RunError(f"another drill of {shard_name} is running on this machine", "wait for it") from None
        except OSError as error:
            raise scratch_error(settings.node.scratch, error) from error
        _empty(folder)
        try:
            yield folder
        finally:
            _empty(folder)
            with contextlib.suppress(OSError):
                folder.rmdir()


def _empty(folder: Path) -> None:
    mysql.kill_leftover(folder)
    for path in folder.iterdir():
        shutil.rmtree(path)
