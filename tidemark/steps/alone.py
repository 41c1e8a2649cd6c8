"""The four steps in one process, without a fleet: for cron, a Kubernetes Job, a person at a terminal."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tidemark import files
from tidemark.config import Settings
from tidemark.disk import locked, scratch_error
from tidemark.errors import LeaseHeld
from tidemark.progress import ProgressCallback, ignore
from tidemark.results import StepResult, UploadResult
from tidemark.shards import topology
from tidemark.steps import catchup, cleanup, restore, stop, upload
from tidemark.steps.run import Run

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is told how a run gets on."""

    progress: Callable[[str], ProgressCallback] = lambda step: ignore
    """Gives each step, by its name, its callback."""
    finished: Callable[[StepResult], None] = lambda result: None
    """Gets each step's result."""


def run(
    settings: Settings,
    config_path: Path,
    shard_name: str,
    audience: Audience,
    *,
    first_backup: str | None = None,
    force: bool = False,
) -> UploadResult:
    """Backs up one shard, here and now.
    However it ends, nothing is left behind: no server, no folder, no half backup."""
    topology(settings).find(shard_name)
    with _alone(settings, shard_name):
        _sweep(settings, shard_name)
        run = Run.create(settings, config_path, shard_name, first_backup=first_backup, force=force)
        try:
            audience.finished(restore.run(run, progress=audience.progress("restore")))
            audience.finished(catchup.run(run, progress=audience.progress("catchup")))
            audience.finished(stop.run(run, progress=audience.progress("stop")))
            result = upload.run(run, progress=audience.progress("upload"))
        except BaseException:
            cleanup.run(run.folder)
            cleanup.discard(settings, shard_name, run.id)
            raise
        cleanup.run(run.folder)
        audience.finished(result)
        return result


@contextlib.contextmanager
def _alone(settings: Settings, shard_name: str) -> Iterator[None]:
    """One run of a shard at a time on this machine."""
    path = settings.node.scratch / "locks" / f"{shard_name}.lock"
    with contextlib.ExitStack() as stack:
        try:
            files.make_private(path.parent)
            stack.enter_context(locked(path, create=True))
        except BlockingIOError:
            raise LeaseHeld(
                f"{shard_name} is being backed up by another `tidemark backup` on this machine",
                "wait until it has ended",
            ) from None
        except OSError as error:
            raise scratch_error(settings.node.scratch, error) from error
        yield


def _sweep(settings: Settings, shard_name: str) -> None:
    """Removes what a killed ``tidemark backup`` of this shard has left: holding the lock, there is no other."""
    for folder, left in cleanup.runs_on_disk(settings):
        if left and left.shard == shard_name and not left.node_id:
            log.warning("%s: removing what run %s has left in %s", shard_name, left.run_id, folder)
            cleanup.run(folder)
            cleanup.discard(settings, shard_name, left.run_id)
