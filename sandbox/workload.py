"""Rows, and a client that never stops writing."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from typing import Self

import MySQLdb
from MySQLdb.connections import Connection

from sandbox.checksums import Checksums, checksums, definitions, freeze
from sandbox.primary import Primary
from sandbox.schema import ODD, ODD_TABLE, PLAIN, create_rich_schema

__all__ = [
    "ODD",
    "ODD_TABLE",
    "PLAIN",
    "Checksums",
    "Workload",
    "checksums",
    "create_rich_schema",
    "definitions",
    "fill",
    "freeze",
]

_SCHEMA = "ledger"
_ROW_BYTES = 680
_CHUNK = 12_000
_TABLE = f"""CREATE TABLE IF NOT EXISTS `{_SCHEMA}`.`{{table}}` (
    id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, account INT UNSIGNED NOT NULL, amount DECIMAL(12,2) NOT NULL,
    reference CHAR(36) NOT NULL, text VARCHAR(800) CHARACTER SET latin1 NOT NULL,
    changed TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, KEY (account)) ENGINE=InnoDB"""
# Hexadecimal digits shrink to about a half; with the words, the index and the pages' empty rest it comes to about 0.4.
_NEW_ROW = (
    "FLOOR(RAND() * 100000), ROUND(RAND() * 10000, 2), UUID(), CONCAT(SHA2(RAND(), 512), SHA2(RAND(), 512), "
    "' paid to the harbour master for a berth, fresh water, and the light on the outer mole; ', SHA2(RAND(), 512))"
)


def fill(primary: Primary, megabytes: int, *, tables: int = 2) -> None:
    """Adds about this many MB of InnoDB rows, spread over a few tables; they compress to about 0.4."""
    rows = megabytes * 1_000_000 // _ROW_BYTES // tables
    with contextlib.closing(primary.root()) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{_SCHEMA}`")
        for number in range(1, tables + 1):
            name = f"`{_SCHEMA}`.`entry_{number}`"
            cursor.execute(_TABLE.format(table=f"entry_{number}"))
            insert = f"INSERT INTO {name} (account, amount, reference, text) SELECT {_NEW_ROW}"
            made = 0
            while made < rows:
                source = f" FROM {name} LIMIT {min(_CHUNK, rows - made)}" if made else ""
                made += cursor.execute(insert + source)


class Workload:
    """Inserts, updates and deletes, about ``rate`` transactions a second, in a thread until it is stopped.

    Works on tables that ``fill`` made (it makes them when there are none), mostly on their newest rows, as real
    programs do; with ``rich`` also on the tables of ``create_rich_schema``, ``beyond_innodb`` those that know no
    transactions too. It connects again when the primary goes away and comes back.
    """

    def __init__(
        self, primary: Primary, rate: float = 50, *, rich: bool = False, beyond_innodb: bool = False, seed: int = 1
    ) -> None:
        self._primary = primary
        self._rate = rate
        self._rich = rich
        self._beyond_innodb = beyond_innodb
        self._chance = random.Random(seed)
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        self.transactions = 0
        """How many were committed."""

    def start(self) -> Self:
        fill(self._primary, 0)
        self._thread = threading.Thread(target=self._work, name="workload", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Returns when the last transaction is over; raises what went wrong in the meantime."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(60)
            self._thread = None
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *details: object) -> None:
        self.stop()

    def _work(self) -> None:
        while not self._ending.is_set():
            try:
                with contextlib.closing(self._primary.root(_SCHEMA)) as connection:
                    self._write(connection)
            except MySQLdb.OperationalError as error:
                if self._primary.running and error.args[0] not in {1053, 2002, 2006, 2013}:
                    self._error = error
                    return
                self._ending.wait(0.1)
            except Exception as error:
                self._error = error
                return

    def _write(self, connection: Connection) -> None:
        due = time.monotonic()
        while not self._ending.is_set():
            statements = self._transaction()
            with connection.cursor() as cursor:
                cursor.execute("BEGIN")
                for statement in statements:
                    cursor.execute(statement)
                cursor.execute("COMMIT")
                if self._beyond_innodb and self.transactions % 5 == 0:
                    cursor.execute(f"INSERT INTO `{PLAIN}`.old_isam (word) VALUES (SHA2(RAND(), 224))")
            self.transactions += 1
            due = max(due + 1 / self._rate, time.monotonic() - 1)
            self._ending.wait(max(0.0, due - time.monotonic()))

    def _transaction(self) -> list[str]:
        chance = self._chance
        table = f"entry_{chance.randint(1, 2)}"
        statements = [f"INSERT INTO {table} (account, amount, reference, text) SELECT {_NEW_ROW}"]
        if chance.random() < 0.5:
            statements.append(f"UPDATE {table} SET amount = amount + 1 ORDER BY id DESC LIMIT {chance.randint(1, 20)}")
        if chance.random() < 0.05:
            statements.append(f"UPDATE {table} SET amount = amount + 1 WHERE account = {chance.randint(0, 100000)}")
        if chance.random() < 0.2:
            statements.append(f"DELETE FROM {table} ORDER BY id DESC LIMIT 1")
        if self._rich:
            statements += self._rich_transaction()
        return statements

    def _rich_transaction(self) -> list[str]:
        chance, number = self._chance, self.transactions
        shop = f"`{PLAIN}`"
        choices = [
            [
                f"INSERT INTO {shop}.customer (name, net) VALUES ('new {number}', {chance.randint(1, 999)})",
                f"INSERT INTO {shop}.invoice (customer_id, total) VALUES (LAST_INSERT_ID(), {chance.randint(1, 999)})",
            ],
            [f"UPDATE {shop}.customer SET net = net + 1 WHERE id = {chance.randint(1, 200)}"],
            [f"DELETE FROM {shop}.customer WHERE id = {chance.randint(1, 200)}"],
            [f"CALL {shop}.pay({chance.randint(1, 200)})"],
            [f"REPLACE INTO {shop}.bucket VALUES ({chance.randint(0, 5000)}, 'w{number}')"],
            [f"REPLACE INTO {shop}.reading VALUES ({number}, '{chance.randint(2023, 2027)}-03-04', {chance.random()})"],
            [f"INSERT INTO {shop}.article (title, body) VALUES ('tide {number}', SHA2(RAND(), 256))"],
            [
                f"INSERT INTO {shop}.place (name, spot) VALUES ('x', "
                f"ST_GeomFromText('POINT({chance.uniform(-80, 80)} {chance.uniform(-80, 80)})'))"
            ],
            [f"INSERT INTO {shop}.squeezed (text) VALUES (REPEAT(SHA2(RAND(), 256), 20))"],
            [f"INSERT INTO `{ODD}`.`{ODD_TABLE}` (`Wert in €`, `Wörter`) VALUES ({number % 1000}, 'Wörter')"],
        ]
        return chance.choice(choices)
