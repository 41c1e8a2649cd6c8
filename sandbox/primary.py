"""Real primaries on this machine: MySQL and MariaDB servers that keep all their binary logs."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import MySQLdb
from MySQLdb.connections import Connection

from sandbox import processes, templates
from sandbox.certificates import Certificates, make_certificates
from sandbox.ports import free_port
from sandbox.programs import Flavour, find_programs

__all__ = ["Account", "Flavour", "Primary", "Row", "as_account", "programs_found"]

Row = tuple[Any, ...]

_SOCKET_LIMIT = 100
_START_SECONDS = 60.0

_GRANTS: Mapping[Flavour, Sequence[str]] = {
    "mysql": (
        "GRANT REPLICATION SLAVE, REPLICATION CLIENT, BACKUP_ADMIN ON *.* TO {account}",
        # For tables that are not InnoDB, which CLONE leaves empty.
        "GRANT SELECT, LOCK TABLES, TRIGGER ON *.* TO {account}",
    ),
    "mariadb": (
        "GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO {account}",
        # For mariadb-dump.
        "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES, RELOAD ON *.* TO {account}",
    ),
}


@dataclass(frozen=True, slots=True)
class Account:
    """An account on a primary. Unpacks into ``user, password``."""

    user: str
    password: str

    def __iter__(self) -> Any:
        return iter((self.user, self.password))

    def __repr__(self) -> str:
        return f"Account({self.user!r})"


def programs_found(flavour: Flavour, bin_folder: Path | None = None) -> bool:
    """Whether this machine has what a server of this flavour needs."""
    return find_programs(flavour, bin_folder) is not None


def as_account() -> list[str]:
    """The option that a server insists on when it is started by root."""
    return ["--user=root"] if os.geteuid() == 0 else []


class Primary:
    """A server with a row-format binary log and GTIDs, on a free port of loopback, all of it in ``folder``.

    ``options`` are server options by name, without the leading dashes; None stands for an option without a value.
    ``data`` is a data folder to serve instead of a new, empty one (it is used as it is, and only ever moved by the
    server itself). Root has no password and may connect over the socket.
    """

    def __init__(
        self,
        folder: Path,
        flavour: Flavour,
        *,
        bin_folder: Path | None = None,
        tls: Literal["on", "off", "required"] = "on",
        options: Mapping[str, str | None] | None = None,
        data: Path | None = None,
        port: int | None = None,
    ) -> None:
        self.folder = folder
        self.flavour: Flavour = flavour
        self.port = port or free_port()
        self.host = "127.0.0.1"
        self.data = data or folder / "data"
        self.tls = tls
        self.bin_folder = bin_folder
        self.options: dict[str, str | None] = dict(options or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._certificates: Certificates | None = None
        self._socket_folder: Path | None = None

    # ---- life

    def start(self) -> Self:
        """Makes the data folder if there is none, and returns when the server answers. ``ProcessFailed`` if not."""
        programs = find_programs(self.flavour, self.bin_folder)
        if programs is None:
            raise processes.ProcessFailed(f"the programs of {self.flavour} are not on this machine")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.data.exists():
            templates.copy_empty(self.flavour, programs, as_account(), self.data)
        if self.tls != "off" and self._certificates is None:
            self._certificates = make_certificates(self.folder / "tls")
        options = self.folder / "server.cnf"
        options.write_text(self._option_file())
        self._process = processes.start([programs.server, f"--defaults-file={options}", *as_account()], log=self.log)
        self._wait_until_it_answers()
        return self

    def stop(self) -> None:
        """A clean shutdown. Does nothing when it is not running."""
        if self._process is not None:
            self.end_dump_threads()
            status = processes.stop(self._process, grace=60)
            self._process = None
            if status:
                raise processes.ProcessFailed(f"{self.flavour} ended with status {status}:\n{processes.tail(self.log)}")
        if self._socket_folder is not None:
            shutil.rmtree(self._socket_folder, ignore_errors=True)
            self._socket_folder = None

    def kill(self) -> None:
        """``kill -9``; the data folder stays, and ``start`` recovers it."""
        if self._process is not None:
            processes.kill(self._process)
            self._process = None

    def restart(self) -> None:
        """Stops and starts it, on the same port."""
        self.stop()
        self.start()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Raises ``ProcessFailed`` when it is not running."""
        if self._process is None:
            raise processes.ProcessFailed(f"{self.flavour} is not running")
        return self._process.pid

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.kill()
            raise

    def __exit__(self, *details: object) -> None:
        self.stop()

    # ---- use

    @property
    def log(self) -> Path:
        """The server's error log."""
        return self.folder / "error.log"

    @property
    def socket(self) -> Path:
        """A socket path has a limit of about a hundred bytes, so a long folder gets a short one besides."""
        path = self.folder / "mysql.sock"
        if len(os.fsencode(path)) <= _SOCKET_LIMIT:
            return path
        if self._socket_folder is None:
            self._socket_folder = Path(tempfile.mkdtemp(prefix="tidemark-sock-", dir="/tmp"))
        return self._socket_folder / "mysql.sock"

    @property
    def tls_ca(self) -> Path | None:
        """The certificate of the authority that vouches for the server; its name is ``127.0.0.1`` or ``localhost``."""
        return self._certificates.ca if self._certificates else None

    def root(self, database: str | None = None) -> Connection:
        """A new autocommitting connection as root over the socket. Close it."""
        more = {} if database is None else {"database": database}
        connection = MySQLdb.connect(
            unix_socket=str(self.socket), user="root", charset="utf8mb4", autocommit=True, connect_timeout=10, **more
        )
        # A test's own time zone or mode must not depend on the machine's.
        connection.query("SET time_zone = '+00:00'")
        return connection

    def execute(self, sql: str, *arguments: object, database: str | None = None) -> list[Row]:
        """One statement as root on a connection of its own; its rows."""
        with contextlib.closing(self.root(database)) as connection, connection.cursor() as cursor:
            cursor.execute(sql, arguments or None)
            return list(cursor.fetchall())

    def run_script(self, statements: Sequence[str], *, database: str | None = None) -> None:
        """Statements one after the other as root, on one connection."""
        with contextlib.closing(self.root(database)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
                cursor.fetchall()

    def position(self) -> str:
        """The GTID position now, without white space."""
        variable = "@@GLOBAL.gtid_executed" if self.flavour == "mysql" else "@@GLOBAL.gtid_binlog_pos"
        return "".join(str(self.execute(f"SELECT {variable}")[0][0]).split())

    def version(self) -> str:
        return str(self.execute("SELECT VERSION()")[0][0])

    def create_backup_account(self, user: str = "tidemark") -> Account:
        """An account with the rights that Tidemark needs and no others; on MySQL also the CLONE plugin."""
        password = secrets.token_urlsafe(18)
        account = f"'{user}'@'%'"
        with contextlib.closing(self.root()) as connection, connection.cursor() as cursor:
            if self.flavour == "mysql" and not self.execute(
                "SELECT 1 FROM information_schema.plugins WHERE plugin_name = 'clone' AND plugin_status = 'ACTIVE'"
            ):
                cursor.execute("INSTALL PLUGIN clone SONAME 'mysql_clone.so'")
            cursor.execute(f"CREATE USER {account} IDENTIFIED BY '{password}'")
            for grant in _GRANTS[self.flavour]:
                cursor.execute(grant.format(account=account))
        return Account(user, password)

    # ---- inside

    def _option_file(self) -> str:
        options: dict[str, str | None] = {
            "datadir": str(self.data),
            "socket": str(self.socket),
            "pid-file": str(self.folder / "server.pid"),
            "log-error": str(self.log),
            "tmpdir": str(self.folder),
            "bind-address": self.host,
            "port": str(self.port),
            "skip-name-resolve": None,
            "server-id": str(self.port),
            "log-bin": "binlog",
            "character-set-server": "utf8mb4",
            "max-connections": "60",
            "table-open-cache": "400",
            "max-allowed-packet": "64M",
            "innodb-buffer-pool-size": "48M",
            "innodb-flush-log-at-trx-commit": "2",  # what was committed survives a kill, if not a power cut
            "innodb-doublewrite": "0",
            "sync-binlog": "0",
        }
        if self.flavour == "mysql":
            options |= {
                "gtid-mode": "ON",
                "enforce-gtid-consistency": "ON",
                "binlog-expire-logs-seconds": "0",
                "mysqlx": "OFF",
                "secure-file-priv": "NULL",
                "innodb-redo-log-capacity": "64M",
            }
        else:
            options |= {
                "gtid-strict-mode": "ON",
                "binlog-format": "ROW",
                "expire-logs-days": "0",
                "innodb-log-file-size": "64M",
            }
        if self.tls == "off":
            options |= {"tls-version": ""} if self.flavour == "mysql" else {"skip-ssl": None}
        elif self._certificates is not None:
            options |= {
                "ssl-ca": str(self._certificates.ca),
                "ssl-cert": str(self._certificates.certificate),
                "ssl-key": str(self._certificates.key),
            }
        if self.tls == "required":
            options["require-secure-transport"] = "ON"
        lines = ["[mysqld]"]
        for name, value in (options | self.options).items():
            lines.append(name if value is None else f'{name} = "{value}"' if value else f"{name} =")
        return "\n".join(lines) + "\n"

    def dump_threads(self) -> list[int]:
        """The connections of the replicas that are being served."""
        rows = self.execute("SELECT id, command FROM information_schema.processlist")
        return [int(number) for number, command in rows if str(command).startswith("Binlog Dump")]

    def end_dump_threads(self) -> None:
        """Breaks the connections of all replicas. MySQL's shutdown would wait ten seconds for those that are not
        there any more."""
        with contextlib.suppress(MySQLdb.Error):
            for number in self.dump_threads():
                self.execute(f"KILL {number}")

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _START_SECONDS
        while True:
            if self._process.poll() is not None:
                raise processes.ProcessFailed(f"{self.flavour} did not start:\n{processes.tail(self.log)}")
            if self.socket.exists():
                with contextlib.suppress(MySQLdb.OperationalError), contextlib.closing(self.root()):
                    return
            if time.monotonic() > deadline:
                self.kill()
                raise processes.ProcessFailed(f"{self.flavour} does not answer:\n{processes.tail(self.log)}")
            time.sleep(0.03)
