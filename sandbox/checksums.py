"""What a server holds, in a form that can be compared with another server of the same flavour."""

from __future__ import annotations

import contextlib
import re
import zlib
from collections.abc import Iterator

from MySQLdb.connections import Connection

from sandbox.primary import Primary, Row

_SYSTEM = "('mysql', 'sys', 'information_schema', 'performance_schema')"

_DISABLED = re.compile("DISABLE ON (SLAVE|REPLICA)")

Checksums = dict[str, int]
"""The checksum of every base table by ``schema.table``."""


def checksums(server: Primary | Connection) -> Checksums:
    """The checksum of every base table of every schema that is not the server's own, ``CHECKSUM TABLE`` if possible.

    A table with virtual columns is read row by row instead: MariaDB's ``CHECKSUM TABLE`` of such a table depends on
    where its rows lie, and differs between a primary and a replica that hold the same.
    """
    with _connected(server) as connection:
        tables = _rows(
            connection,
            "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA NOT IN "
            f"{_SYSTEM} AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY 1, 2",
        )
        special = _rows(
            connection,
            "SELECT DISTINCT TABLE_SCHEMA, TABLE_NAME FROM information_schema.COLUMNS WHERE EXTRA LIKE '%VIRTUAL%'",
        )
        found: Checksums = {}
        for schema, table in tables:
            if (schema, table) in special:
                rows = _rows(connection, f"SELECT * FROM {_quote(schema)}.{_quote(table)}")
                found[f"{schema}.{table}"] = sum(zlib.crc32(repr(row).encode()) for row in rows)
                continue
            ((_, value),) = _rows(connection, f"CHECKSUM TABLE {_quote(schema)}.{_quote(table)}")
            if value is None:
                raise AssertionError(f"{schema}.{table} has no checksum: the server cannot read it")
            found[f"{schema}.{table}"] = int(value)
        return found


def freeze(primary: Primary) -> tuple[str, Checksums]:
    """The primary's position and the checksums at exactly that position; writers wait meanwhile."""
    with contextlib.closing(primary.root()) as connection:
        _rows(connection, "FLUSH TABLES WITH READ LOCK")
        try:
            return primary.position(), checksums(connection)
        finally:
            _rows(connection, "UNLOCK TABLES")


def definitions(server: Primary | Connection) -> dict[str, str]:
    """``SHOW CREATE`` of every table, view, trigger, routine, event and sequence by kind and name, without counters.

    A replica disables the events that it replicates; they count as enabled.
    """
    with _connected(server) as connection:
        listing = (
            "SELECT IF(TABLE_TYPE = 'VIEW', 'VIEW', 'TABLE'), TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES "
            f"WHERE TABLE_SCHEMA NOT IN {_SYSTEM} "
            "UNION ALL SELECT 'TRIGGER', TRIGGER_SCHEMA, TRIGGER_NAME FROM information_schema.TRIGGERS "
            f"WHERE TRIGGER_SCHEMA NOT IN {_SYSTEM} "
            "UNION ALL SELECT ROUTINE_TYPE, ROUTINE_SCHEMA, ROUTINE_NAME FROM information_schema.ROUTINES "
            f"WHERE ROUTINE_SCHEMA NOT IN {_SYSTEM} "
            "UNION ALL SELECT 'EVENT', EVENT_SCHEMA, EVENT_NAME FROM information_schema.EVENTS "
            f"WHERE EVENT_SCHEMA NOT IN {_SYSTEM}"
        )
        found = {}
        for kind, schema, name in _rows(connection, listing):
            row = _rows(connection, f"SHOW CREATE {kind} {_quote(schema)}.{_quote(name)}")[0]
            text = next(str(value) for value in row[1:] if str(value).startswith("CREATE"))
            words = (word for word in text.split(" ") if not word.startswith("AUTO_INCREMENT="))
            found[f"{kind} {schema}.{name}"] = _DISABLED.sub("ENABLE", " ".join(words))
        return found


@contextlib.contextmanager
def _connected(server: Primary | Connection) -> Iterator[Connection]:
    if isinstance(server, Primary):
        with contextlib.closing(server.root()) as connection:
            yield connection
    else:
        yield server


def _rows(connection: Connection, statement: str) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def _quote(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
