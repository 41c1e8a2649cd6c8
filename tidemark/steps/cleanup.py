"""After a run, however it ended: no server, no folder, no packs that nobody refers to."""

from __future__ import annotations

import logging
import shutil
import time
from pathlib import Path

from tidemark import mysql, wiring
from tidemark.config import Settings
from tidemark.errors import RunError, TidemarkError
from tidemark.mysql import process
from tidemark.steps.run import RunOnDisk, read_run, runs_folder

log = logging.getLogger(__name__)

UNREADABLE = 3600.0
"""Seconds after which a folder that says nothing of its run is taken for what a killed process left."""


def run(folder: Path) -> None:
    """Stops the run's server if it still lives and removes the folder. Does nothing when both are gone."""
    if mysql.kill_leftover(folder):
        log.info("stopped the private server in %s", folder)
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        raise RunError(f"{folder} cannot be removed", "see who owns the files in it, and remove it by hand")


def discard(settings: Settings, shard_name: str, run_id: str) -> None:
    """Deletes what a failed run has stored; a run that has committed its backup keeps everything. Such packs are
    rubbish, not harm: what cannot be deleted now is pruned later."""
    try:
        wiring.open_repository(settings).shard(shard_name).discard_run(run_id)
    except TidemarkError as error:
        log.warning("%s: the packs of run %s stay until they are pruned: %s", shard_name, run_id, error)


def runs_on_disk(settings: Settings) -> list[tuple[Path, RunOnDisk | None]]:
    """Every folder below the scratch folder's ``runs`` with what it says of its run; None when it says nothing."""
    folder = runs_folder(settings)
    found: list[tuple[Path, RunOnDisk | None]] = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            found.append((path, read_run(path)))
        except RunError:
            found.append((path, None))
    return found


def clear_strays(settings: Settings) -> list[str]:
    """Ends private servers of runs whose folder is gone, and removes folders that have said nothing of their run for an
    hour: nobody else comes back for these. Says of each what was done."""
    done = []
    runs = runs_folder(settings).absolute()
    for stray, file in process.find_below(runs):
        folder = runs / file.relative_to(runs).parts[0]
        if not folder.exists():
            process.kill(stray)
            done.append(f"ended process {stray.pid}: a private server of {folder}, which is gone")
    for folder, left in runs_on_disk(settings):
        if left is None and time.time() - folder.lstat().st_mtime > UNREADABLE:
            run(folder)
            done.append(f"removed {folder}: it does not say which run it is of")
    return done
