"""A backup as a reader sees it, and the facts that only the run that made it knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import AwareDatetime, Field

from tidemark.holdings import Count, Inventory, SourceIdentity

Number = Annotated[int, Field(ge=1, lt=10**12)]

PHYSICAL = "physical"
"""The engine whose backups are the files of a data folder."""

MAX_BLOCK = 1 << 20
"""Bytes of a block at most."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the caller of an upload says about the data folder."""

    flavour: str
    """``mysql`` or ``mariadb``."""
    server_version: str
    """The version of the private server that wrote the folder."""
    checkpoint: str
    """The primary's GTID position when the catch-up started; the backup is at it or past it."""
    position: str
    """The exact GTID position of the folder."""
    started_at: AwareDatetime
    """When the run began (UTC)."""
    restored_from: int | None = None
    """The number of the backup that the run restored and started."""
    first_backup: str | None = None
    """How the data came here when there was no backup: ``clone``, ``replay``, ``empty``; None otherwise."""
    variables: dict[str, str] = field(default_factory=dict)
    """Server variables without which no server starts on the folder."""
    engine: str = PHYSICAL
    """What made the backup's content."""
    source: SourceIdentity | None = None
    """Which history the checkpoint is a point of; None when that was not asked."""
    inventory: Inventory | None = None
    """What the server said that it holds; None when that was not asked."""
    kept: int | None = None
    """The number of the backup whose folder the node had kept, and that the restore went on from: what was still right
    in it was not fetched. None when everything came from the store."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A complete, full backup: what the head of its manifest says."""

    number: Number
    """Its place in the shard's chain, from 1."""
    run_id: str
    """The run that made it."""
    parent: Number | None
    """The backup whose unchanged blocks it refers to; None for the first one."""
    parent_digest: str
    """The parent's ``digest``; empty without a parent."""
    restored_from: Number | None
    """The backup that the run restored and started."""
    flavour: str
    """``mysql`` or ``mariadb``."""
    server_version: str
    """The version of the server that wrote the folder; an older one must not open it."""
    checkpoint: str
    """The primary's GTID position when the catch-up started."""
    position: str
    """The exact GTID position of the data."""
    first_backup: str | None
    """``clone``, ``replay`` or ``empty`` for data that did not come from a backup."""
    started_at: AwareDatetime
    """When the run began (UTC)."""
    finished_at: AwareDatetime
    """When the manifest was written (UTC)."""
    bytes: Count
    """The sum of the files' lengths."""
    stored_bytes: Count
    """Bytes of the objects that the run stored, this manifest's body included."""
    new_blocks: Count
    """Blocks that the run stored."""
    blocks: Count
    """All blocks of all files, holes included."""
    files: Count
    """The number of files."""
    variables: dict[str, str]
    """Server variables without which no server starts on the restored folder."""
    block_size: Annotated[int, Field(ge=1, le=MAX_BLOCK)]
    """Bytes of a block."""
    engine: str = PHYSICAL
    """What made the backup's content: ``physical``, the files of a data folder."""
    source: SourceIdentity | None = None
    """Which history the checkpoint is a point of; None in a backup that does not say."""
    kept: Number | None = None
    """The backup whose folder, kept on the node, the restore went on from; what was right in it was not fetched."""
    holds: dict[str, Count] = field(default_factory=dict)
    """How many schemas, tables and other things the server said it has; empty in a backup that does not say."""
    digest: str = ""
    """The digest of this manifest, which the next one names: 64 hex digits."""

    @property
    def proves(self) -> int | None:
        """The number of the backup that this one's run has proven: it fetched all of it from the store, started it and
        replicated past it. A run that went on from a kept folder proves nothing about the store."""
        return self.restored_from if self.kept is None else None
