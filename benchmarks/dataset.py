"""Real InnoDB data, made once by MariaDB and sysbench and kept in a folder that ``--data`` names.

| folder | what is in it |
|---|---|
| ``eight`` | eight equal sysbench tables, about 2 GB in all |
| ``appended`` | the same server after one per cent of rows was inserted at the end of each table |
| ``skewed`` | as many rows, 90 % of them in one table |

Each is a cold data folder without binary logs, that a server can be started on.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.primary import Flavour, Primary
from tidemark.mysql.data_folder.selection import select_files

ROWS = 1_000_000
"""Rows of each of the eight tables; a million make a file of about 255 MB."""
TABLES = 8
SCHEMA = "sbtest"
LOADING: dict[str, str | None] = {
    "innodb-buffer-pool-size": "1G",
    "innodb-flush-log-at-trx-commit": "0",
    "skip-log-bin": None,
}


class Datasets:
    """The data folders, made when they are first asked for. ``rows`` scales them down for trying a benchmark."""

    def __init__(self, folder: Path, rows: int = ROWS) -> None:
        self.folder = folder
        self.rows = rows

    def eight(self) -> Path:
        """Eight equal tables."""
        return self._cached("eight", self._make_eight)

    def appended(self) -> Path:
        """The eight tables after one per cent of rows came to the end of each."""
        return self._cached("appended", self._make_appended)

    def skewed(self) -> Path:
        """As many rows, nine tenths of them in one table."""
        return self._cached("skewed", self._make_skewed)

    def mysql(self) -> Path:
        """A smaller MySQL server, for what is replicated to it: eight tables, a quarter of the rows each."""
        return self._cached("mysql", self._make_mysql)

    def _cached(self, name: str, make: Callable[[Path], None]) -> Path:
        data = self.folder / f"{name}-{self.rows}"
        if not data.exists():
            half = self.folder / f"{name}-{self.rows}.half"
            shutil.rmtree(half, ignore_errors=True)
            half.mkdir(parents=True)
            make(half / "data")
            (half / "data").rename(data)
            shutil.rmtree(half)
        return data

    def _make_eight(self, data: Path) -> None:
        with loading(data, "mariadb") as server:
            prepare(server, tables=TABLES, rows=self.rows)

    def _make_appended(self, data: Path) -> None:
        shutil.copytree(self.eight(), data)
        with loading(data, "mariadb") as server:
            for number in range(1, TABLES + 1):
                append(server, f"sbtest{number}", f"sbtest{number % TABLES + 1}", self.rows // 100)

    def _make_skewed(self, data: Path) -> None:
        large = TABLES * self.rows * 9 // 10
        with loading(data, "mariadb") as server:
            prepare(server, tables=TABLES, rows=(TABLES * self.rows - large) // (TABLES - 1))
            server.execute(f"DROP TABLE {SCHEMA}.sbtest1")
            prepare(server, tables=1, rows=large)

    def _make_mysql(self, data: Path) -> None:
        with loading(data, "mysql") as server:
            prepare(server, tables=TABLES, rows=self.rows // 4)


@contextmanager
def loading(data: Path, flavour: Flavour) -> Iterator[Primary]:
    """A server on a data folder that is being filled; stopped cleanly, and without one server's own files."""
    folder = data.parent
    with Primary(folder, flavour, data=data if data.exists() else None, tls="off", options=LOADING) as server:
        if not server.execute("SHOW DATABASES LIKE %s", SCHEMA):
            server.execute(f"CREATE DATABASE {SCHEMA}")
        yield server
        # What is still to be purged or merged would change pages later, behind a benchmark's back.
        server.execute("SET GLOBAL innodb_fast_shutdown = 0")
    if server.data != data:
        server.data.rename(data)


def prepare(server: Primary, *, tables: int, rows: int) -> None:
    """sysbench's tables, filled."""
    sysbench(
        server, "oltp_write_only", "prepare", tables=tables, table_size=rows, threads=min(tables, os.cpu_count() or 1)
    )


def append(server: Primary, table: str, other: str, rows: int) -> None:
    """New rows at the end of a table, with the content of another table's rows."""
    server.execute(
        f"INSERT INTO {SCHEMA}.{table} (k, c, pad)"
        f" SELECT k, REVERSE(c), REVERSE(pad) FROM {SCHEMA}.{other} LIMIT {rows}"
    )


def sysbench(server: Primary, test: str, command: str, **options: object) -> str:
    """Runs sysbench as root over the server's socket; gives what it printed."""
    words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    done = subprocess.run(
        [
            "sysbench",
            test,
            f"--mysql-socket={server.socket}",
            "--mysql-user=root",
            f"--mysql-db={SCHEMA}",
            "--db-driver=mysql",
            *words,
            command,
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"sysbench {command} failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def content(folder: Path) -> tuple[list[str], list[str]]:
    """Files and folders of a data folder, relative to it: what a backup holds."""
    found = select_files(folder, "mysql" if (folder / "mysql.ibd").exists() else "mariadb")
    return list(found.files), list(found.directories)
