"""MySQL's first copy: the CLONE plugin for InnoDB, and a dump under a short lock for all that CLONE copies empty."""

from __future__ import annotations

import threading
from pathlib import Path

from tidemark.errors import (
    ServerError,
    SourceDenied,
    SourceError,
    SourceUnfit,
    TidemarkError,
)
from tidemark.mysql.endpoint import Endpoint
from tidemark.mysql.gtid import GtidSet
from tidemark.mysql.replication.catchup import Limits, replicate_until
from tidemark.mysql.server.private import PrivateServer
from tidemark.mysql.session import Session, quote_name
from tidemark.mysql.source.base import Source
from tidemark.mysql.source.connect import connect, open_session
from tidemark.mysql.source.login import mysql_encryption, source_login
from tidemark.mysql.versions import parse_version
from tidemark.progress import Progress, ProgressCallback

_RESTART_FAILED = 3707
"""CLONE has replaced the data folder and nobody supervises the server: it shuts down, and we start it again."""
_LOCK_WAIT = 60
"""Seconds that we wait for a lock on the source's tables."""
_STALL = 600.0
"""Seconds without progress after which the short catch-up between clone and dump is given up."""

Table = tuple[str, str]
"""Schema and name."""


def copy(server: PrivateServer, endpoint: Endpoint, progress: ProgressCallback) -> str:
    """Leaves the server running on a copy of the source; gives the position of the copy."""
    with connect(endpoint, server.flavour.name) as source:
        _check_donor(source, server.flavour.server_version)
        encrypted = source.encrypted
    _clone(server, endpoint, encrypted, progress)
    tables = _copied_empty(server.session())
    return _fetch(server, endpoint, tables, encrypted, progress) if tables else server.position()


def _check_donor(source: Source, our_version: str) -> None:
    source.check_fit()
    account = source.account()
    if (
        source.session.value("SELECT plugin_status FROM information_schema.plugins WHERE plugin_name='clone'")
        != "ACTIVE"
    ):
        raise SourceUnfit(
            f"{source.endpoint} has no CLONE plugin",
            f"on the source: INSTALL PLUGIN clone SONAME 'mysql_clone.so'; GRANT BACKUP_ADMIN ON *.* TO {account};",
        )
    source.check_rights(["BACKUP_ADMIN"])
    ours, theirs = parse_version(our_version), parse_version(source.version)
    if ours[:2] != theirs[:2]:
        raise SourceUnfit(
            f"{source.endpoint} runs MySQL {source.version}, and CLONE needs the same series here, not {our_version}",
            f'install MySQL {theirs[0]}.{theirs[1]} on this node, or use first_backup = "replay"',
        )


def _clone(server: PrivateServer, endpoint: Endpoint, encrypted: bool, progress: ProgressCallback) -> None:
    session = server.session()
    if not session.rows("SELECT 1 FROM information_schema.plugins WHERE plugin_name = 'clone'"):
        session.run("INSTALL PLUGIN clone SONAME 'mysql_clone.so'")
    session.run("SET GLOBAL clone_valid_donor_list = %s", f"{endpoint.tcp_host}:{endpoint.port}")
    if endpoint.tls == "verify" and endpoint.tls_ca:
        session.run("SET GLOBAL clone_ssl_ca = %s", str(endpoint.tls_ca))
    job = _CloneJob(server, endpoint, encrypted)
    job.start()
    try:
        while job.is_alive():
            _report(session, progress)
            job.join(0.5)
    except BaseException:
        server.kill()  # ends the statement too: a thread in it cannot be interrupted
        raise
    job.raise_unless_done()
    if not server.wait_for_exit(server.options.stop_timeout):
        raise ServerError("the private server did not shut down after the clone", "see its error log")
    server.start_again(progress)


class _CloneJob(threading.Thread):
    """CLONE as a statement of its own session: it takes as long as it takes."""

    def __init__(self, server: PrivateServer, endpoint: Endpoint, encrypted: bool) -> None:
        super().__init__(name="clone", daemon=True)
        self._server = server
        self._endpoint = endpoint
        self._encrypted = encrypted
        self._error: TidemarkError | None = None

    def run(self) -> None:
        try:
            with self._server.open_session(secrets=(self._endpoint.password,)) as session:
                session.run(
                    f"CLONE INSTANCE FROM %s@%s:{self._endpoint.port} IDENTIFIED BY %s "
                    f"REQUIRE {'SSL' if self._encrypted else 'NO SSL'}",
                    self._endpoint.user,
                    self._endpoint.tcp_host,
                    self._endpoint.password,
                )
        except TidemarkError as error:
            self._error = error

    def raise_unless_done(self) -> None:
        number = getattr(self._error, "number", 0)
        if number == _RESTART_FAILED:
            return
        if self._error is None:
            raise ServerError("the clone ended without the restart that completes it", "see the server's error log")
        hint = 'see the error; it is the servers\' own. To start without CLONE: first_backup = "replay"'
        if "keyring" in self._error.message.lower() or "encrypt" in self._error.message.lower():
            hint = "encrypted tables need the primary's keyring; Tidemark cannot back them up"
        raise SourceError(f"{self._endpoint}: the clone failed: {self._error.message}", hint) from self._error


def _report(session: Session, progress: ProgressCallback) -> None:
    try:
        rows = session.rows("SELECT stage, estimate, data FROM performance_schema.clone_progress WHERE estimate > 0")
    except TidemarkError:
        return  # the server is on its way down: the clone's own session tells how it went
    stage = str(rows[-1]["stage"]).lower() if rows else "connecting"
    done = sum(int(row["data"]) for row in rows)
    total = sum(int(row["estimate"]) for row in rows)
    progress(Progress("cloning", min(done, total), total or None, "B", stage))


