"""What a private server says that it holds: asked before it is stopped, and again of what was restored."""

from __future__ import annotations

from collections.abc import Sequence

from tidemark.holdings import OWN_SCHEMAS, Inventory, InventoryTable
from tidemark.mysql.flavours.base import Flavour
from tidemark.mysql.session import Session

_IN_MEMORY = ("information_schema", "performance_schema")
"""Schemas without a file."""
# What servers bring along themselves is not counted: it tells nobody anything, and a newer server brings more.
_COUNTS = {
    "accounts": "SELECT COUNT(*) FROM mysql.user WHERE User <> SUBSTRING_INDEX(CURRENT_USER(), '@', 1)",
    "routines": "SELECT COUNT(*) FROM information_schema.routines WHERE routine_schema NOT IN ('mysql', 'sys')",
    "events": "SELECT COUNT(*) FROM information_schema.events WHERE event_schema NOT IN ('mysql', 'sys')",
    "triggers": "SELECT COUNT(*) FROM information_schema.triggers WHERE trigger_schema NOT IN ('mysql', 'sys')",
}


def engines(session: Session) -> frozenset[str]:
    """The storage engines that a server has loaded."""
    rows = session.rows("SELECT engine AS engine FROM information_schema.engines WHERE support IN ('YES', 'DEFAULT')")
    return frozenset(str(row["engine"]) for row in rows)


def missing_plugins(session: Session, wanted: Sequence[str]) -> list[str]:
    """Those of the plugins (``library``, or ``name=library``) that a server has not loaded. It starts without them and
    says so in its error log only."""
    if not wanted:
        return []
    rows = session.rows("SELECT plugin_library AS file FROM information_schema.plugins")
    loaded = {str(row["file"] or "").removesuffix(".so") for row in rows}
    return [entry for entry in wanted if entry.rpartition("=")[2].removesuffix(".so") not in loaded]


def take_inventory(session: Session, flavour: Flavour) -> Inventory:
    """Asks a running server for all that it holds. The private account of the session is not counted."""
    schemas = [str(row["name"]) for row in session.rows("SELECT schema_name AS name FROM information_schema.schemata")]
    rows = session.rows(
        "SELECT table_schema AS home, table_name AS name, table_type AS type, engine AS engine, row_format AS format "
        "FROM information_schema.tables WHERE table_schema NOT IN ('information_schema', 'performance_schema')"
    )
    tables = [
        InventoryTable(
            schema_name=str(row["home"]),
            name=str(row["name"]),
            engine=str(row["engine"] or ""),
            row_format=str(row["format"] or ""),
        )
        for row in rows
        if "VIEW" not in str(row["type"]) and str(row["type"]) != "TEMPORARY"
    ]
    counts = {name: int(session.value(question)) for name, question in _COUNTS.items()}
    counts["views"] = sum("VIEW" in str(row["type"]) and row["home"] not in OWN_SCHEMAS for row in rows)
    return Inventory(
        schemas=tuple(sorted(name for name in schemas if name not in _IN_MEMORY)),
        tables=tuple(sorted(tables, key=lambda table: (table.schema_name, table.name))),
        # After the tables: MariaDB knows a tablespace fully only once its table has been opened.
        tablespaces=tuple(sorted(flavour.tablespaces(session), key=lambda tablespace: tablespace.name)),
        counts=counts,
    )
