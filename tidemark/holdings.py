"""What a server said that it holds, and which history its source was in: optional sections of a manifest. Models of
what is written; a reader takes fields that it does not know for granted, so that a later version may add some."""

from __future__ import annotations

from collections.abc import Sequence
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
    """Those that exist only in a server's memory are not among them."""
    tables: tuple[InventoryTable, ...] = ()
    """Sequences and the server's own tables are among them, views are not."""
    tablespaces: tuple[InventoryTablespace, ...] = ()
    counts: dict[str, Count] = {}
    """How many there are of other things: ``accounts``, ``routines``, ``events``, ``triggers``, ``views``. Of what a
    server brings along itself only accounts are counted."""

    @property
    def files(self) -> frozenset[str]:
        """The files of all tablespaces, relative to the data folder."""
        return frozenset(file for tablespace in self.tablespaces for file in tablespace.files)

    @property
    def totals(self) -> dict[str, int]:
        """How many there are of everything that users have made: what a person is shown first."""
        tables = sum(table.schema_name not in OWN_SCHEMAS for table in self.tables)
        return {"schemas": len(set(self.schemas) - OWN_SCHEMAS), "tables": tables} | self.counts


def shortened(lines: Sequence[str], most: int = 8) -> str:
    """Lines as one, and how many more there are."""
    more = f"; and {len(lines) - most} more" if len(lines) > most else ""
    return "; ".join(lines[:most]) + more


OWN_SCHEMAS = frozenset({"mysql", "sys", "information_schema", "performance_schema"})
"""Schemas of the servers themselves: a newer server changes them when it opens older data."""


def differences(wanted: Inventory, found: Inventory, *, same_version: bool) -> list[str]:
    """What was held and is not, and the other way round, one line each; none when all is as it was. A server of another
    version is asked only about what users have made."""

    def of_users(tables: tuple[InventoryTable, ...]) -> dict[tuple[str, str], InventoryTable]:
        return {
            (table.schema_name, table.name): table
            for table in tables
            if same_version or table.schema_name not in OWN_SCHEMAS
        }

    before, now = of_users(wanted.tables), of_users(found.tables)
    lines = [f"schema {name} is missing" for name in sorted(set(wanted.schemas) - set(found.schemas) - OWN_SCHEMAS)]
    lines += [f"schema {name} is new" for name in sorted(set(found.schemas) - set(wanted.schemas) - OWN_SCHEMAS)]
    lines += [f"table {'.'.join(name)} is missing" for name in sorted(before.keys() - now.keys())]
    lines += [f"table {'.'.join(name)} is new" for name in sorted(now.keys() - before.keys())]
    for name in sorted(before.keys() & now.keys()):
        had, has = before[name], now[name]
        if had.engine != has.engine:
            lines.append(f"table {'.'.join(name)} was {had.engine or '(none)'}, it is {has.engine or '(none)'}")
        elif had.row_format != has.row_format:
            lines.append(f"table {'.'.join(name)} had row format {had.row_format}, it has {has.row_format}")
    if same_version:
        lines += [
            f"{count} {name} were there, {found.counts[name]} are"
            for name, count in sorted(wanted.counts.items())
            if name in found.counts and found.counts[name] != count
        ]
    return lines