def _copied_empty(session: Session) -> list[Table]:
    """The tables that CLONE has copied without their rows: all that are not InnoDB."""
    rows = session.rows(
        "SELECT table_schema AS s, table_name AS t FROM information_schema.tables WHERE table_type = 'BASE TABLE' "
        "AND engine IS NOT NULL AND engine <> 'InnoDB' "
        "AND table_schema NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema') "
        "ORDER BY table_schema, table_name"
    )
    return [(str(row["s"]), str(row["t"])) for row in rows]


def _fetch(
    server: PrivateServer, endpoint: Endpoint, tables: list[Table], encrypted: bool, progress: ProgressCallback
) -> str:
    """Dumps these tables at one position under a read lock, catches up to there without them, loads them."""
    progress(Progress(f"copying {len(tables)} tables that are not InnoDB", 0, None, "B"))
    with open_session(endpoint, answer_timeout=_LOCK_WAIT + 30) as lock:
        locked = _lock(lock, endpoint, tables)
        position = str(GtidSet.parse(lock.value("SELECT @@GLOBAL.gtid_executed")))
        dumps = _dump(server, endpoint, locked, encrypted)
        lock.run("UNLOCK TABLES")
    session = server.session()
    session.run("STOP REPLICA")
    session.run(
        f"CHANGE REPLICATION FILTER REPLICATE_IGNORE_TABLE = ({', '.join(quote_name(*table) for table in tables)})"
    )
    replicate_until(server, lambda: endpoint, position, Limits(_STALL), progress=progress)
    triggers = _triggers(server.session(), tables)
    for schema, path in dumps.items():
        with path.open("rb") as stream:
            command = [*server.client_command(), "--default-character-set=utf8mb4", schema]
            server.run_program(command, f"loading tables of {schema}", timeout=None, stdin=stream.fileno())
        path.unlink()
    _check_triggers(endpoint, triggers - _triggers(server.session(), tables))
    server.session().run("CHANGE REPLICATION FILTER REPLICATE_IGNORE_TABLE = ()")
    return server.position()


def _triggers(session: Session, tables: list[Table]) -> frozenset[Table]:
    """The triggers of these tables; CLONE copies them, as it does all definitions."""
    rows = session.rows(
        "SELECT trigger_schema AS s, trigger_name AS t, event_object_table AS o FROM information_schema.triggers"
    )
    return frozenset((str(row["s"]), str(row["t"])) for row in rows if (str(row["s"]), str(row["o"])) in tables)


def _check_triggers(endpoint: Endpoint, lost: frozenset[Table]) -> None:
    """A dump by an account without the right to see triggers leaves them out and says nothing."""
    if lost:
        user = endpoint.user
        raise SourceDenied(
            f"{endpoint}: the account {user} may not see the triggers of tables that are not InnoDB, among them "
            f"{'.'.join(min(lost))}: a copy by it would lack them",
            f"on the source: GRANT TRIGGER ON *.* TO the account {user}; or convert the tables: ALTER TABLE ... "
            "ENGINE=InnoDB",
        )


def _lock(session: Session, endpoint: Endpoint, tables: list[Table]) -> list[Table]:
    """Locks those that are still there against writes; gives them."""
    session.run(f"SET SESSION lock_wait_timeout = {_LOCK_WAIT}")
    left = list(tables)
    while left:
        try:
            session.run("LOCK TABLES " + ", ".join(f"{quote_name(*table)} READ" for table in left))
            return left
        except SourceDenied as error:
            user = session.value("SELECT CURRENT_USER()")
            raise SourceDenied(
                f"{error.message}; {len(tables)} tables are not InnoDB, and CLONE copies those empty, among them "
                f"{'.'.join(tables[0])}",
                f"on the source: GRANT SELECT, LOCK TABLES, TRIGGER ON *.* TO {_quoted(user)}; "
                "or convert them: ALTER TABLE ... ENGINE=InnoDB",
            ) from error
        except SourceError:
            there = [table for table in left if _exists(session, table)]
            if there == left:
                raise
            left = there
    return left


def _exists(session: Session, table: Table) -> bool:
    return bool(
        session.rows("SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s", *table)
    )


def _dump(server: PrivateServer, endpoint: Endpoint, tables: list[Table], encrypted: bool) -> dict[str, Path]:
    """One file per schema, with the tables' definitions, rows and triggers."""
    encryption = mysql_encryption(endpoint, encrypted=encrypted)
    dumps: dict[str, Path] = {}
    with source_login(server.layout, endpoint, encryption) as login:
        for schema in dict.fromkeys(schema for schema, _ in tables):
            dumps[schema] = server.layout.tmp / f"tables-{len(dumps)}.sql"
            command = [
                str(server.flavour.programs.find("mysqldump")),
                f"--defaults-file={login}",
                f"--result-file={dumps[schema]}",
                "--skip-lock-tables",
                "--set-gtid-purged=OFF",
                "--no-tablespaces",
                "--triggers",
                "--hex-blob",
                "--default-character-set=utf8mb4",
                "--max-allowed-packet=1G",
                "--",
                schema,
                *(table for of, table in tables if of == schema),
            ]
            server.run_program(command, f"{endpoint}: dumping tables of {schema}", timeout=None)
    return dumps


def _quoted(account: str) -> str:
    user, _, host = account.rpartition("@")
    return f"'{user}'@'{host}'"
