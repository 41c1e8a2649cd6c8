"""Tables out of a private server, in the form that ``ALTER TABLE ... IMPORT TABLESPACE`` of a stock server takes."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tidemark import files
from tidemark.errors import ServerError
from tidemark.mysql.server.private import PrivateServer
from tidemark.mysql.session import Session, quote_name
from tidemark.mysql.tables.patterns import TablePatterns

_PROLOGUE = "SET NAMES utf8mb4;\nSET SESSION foreign_key_checks = 0;\nSET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO';\n"


_LOCK_WAIT = 60
"""Seconds that a statement may wait for a lock: nobody else uses this server, so nobody would ever let go of it."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A table that was meant and cannot be brought out."""

    name: str
    """``schema.table``."""
    reason: str


@dataclass(frozen=True, slots=True)
class Exported:
    """The tables that were brought out."""

    names: tuple[str, ...]
    """``schema.table``."""
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]
    """What a person should know before importing them."""
    files: tuple[str, ...]
    """The ``.ibd`` and ``.cfg`` files, relative to a data folder."""
    create_sql: str
    """Makes the empty tables and discards their tablespaces."""
    import_sql: str
    """Imports the files that were put in their place."""


@dataclass(frozen=True, slots=True)
class _Table:
    schema: str
    table: str
    create: str
    stem: str
    """Its files in the data folder, without their ends."""

    @property
    def name(self) -> str:
        return f"{self.schema}.{self.table}"

    @property
    def quoted(self) -> str:
        return quote_name(self.schema, self.table)


def export_tables(server: PrivateServer, wanted: TablePatterns, folder: Path) -> Exported:
    """Puts the files of the tables that are meant below ``folder``, on the same disk; the running server is killed
    over it, and its data folder is void. Raises ``ServerError`` when no table can be brought out.

    The tables are locked and written out by the server (``FLUSH TABLES ... FOR EXPORT``), and it never gets to change
    them again: their files are taken over as they are, without a copy.
    """
    with server.open_session() as session:
        session.run("SET SESSION sql_mode = ''")
        session.run(f"SET SESSION lock_wait_timeout = {_LOCK_WAIT}")
        ended = server.flavour.end_prepared(session)
        found, left_out = _find(session, wanted, server.data)
        if not found:
            reasons = "; ".join(f"{table.name} {table.reason}" for table in left_out[:8])
            patterns = ", ".join(wanted.patterns)
            raise ServerError(
                f"no table that {patterns} means can be brought out: {reasons or 'there is none of this name'}",
                "restore the whole backup, start a server on it, and dump what you need",
            )
        triggers = _find_triggers(session, found)
        schemas = {schema: _create_schema(session, schema) for schema in sorted({table.schema for table in found})}
        session.run(f"FLUSH TABLES {', '.join(table.quoted for table in found)} FOR EXPORT")
        files = [_take(server.data, table, end, folder) for table in found for end in (".ibd", ".cfg")]
        server.kill()
    return Exported(
        names=tuple(table.name for table in found),
        left_out=tuple(left_out),
        notes=(*_in_doubt(ended), *triggers, *_notes(found)),
        files=tuple(files),
        create_sql=_create_sql(schemas, found),
        import_sql=_PROLOGUE + "".join(f"ALTER TABLE {table.quoted} IMPORT TABLESPACE;\n" for table in found),
    )


def _find(session: Session, wanted: TablePatterns, data: Path) -> tuple[list[_Table], list[LeftOut]]:
    fold = session.value("SELECT @@GLOBAL.lower_case_table_names") != "0"
    rows = session.rows(
        "SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t, TABLE_TYPE AS kind FROM information_schema.TABLES ORDER BY 1, 2"
    )
    found, left_out = [], []
    for row in rows:
        schema, table, kind = str(row["s"]), str(row["t"]), str(row["kind"])
        if not wanted.match(schema, table, fold=fold):
            continue
        reason, create, stem = _try(session, schema, table, kind, data)
        if reason:
            left_out.append(LeftOut(f"{schema}.{table}", reason))
        else:
            found.append(_Table(schema, table, create, stem))
    return found, left_out


