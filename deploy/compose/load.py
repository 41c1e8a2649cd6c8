"""load.py HOST:PORT...: writes to every sample primary, a few transactions a second, and never reads much."""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

import MySQLdb
from MySQLdb.connections import Connection

PASSWORD = Path(os.environ.get("SECRETS", "/run/tidemark")) / "primary.password"
TABLE = """CREATE TABLE IF NOT EXISTS orders (
    id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, customer INT UNSIGNED NOT NULL, amount DECIMAL(10,2) NOT NULL,
    note VARCHAR(500) NOT NULL, made TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, KEY (customer)) ENGINE=InnoDB"""
ORDER = "INSERT INTO orders (customer, amount, note) VALUES (%s, %s, REPEAT(UUID(), 10))"
CHANGE = "UPDATE orders SET amount = amount + 1 WHERE id = %s"


def connect(address: str) -> Connection:
    """A connection with the table in place; waits for a server that is still starting."""
    host, port = address.rsplit(":", 1)
    while True:
        try:
            connection = MySQLdb.connect(
                host=host,
                port=int(port),
                user="shop",
                password=PASSWORD.read_text().strip(),
                database="shop",
                autocommit=True,
            )
            connection.cursor().execute(TABLE)
            return connection
        except (MySQLdb.Error, OSError) as error:
            print(f"{address}: {error}; waiting", flush=True)  # noqa: T201
            time.sleep(2)


def main() -> None:
    """Goes on until it is stopped; a server that goes away is waited for."""
    connections = {address: connect(address) for address in sys.argv[1:]}
    while True:
        for address, connection in connections.items():
            try:
                cursor = connection.cursor()
                cursor.execute(ORDER, (random.randrange(10**6), random.randrange(10**4)))  # noqa: S311
                newest = int(cursor.lastrowid or 1)
                cursor.execute(CHANGE, (random.randint(1, newest),))  # noqa: S311
            except MySQLdb.Error as error:
                print(f"{address}: {error}; connecting again", flush=True)  # noqa: T201
                connections[address] = connect(address)
        time.sleep(0.1)


if __name__ == "__main__":
    main()
