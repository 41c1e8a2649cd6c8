"""Verify a backup where it lies: nothing is restored, nothing is written."""

from __future__ import annotations

from dataclasses import dataclass

from tidemark import wiring
from tidemark.config import RepositorySettings, Settings
from tidemark.page_inspector import PageInspector
from tidemark.progress import ProgressCallback, ignore
from tidemark.recovery import restore
from tidemark.repository import Backup, Verified, VerifiedAll


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found in one backup."""

    backup: Backup
    url: str
    """The repository that it is in."""
    found: Verified


def run(
    settings: Settings,
    shard_name: str,
    *,
    number: int | None = None,
    place: RepositorySettings | None = None,
    sample: float = 1.0,
    progress: ProgressCallback = ignore,
) -> Verdict:
    """Reads, authenticates and decompresses every block of a backup (the newest without a number), recomputes every
    digest and the checksum of every InnoDB page.

    ``sample`` (0 to 1) is the share of the data to look at; all maps are read. Raises ``RunError`` or ``BackupMissing``
    when there is no such backup, ``Damaged`` when its manifest cannot be read; other damage is in what it returns.
    """
    found = restore.find(settings, shard_name, number=number, place=place)
    verified = found.backups.verify(
        found.backup,
        threads=settings.node.threads,
        sample=sample,
        inspector=PageInspector.of(found.backup.variables),
        progress=progress,
    )
    return Verdict(found.backup, found.url, verified)


def run_all(
    settings: Settings,
    shard_name: str,
    *,
    place: RepositorySettings | None = None,
    sample: float = 1.0,
    progress: ProgressCallback = ignore,
) -> VerifiedAll:
    """Looks at all that the repository has of a shard: every manifest and their chain, every pack once, the sizes in
    the listing, and objects that belong to no backup. What is wrong is in what it returns."""
    backups = wiring.open_place(place or settings.repository).shard(shard_name)
    return backups.verify_all(
        threads=settings.node.threads,
        sample=sample,
        inspect=lambda backup: PageInspector.of(backup.variables),
        progress=progress,
    )
