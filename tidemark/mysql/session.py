"""A connection on which statements are run, over the client library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, NoReturn

import MySQLdb
import MySQLdb.cursors

from tidemark.errors import TidemarkError

Row = dict[str, Any]
Translate = Callable[[int, str], TidemarkError]
"""Makes an error of ours from the server's (or the client library's) number and text."""

LOST = frozenset({2006, 2013, 2055, 4031})
"""The connection is gone: the server closed it, went away, or never answered."""


class Session:
    """One connection in autocommit mode. Every vendor error leaves here translated, and without a secret in it."""

    def __init__(self, translate: Translate, *, secrets: Sequence[str] = (), **arguments: Any) -> None:
        self._translate = translate
        self._secrets = tuple(secret for secret in secrets if secret)
        try:
            self._connection = MySQLdb.connect(
                charset="utf8mb4", autocommit=True, cursorclass=MySQLdb.cursors.DictCursor, **arguments
            )
        except MySQLdb.Error as error:
            self._fail(error)

    def rows(self, statement: str, *arguments: object) -> list[Row]:
        """Runs a statement; arguments are put in for ``%s``. Gives the rows, or none."""
        try:
            cursor = self._connection.cursor()
            cursor.execute(statement, arguments or None)
            rows = [dict(row) for row in cursor.fetchall()] if cursor.description else []
            while cursor.nextset():
                pass
            return rows
        except MySQLdb.Error as error:
            self._fail(error)
        except BaseException:
            # A signal between a question and its answer: leaving the cursor in order would ask for the rest, and the
            # error of that ("commands out of sync") would take the place of what really happened.
            self.close()
            raise

    def run(self, statement: str, *arguments: object) -> None:
        """Runs a statement whose rows do not matter."""
        self.rows(statement, *arguments)

    def value(self, statement: str, *arguments: object) -> str:
        """The first column of the first row as text; empty when there is no row or it is NULL."""
        for row in self.rows(statement, *arguments):
            value = next(iter(row.values()))
            if isinstance(value, bytes):
                return value.decode("utf-8", "replace")
            return "" if value is None else str(value)
        return ""

    def close(self) -> None:
        """Closes the connection; a second time does nothing."""
        try:
            self._connection.close()  # type: ignore[no-untyped-call]
        except MySQLdb.Error:
            return

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _fail(self, error: MySQLdb.Error) -> NoReturn:
        number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        message = str(error.args[1]) if len(error.args) > 1 else str(error)
        for secret in self._secrets:
            message = message.replace(secret, "***")
        # The vendor's error is left out of the chain: its text may quote a statement with a password in it.
        raise self._translate(number, message) from None


def quote_name(*parts: str) -> str:
    """Names as SQL identifiers: ``schema``.``table``."""
    return ".".join("`" + part.replace("`", "``") + "`" for part in parts)
