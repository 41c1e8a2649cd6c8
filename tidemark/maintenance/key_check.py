"""Proof that today's master key opens what there is: the newest backup of every shard."""

from __future__ import annotations

from dataclasses import dataclass

from tidemark import wiring
from tidemark.config import Settings
from tidemark.errors import KeyUnavailable, ObjectMissing, RepositoryError, RepositoryMissing
from tidemark.repository import Keyring, Repository
from tidemark.shards import topology


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one shard."""

    shard: str
    backup: int | None
    """The newest backup's number; None when there is none."""
    problem: str = ""
    """Why it is not opened; empty when it is."""


def run(settings: Settings) -> list[Finding]:
    """Looks at every configured shard with today's key alone.

    Raises ``KeyUnavailable`` when today's key cannot be had, or opens nothing here: then it says so once instead of
    for every shard. ``RepositoryMissing`` when no backup was ever made.
    """
    place = settings.repository
    store, keys = wiring.find_store(place), wiring.master_keys(place)
    today = Keyring.of(keys.key())
    try:
        repository = Repository.open(store, today)
    except RepositoryMissing:
        raise
    except RepositoryError as error:
        raise KeyUnavailable(
            f"today's key, {keys.sources[0].where}, does not open the repository {store.url}: {error.message}",
            error.hint,
        ) from error
    return [_look(repository, name) for name in topology(settings).names()]


def _look(repository: Repository, name: str) -> Finding:
    shard = repository.shard(name)
    number = None
    try:
        newest = shard.catalog.newest()
        if newest is None:
            return Finding(name, None)
        number = newest.number
        shard.probe(newest)
    except (RepositoryError, ObjectMissing) as error:
        return Finding(name, number, str(error))
    return Finding(name, number)
