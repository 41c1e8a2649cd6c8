"""Whether a server can read all that it holds: ``CHECK TABLE`` on every table."""

from __future__ import annotations

from dataclasses import dataclass

from tidemark.errors import ServerError
from tidemark.mysql.server.private import PrivateServer
from tidemark.mysql.session import quote_name
from tidemark.progress import Progress, ProgressCallback

_HARMLESS = frozenset({"note", "info"})
"""Kinds of answers that are no findings, e.g. that an engine has nothing to check."""
_FINE = ("OK", "Table is already up to date")


@dataclass(frozen=True, slots=True)
class TablesChecked:
    """What ``CHECK TABLE`` said."""

    tables: int
    """How many tables were checked, the server's own included."""
    problems: tuple[str, ...]
    """``schema.table: what was said``, for each finding."""


def check_tables(server: PrivateServer, progress: ProgressCallback) -> TablesChecked:
    """Checks every base table of a running server. A table that cannot be read is a finding; a server that dies over
    it is one too, and the last."""
    session = server.session()
    tables = [
        (str(row["s"]), str(row["t"]))
        for row in session.rows(
            "SELECT table_schema AS s, table_name AS t FROM information_schema.tables "
            "WHERE table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') "
            "AND table_schema NOT IN ('information_schema', 'performance_schema') ORDER BY table_schema, table_name"
        )
    ]
    problems: list[str] = []
    for done, (schema, table) in enumerate(tables):
        progress(Progress("checking tables", done, len(tables), "tables", f"{schema}.{table}"))
        try:
            answers = session.rows(f"CHECK TABLE {quote_name(schema, table)}")
        except ServerError as error:
            problems.append(f"{schema}.{table}: {error.message}")
            if server.state() != "running":
                return TablesChecked(done, tuple(problems))
            continue
        problems += [
            f"{schema}.{table}: {row['Msg_type']}: {row['Msg_text']}"
            for row in answers
            if str(row["Msg_type"]).lower() not in _HARMLESS and str(row["Msg_text"]) not in _FINE
        ]
    progress(Progress("checking tables", len(tables), len(tables), "tables"))
    return TablesChecked(len(tables), tuple(problems))
