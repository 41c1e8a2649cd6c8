"""Optional sections of a manifest: what the server said it holds, and which history its source was in. Models of what
is written; a reader takes fields that it does not know for granted, so that a later version may add some."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]


class Section(BaseModel):
    """Frozen and strict; unknown fields are let pass when it is read."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class SourceIdentity(Section):
    """Which history the checkpoint is a point of. GTID numbers alone do not say: after a reset they begin anew."""

    server: str
    """Who the source is: MySQL's ``server_uuid``, MariaDB's ``server_id``."""
    log: str = ""
    """The name of its newest binary log at the checkpoint; empty when it did not say."""
    log_bytes: Count | None = None
    """Bytes of that log at the checkpoint."""
    log_begun_at: AwareDatetime | None = None
    """When that log was begun, UTC."""
    last_transaction: str = ""
    """The GTID of the last transaction before the checkpoint; empty when it did not say."""
    last_committed_at: AwareDatetime | None = None
    """When that one was committed at its origin, UTC."""


class InventoryTable(Section):
    """A table that the server has."""

    schema_name: str
    name: str
    engine: str
    row_format: str = ""
    """Empty for engines without one."""


class InventoryTablespace(Section):
    """A tablespace that the server has, and the files that it is in."""

    name: str
    files: tuple[str, ...]
    """Relative to the data folder, with ``/``."""


class Inventory(Section):
    """What the server said that it holds, before it was stopped."""

    schemas: tuple[str, ...] = ()
    tables: tuple[InventoryTable, ...] = ()
    tablespaces: tuple[InventoryTablespace, ...] = ()
    counts: dict[str, Count] = {}
    """How many there are of other things: ``accounts``, ``routines``, ``events``, ``triggers``, ``views``."""