def _try(session: Session, schema: str, table: str, kind: str, data: Path) -> tuple[str, str, str]:
    """Why the table cannot be brought out, or else its definition and its files."""
    if kind not in {"BASE TABLE", "SYSTEM VERSIONED"}:
        return f"is a {kind.lower()}: it has no tablespace", "", ""
    where = "WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s"
    engine = session.value(f"SELECT ENGINE FROM information_schema.TABLES {where}", schema, table)  # noqa: S608
    if engine.lower() not in {"innodb", "partition", ""}:
        return f"is kept by {engine}: only InnoDB's tables can be imported", "", ""
    partitions = f"SELECT COUNT(PARTITION_NAME) FROM information_schema.PARTITIONS {where}"  # noqa: S608
    if session.value(partitions, schema, table) != "0":
        return "is partitioned: not every server can import such a table", "", ""
    fulltext = f"SELECT COUNT(*) FROM information_schema.STATISTICS {where} AND INDEX_TYPE = 'FULLTEXT'"  # noqa: S608
    if session.value(fulltext, schema, table) != "0":
        return "has a full-text index, which is kept in tables of its own that cannot be imported", "", ""
    try:
        row = session.rows(f"SHOW CREATE TABLE {quote_name(schema, table)}")[0]
        session.run(f"FLUSH TABLES {quote_name(schema, table)} FOR EXPORT")
        stems = [path.relative_to(data).as_posix().removesuffix(".cfg") for path in data.glob("*/*.cfg")]
        session.run("UNLOCK TABLES")
    except ServerError as error:
        return f"cannot be brought out: {error.message}", "", ""
    if len(stems) != 1:
        return "is in a tablespace that it shares with others", "", ""
    return "", str(row["Create Table"]), stems[0]


def _create_schema(session: Session, schema: str) -> str:
    row = session.rows(f"SHOW CREATE DATABASE IF NOT EXISTS {quote_name(schema)}")[0]
    return str(row["Create Database"])


def _take(data: Path, table: _Table, end: str, folder: Path) -> str:
    """A second name for the file: the server dies before it could write to it under its first one."""
    name = table.stem + end
    source, target = data / name, folder / name
    files.make_private(target.parent)
    if end == ".cfg":
        shutil.copyfile(source, target)
    else:
        os.link(source, target)
    descriptor = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return name


def _create_sql(schemas: dict[str, str], tables: list[_Table]) -> str:
    lines = [_PROLOGUE]
    for schema, create in schemas.items():
        lines.append(f"{create};\nUSE {quote_name(schema)};\n")
        lines += [
            f"{table.create};\nALTER TABLE {table.quoted} DISCARD TABLESPACE;\n"
            for table in tables
            if table.schema == schema
        ]
    return "".join(lines)


def _in_doubt(ended: Sequence[str]) -> list[str]:
    return [
        f"the XA transaction {xid} was prepared and not yet committed at that position: its rows are not in the tables"
        for xid in ended
    ]


def _find_triggers(session: Session, tables: list[_Table]) -> list[str]:
    """A note for each table whose triggers stay behind: an import brings rows only."""
    rows = session.rows(
        "SELECT EVENT_OBJECT_SCHEMA AS s, EVENT_OBJECT_TABLE AS t, TRIGGER_NAME AS name "
        "FROM information_schema.TRIGGERS ORDER BY 1, 2, ACTION_ORDER"
    )
    names: dict[str, list[str]] = {}
    for row in rows:
        names.setdefault(f"{row['s']}.{row['t']}", []).append(str(row["name"]))
    return [
        f"{table.name} has triggers, which are not brought out: {', '.join(names[table.name])}"
        for table in tables
        if table.name in names
    ]


def _notes(tables: list[_Table]) -> list[str]:
    """Foreign keys are not checked by an import: the tables at their other ends are a person's business."""
    return [
        f"{table.name} has foreign keys, which an import does not check: see that it fits the tables they refer to"
        for table in tables
        if re.search(r"^\s+CONSTRAINT .* FOREIGN KEY ", table.create, re.MULTILINE)
    ]
