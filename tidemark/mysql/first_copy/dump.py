"""MariaDB's first copy: a consistent dump, streamed from the source into the private server, never onto a disk."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tidemark.errors import SourceError, SourceUnfit, TidemarkError
from tidemark.holdings import shortened
from tidemark.mysql import process
from tidemark.mysql.endpoint import Endpoint
from tidemark.mysql.gtid import GtidPosition
from tidemark.mysql.server.private import PrivateServer
from tidemark.mysql.session import Session
from tidemark.mysql.source.base import Source
from tidemark.mysql.source.connect import connect, open_session
from tidemark.mysql.source.login import mariadb_encryption, source_login
from tidemark.progress import Progress, ProgressCallback

_CHUNK = 1 << 20
_REPORT = 0.25
"""Seconds between two reports of progress."""
_LOCK_WAIT = 60
"""Seconds that we wait for running DDL of the source to end."""
_POSITION = re.compile(rb"^(?:-- )?SET GLOBAL gtid_slave_pos='([0-9,\s-]*)';", re.M)
_COMPLETE = re.compile(rb"^-- Dump completed", re.M)
_RIGHTS = (
    "SELECT",
    "RELOAD",
    "LOCK TABLES",
    "REPLICATION SLAVE",
    "BINLOG MONITOR",
    "SHOW VIEW",
    "EVENT",
    "TRIGGER",
)


def copy(server: PrivateServer, endpoint: Endpoint, progress: ProgressCallback) -> str:
    """Leaves the server running on a copy of the source; gives the position of the copy."""
    with connect(endpoint, server.flavour.name) as source:
        source.check_fit()
        source.check_rights(_RIGHTS, statement_rights=", ".join(_RIGHTS))
        _check_nothing_in_doubt(source)
        total = _estimate(source)
        encrypted = source.encrypted
    server.session()  # logged in before the copy replaces all accounts
    encryption = mariadb_encryption(endpoint, encrypted=encrypted)
    with _definitions_held(endpoint) as definitions:
        with source_login(server.layout, endpoint, encryption) as login:
            position = _Stream(server, endpoint, total, progress).run(login)
        server.make_account_again()
        _compare(definitions, server.session(), endpoint)
    server.session().run("SET GLOBAL gtid_slave_pos = %s", position)
    return server.position()


def _check_nothing_in_doubt(source: Source) -> None:
    """A dump has nothing of an XA transaction that is prepared, and its end could never be replicated. Raises
    ``SourceUnfit``."""
    if rows := source.session.rows("XA RECOVER FORMAT = 'SQL'"):
        raise SourceUnfit(
            f"{source.endpoint}: XA transactions are prepared and not ended, and a first copy would lose them: "
            f"{shortened([str(row['data']) for row in rows])}",
            "XA COMMIT or XA ROLLBACK them there, or wait until their owner has, and try again",
        )


def _estimate(source: Source) -> int | None:
    """The bytes of all tables, roughly what will be streamed."""
    text = source.session.value("SELECT SUM(data_length) FROM information_schema.tables WHERE engine IS NOT NULL")
    return int(float(text)) if text else None


@contextlib.contextmanager
def _definitions_held(endpoint: Endpoint) -> Iterator[Session]:
    """Keeps the source's definitions, accounts and non-transactional tables as they are while the block runs: the
    snapshot that the dump reads has none of them in it. Transactions on InnoDB tables go on. Gives the session that
    does it."""
    with open_session(endpoint, answer_timeout=_LOCK_WAIT + 30) as session:
        session.run(f"SET SESSION lock_wait_timeout = {_LOCK_WAIT}, wait_timeout = 31536000")
        try:
            for stage in ("START", "FLUSH", "BLOCK_DDL"):
                session.run(f"BACKUP STAGE {stage}")
        except TidemarkError as error:
            raise SourceError(
                f"{endpoint}: its definitions cannot be held for the copy: {error.message}",
                "a long-running statement or another backup may be in the way; try again later",
            ) from error
        yield session
        _release(session, endpoint)


def _release(session: Session, endpoint: Endpoint) -> None:
    try:
        session.run("BACKUP STAGE END")
    except TidemarkError as error:
        # The lock was gone at some moment: what was dumped since may not fit together.
        raise SourceError(
            f"{endpoint}: the connection that held its definitions was lost during the copy: {error.message}",
            "try again; see whether something between here and there closes idle connections",
        ) from error


def _tables(session: Session) -> dict[str, str]:
    """The engine of every table that is no view, of the schemas that users have."""
    rows = session.rows(
        "SELECT table_schema AS s, table_name AS t, engine AS engine FROM information_schema.tables "
        "WHERE table_schema NOT IN ('information_schema', 'performance_schema', 'mysql', 'sys') "
        "AND table_type NOT LIKE '%VIEW' AND table_type <> 'TEMPORARY'"
    )
    return {f"{row['s']}.{row['t']}": str(row["engine"] or "") for row in rows}


def _compare(source: Session, copy: Session, endpoint: Endpoint) -> None:
    """That every table is there, and of its engine: a server that lacks an engine makes InnoDB's table of it and says
    nothing. Raises ``SourceError``."""
    wanted, found = _tables(source), _tables(copy)
    lines = [f"{name} is missing" for name in sorted(wanted.keys() - found.keys())]
    lines += [
        f"{name} is {wanted[name] or 'of an engine that is not loaded'} there and {found[name] or '(none)'} here"
        for name in sorted(wanted.keys() & found.keys())
        if wanted[name] != found[name]
    ]
    if lines:
        raise SourceError(
            f"{endpoint}: its copy is not what it has: {shortened(lines)}",
            "if the node's server has the storage engine as a plugin, load it: plugins of the shard, such as "
            '["ha_archive"]; else move the table to another engine on the primary',
        )


class _Stream:
    """Two programs and what flows between them."""

    def __init__(
        self, server: PrivateServer, endpoint: Endpoint, total: int | None, progress: ProgressCallback
    ) -> None:
        self._server = server
        self._endpoint = endpoint
        self._total = total
        self._progress = progress

    def run(self, login: Path) -> str:
        """Streams the whole dump; gives the position that it was taken at. Both programs must end well, and the dump
        must say that it is complete."""
        tmp = self._server.layout.tmp
        with (tmp / "dump.err").open("w+b") as dump_errors, (tmp / "load.err").open("w+b") as load_errors:
            dump = self._spawn(self._dump_command(login), stdout=subprocess.PIPE, stderr=dump_errors.fileno())
            load = None
            try:
                load = self._spawn(self._load_command(), stdin=subprocess.PIPE, stderr=load_errors.fileno())
                head, tail = self._pump(dump, load)
                statuses = dump.wait(), load.wait()
            finally:
                for program in (dump, load):
                    _end(program)
            said = _text(dump_errors.fileno()), _text(load_errors.fileno())
        # Newer versions print the snapshot's position at the end, older ones at the beginning.
        positions = _POSITION.findall(tail) or _POSITION.findall(head)
        # The dump is looked at first, unless it only complains that nobody reads it any more.
        if statuses[1] and (not statuses[0] or said[1]):
            raise SourceError(f"{self._endpoint}: its dump cannot be loaded here: {said[1]} (status {statuses[1]})")
        if statuses[0] or not _COMPLETE.search(tail):
            raise SourceError(
                f"{self._endpoint}: the dump broke off: {said[0] or 'no reason given'} (status {statuses[0]})",
                _hint(said[0]),
            )
        if not positions:
            raise SourceError(f"{self._endpoint}: the dump does not say which position it was taken at")
        return str(GtidPosition.parse(positions[-1].decode()))

    def _pump(self, dump: subprocess.Popen[bytes], load: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
        """Gives the stream's beginning and end."""
        if dump.stdout is None or load.stdin is None:
            raise ValueError("both programs are started with a pipe")
        source, target = dump.stdout.fileno(), load.stdin.fileno()
        head, tail, done, said = bytearray(), b"", 0, 0.0
        with contextlib.suppress(BrokenPipeError):  # its exit status tells why nobody reads
            while chunk := os.read(source, _CHUNK):
                if len(head) < 1 << 16:
                    head += chunk
                tail = (tail + chunk)[-4096:]
                view = memoryview(chunk)
                while view:
                    view = view[os.write(target, view) :]
                done += len(chunk)
                if time.monotonic() - said > _REPORT:
                    said = time.monotonic()
                    total = max(self._total, done) if self._total else None
                    self._progress(Progress("copying", done, total, "B"))
        dump.stdout.close()
        load.stdin.close()
        return bytes(head), tail

    def _spawn(self, command: list[str], **pipes: int) -> subprocess.Popen[bytes]:
        started: subprocess.Popen[bytes] = subprocess.Popen(
            process.bound_to_us(command),
            bufsize=0,
            start_new_session=True,
            env=process.environment(self._server.layout.tmp),
            **({"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL} | pipes),  # type: ignore[call-overload]
        )
        return started

    def _dump_command(self, login: Path) -> list[str]:
        return [
            str(self._server.flavour.programs.find("mariadb-dump", "mysqldump")),
            f"--defaults-file={login}",
            "--all-databases",
            "--single-transaction",
            "--master-data=2",
            "--gtid",
            "--routines",
            "--events",
            "--triggers",
            "--hex-blob",
            "--default-character-set=utf8mb4",
            "--max-allowed-packet=1G",
            "--loose-dump-history",
            # The private server's own, and what it works out again by itself.
            # A disk's own folder, which a server takes for a schema.
            "--ignore-database=#mysql50#lost+found",
            "--ignore-table=mysql.gtid_slave_pos",
            "--ignore-table=mysql.innodb_index_stats",
            "--ignore-table=mysql.innodb_table_stats",
        ]

    def _load_command(self) -> list[str]:
        return [
            *self._server.client_command(),
            "--init-command=SET SESSION sql_log_bin=0",
            "--default-character-set=utf8mb4",
            "--max-allowed-packet=1G",
        ]


def _hint(said: str) -> str:
    """What to try when a dump has broken off with these words."""
    if "references invalid" in said or "(1356)" in said or " 1356" in said:
        return (
            "mend or drop that view on the source; where it calls a function, the account needs the right to: "
            "GRANT EXECUTE ON *.*"
        )
    return "nothing of it is kept; see the source's error log and max_allowed_packet, and try again"


def _end(program: subprocess.Popen[bytes] | None) -> None:
    if program is None:
        return
    if program.poll() is None:
        program.kill()
        program.wait()
    for pipe in (program.stdin, program.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def _text(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.read(descriptor, 65536).decode("utf-8", "replace").strip()[-1000:]
