"""Mirror: the other configured repositories are brought level with the one that counts."""

from __future__ import annotations

import dataclasses
import logging

from tidemark import wiring
from tidemark.config import RepositorySettings, Settings
from tidemark.errors import StorageError, TidemarkError
from tidemark.progress import Progress, ProgressCallback, ignore, showing_rate
from tidemark.repository import Level, Repository
from tidemark.results import MirrorResult

log = logging.getLogger(__name__)

COPIES = 8
"""Packs that are copied at a time at least: copying waits for the stores, not for this machine's cores."""


def run(
    settings: Settings,
    repository: Repository,
    shard_name: str,
    place: RepositorySettings,
    *,
    progress: ProgressCallback = ignore,
) -> MirrorResult:
    """Copies what the mirror at ``place`` lacks of the shard in ``repository``, and deletes what was pruned there.
    Takes up what an earlier call left."""
    store = wiring.find_store(place)
    repository.copy_keys(store)
    mirror = repository.mirror(store, shard_name)

    def tell(moment: Progress) -> None:
        progress(dataclasses.replace(moment, phase=f"mirroring to {place.url}"))

    limits = wiring.upload_limits(settings)
    done = mirror.bring_level(
        threads=max(COPIES, settings.node.threads),
        progress=showing_rate(limits.rate.rate, "upload_rate", tell),
        limits=limits,
    )
    level = mirror.level()
    return MirrorResult(
        url=place.url,
        newest=level.mirrored,
        missing=len(level.missing),
        copied=done.numbers,
        bytes=done.bytes,
        pruned=done.pruned,
        seconds=done.seconds,
    )


def run_all(
    settings: Settings, repository: Repository, shard_name: str, *, progress: ProgressCallback = ignore
) -> tuple[MirrorResult, ...]:
    """Every mirror in turn. One that fails is reported and keeps neither the others nor a backup from succeeding."""
    results = []
    for place in settings.mirrors:
        try:
            results.append(run(settings, repository, shard_name, place, progress=progress))
        except TidemarkError as error:
            log.warning("%s: the mirror %s could not be brought level: %s", shard_name, place.url, error)
            results.append(MirrorResult(url=place.url, error=str(error)))
        except Exception as error:  # a revoke, or a bug: the backup is complete all the same
            log.exception("%s: mirroring to %s was cut off", shard_name, place.url)
            results.append(MirrorResult(url=place.url, error=f"{type(error).__name__}: {error}"))
            break
    return tuple(results)


def level(settings: Settings, shard_name: str, place: RepositorySettings) -> Level:
    """How far behind a mirror is."""
    return wiring.open_repository(settings).mirror(wiring.find_store(place), shard_name).level()


def look_at_all(settings: Settings, shard_name: str) -> tuple[MirrorResult, ...]:
    """How far behind every mirror is, by what is in the stores; a store that does not answer says so in ``error``."""
    results = []
    for place in settings.mirrors:
        try:
            found = level(settings, shard_name, place)
            results.append(MirrorResult(url=place.url, newest=found.mirrored, missing=len(found.missing)))
        except StorageError as error:
            results.append(MirrorResult(url=place.url, error=str(error)))
    return tuple(results)
