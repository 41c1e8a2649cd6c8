"""The primary, or a replica that stands in for it, as a source: asked a few questions, never read from for the data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, ClassVar, Self

from tidemark.errors import SourceDenied, SourceError, SourceUnfit, SourceUnreachable
from tidemark.mysql.endpoint import Endpoint
from tidemark.mysql.session import LOST, Session
from tidemark.mysql.source.handshake import offers_encryption
from tidemark.mysql.versions import Version, parse_version

CONNECT_TIMEOUT = 10
"""Seconds until a source counts as unreachable."""
ANSWER_TIMEOUT = 60
"""Seconds that one of our short questions may take."""

UNREACHABLE = LOST | {1040, 1053, 1129, 1159, 1161, 1205, 2002, 2003, 2005, 2012}
"""Error numbers of a server that is down, full, starting, blocking us or gone."""
DENIED = frozenset(
    {1044, 1045, 1130, 1132, 1142, 1143, 1227, 1251, 1370, 1396, 1410, 1698, 1820, 1862, 3118, 3878, 4151}
)
"""Error numbers of an account, a password or a right that is refused."""
TLS = frozenset({2026, 3159})
"""Error numbers of an encryption that the two ends do not agree on."""
_CUT_OFF = ("unexpected eof", "reset by peer", "Broken pipe", "system error", "Connection was closed")
"""Words of a TLS error that tells of a server which died in the middle of the handshake."""


_BUILT_IN = "(built-in)"
"""How a server shows a file's name that was never set; it would not take that itself."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """One server that a source itself replicates from."""

    host: str
    port: int
    running: bool
    """Whether it receives and applies."""
    behind: float | None
    """Seconds behind that server, as the source estimates; None when it cannot tell."""
    error: str
    """What stopped it, or keeps it from connecting."""


class Source(ABC):
    """An open connection to a source. ``connect`` makes one of the right kind; close it, or use ``with``."""

    flavour: ClassVar[str]
    status_right: ClassVar[str]
    """The right to see what a server replicates."""
    oldest_version: ClassVar[Version]
    """What older servers lack is not worked around."""

    def __init__(self, endpoint: Endpoint, session: Session, version: str) -> None:
        self.endpoint = endpoint
        self.session = session
        self.version = version
        """As the server tells it: ``10.11.19-MariaDB-log``."""
        self.encrypted = bool(next((row["Value"] for row in session.rows("SHOW SESSION STATUS LIKE 'Ssl_cipher'")), ""))
        """Whether this connection is, and so whether replication from here can be."""

    @abstractmethod
    def position(self) -> str:
        """The last position in the source's binary log; normalised. This is what a checkpoint is."""

    @abstractmethod
    def check_fit(self) -> None:
        """Raises ``SourceUnfit`` for a source that cannot be replicated from, ``SourceDenied`` for a missing right."""

    def check_follows(self, position: str, since: datetime | None = None) -> None:
        """Whether a backup at this position can catch up here. Raises ``ErrantTransactions`` when it holds what this
        source never had, ``BinlogsPurged`` when what follows it is gone. ``since`` is when the primary was there: it
        tells how long the binary logs should have been kept."""
        self.check_not_errant(position, "the backup")
        self.check_not_purged(position, since)

    @abstractmethod
    def check_not_errant(self, position: str, whose: str) -> None:
        """Raises ``ErrantTransactions`` when the position holds what this source never had; ``whose`` says whose it
        is: ``the backup``."""

    @abstractmethod
    def check_not_purged(self, position: str, since: datetime | None = None) -> None:
        """Raises ``BinlogsPurged`` when what follows the position is gone here."""

    @abstractmethod
    def check_replayable(self) -> None:
        """Raises ``BinlogsPurged`` unless the source still has its binary logs from the very start."""

    @abstractmethod
    def has_purged(self) -> bool:
        """Whether any binary log was ever removed here."""

    @abstractmethod
    def begins_within(self, log: str, position: str) -> bool:
        """Whether all that stands before this binary log is in the position."""

    @abstractmethod
    def upstreams(self) -> list[Upstream]:
        """The servers that it replicates from itself; none for a primary. Raises ``SourceDenied`` without the right
        to see them."""

    def takes_writes(self) -> bool:
        """Whether it is open for writes, as a primary is and a replica should not be."""
        return self.session.value("SELECT @@GLOBAL.read_only").upper() in {"0", "OFF"}

    def binary_logs(self) -> list[tuple[str, int]]:
        """Name and bytes of each, the oldest first. Raises ``SourceDenied`` without the right to see them."""
        return [(str(row["Log_name"]), int(row["File_size"])) for row in self.session.rows("SHOW BINARY LOGS")]

    def retention(self) -> int | None:
        """Seconds for which it keeps its binary logs; 0 when it removes none by their age, None when it does not
        say."""
        rows = self.session.rows(
            "SHOW GLOBAL VARIABLES WHERE Variable_name IN "
            "('binlog_expire_logs_seconds', 'binlog_expire_logs_auto_purge')"
        )
        found = {str(row["Variable_name"]).lower(): str(row["Value"]).upper() for row in rows}
        if found.get("binlog_expire_logs_auto_purge") == "OFF":
            return 0
        text = found.get("binlog_expire_logs_seconds")
        return None if text is None else int(float(text))

    def purged_hint(self, since: datetime | None) -> str:
        """What would have kept the binary logs, and how to start again without them."""
        now = self.retention()
        seen = "" if now is None else f" (it is {now})" if now else " (it is 0: something else removes them)"
        again = "take a first copy again with --first-backup clone"
        if since is None:
            return f"raise binlog_expire_logs_seconds there{seen}, or {again}"
        age = max(0, int((datetime.now(UTC) - since).total_seconds()))
        return (
            f"the backup is {age / 3600:.1f} h old: to follow it, binlog_expire_logs_seconds would have had to be more "
            f"than {age} there{seen}; raise it to three cycles or more, and {again}"
        )

    shared_variables: ClassVar[tuple[str, ...]]
    """Variables that change how data is stored, or what a replicated statement means."""

    def variables(self) -> dict[str, str]:
        """What a private server must have in common with this source; by name, as an option file writes it."""
        names = ", ".join(f"'{name}'" for name in self.shared_variables)
        rows = self.session.rows(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})")
        found = {str(row["Variable_name"]).lower(): str(row["Value"]) for row in rows}
        found = {name: value for name, value in found.items() if value not in {"", _BUILT_IN}}
        if "innodb_data_file_path" in found:
            parts = found["innodb_data_file_path"].split(";")
            # Wherever the source keeps its system tablespace, the private server has it in its data folder.
            found["innodb_data_file_path"] = ";".join(part.rsplit("/", 1)[-1] for part in parts)
        return dict(sorted(found.items()))

    def check_version(self) -> None:
        """Raises ``SourceUnfit`` for a server that is too old."""
        if parse_version(self.version) < self.oldest_version:
            oldest = ".".join(map(str, self.oldest_version))
            raise SourceUnfit(f"{self.endpoint} runs {self.flavour} {self.version}", f"{oldest} or newer is needed")

    def check_rights(self, needed: Iterable[str], *, statement_rights: str = "") -> None:
        """Raises ``SourceDenied`` with the GRANT to type, unless the account has these global rights."""
        missing = [right for right in needed if right not in self.rights()]
        if missing:
            raise SourceDenied(
                f"{self.endpoint}: the account {self.endpoint.user} lacks {', '.join(missing)}",
                f"on the source: GRANT {statement_rights or ', '.join(missing)} ON *.* TO {self.account()};",
            )

    def account(self) -> str:
        """The account as a GRANT writes it."""
        user, _, host = self.session.value("SELECT CURRENT_USER()").rpartition("@")
        return f"'{user}'@'{host}'"

    def rights(self) -> frozenset[str]:
        """The account's global rights, by the names that ``SHOW GRANTS`` has for them; all of them, if it has all."""
        found: set[str] = set()
        for line in self.grants():
            rights, separator, rest = line.removeprefix("GRANT ").partition(" ON *.* TO ")
            if separator and rest:
                found |= {right.strip() for right in rights.split(",")}
        return _All() if found & {"ALL PRIVILEGES", "ALL"} else frozenset(found)

    def grants(self) -> list[str]:
        """``SHOW GRANTS`` for the account, its active roles included."""
        return [str(next(iter(row.values()))) for row in self.session.rows("SHOW GRANTS")]

    def check_no_binlog_filter(self, status: Iterable[dict[str, Any]]) -> None:
        """Raises ``SourceUnfit`` when the source leaves schemas out of its binary log: nobody could follow it."""
        for row in status:
            for column in ("Binlog_Do_DB", "Binlog_Ignore_DB"):
                if row.get(column):
                    raise SourceUnfit(
                        f"{self.endpoint} leaves schemas out of its binary log ({column} = {row[column]})",
                        "take binlog_do_db and binlog_ignore_db out of its configuration",
                    )

    def close(self) -> None:
        """Closes the connection."""
        self.session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class _All(frozenset[str]):
    def __contains__(self, _right: object) -> bool:
        return True


def connect(endpoint: Endpoint, flavour: str = "auto") -> Source:
    """Connects within 10 seconds. Raises ``SourceUnreachable``, ``SourceDenied``, or ``SourceUnfit`` for a server of
    another flavour or without the encryption that is asked for."""
    from tidemark.mysql.source.mariadb import MariaDBSource
    from tidemark.mysql.source.mysql import MySQLSource

    session = open_session(endpoint)
    try:
        version = session.value("SELECT @@GLOBAL.version")
        kind: type[Source] = MariaDBSource if "mariadb" in version.lower() else MySQLSource
        if flavour not in {"auto", kind.flavour}:
            raise SourceUnfit(
                f"{endpoint} runs {kind.flavour} {version}, not {flavour}",
                'set flavour = "auto", or the right host and port',
            )
        source = kind(endpoint, session, version)
        if endpoint.tls in {"required", "verify"} and not source.encrypted:
            raise _no_tls(endpoint)
    except BaseException:
        session.close()
        raise
    return source


def open_session(endpoint: Endpoint, *, answer_timeout: int = ANSWER_TIMEOUT) -> Session:
    """A session with a source; for statements that take longer, with another time limit (seconds)."""
    arguments: dict[str, Any] = {}
    match endpoint.tls:
        case "disabled":
            arguments["ssl_mode"] = "DISABLED"
        case "verify":
            arguments |= {"ssl_mode": "VERIFY_IDENTITY", "ssl": {"ca": str(endpoint.tls_ca)} if endpoint.tls_ca else {}}
        case _:
            arguments["ssl_mode"] = "REQUIRED" if _can_encrypt(endpoint) else "DISABLED"
    return Session(
        lambda number, message: translate(endpoint, number, message),
        secrets=(endpoint.password,),
        host=endpoint.host,
        port=endpoint.port,
        user=endpoint.user,
        password=endpoint.password,
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=answer_timeout,
        write_timeout=answer_timeout,
        **arguments,
    )


def _can_encrypt(endpoint: Endpoint) -> bool:
    try:
        offered = offers_encryption(endpoint, CONNECT_TIMEOUT)
    except OSError as error:
        raise translate(endpoint, 2003, f"cannot connect: {error.strerror or error}") from error
    if not offered and endpoint.tls == "required":
        raise _no_tls(endpoint)
    return offered


def translate(endpoint: Endpoint, number: int, message: str) -> SourceError:
    """What an error of a source means to a person."""
    seen = f"{endpoint}: {message} ({number})"
    if number in DENIED:
        return SourceDenied(seen, f"check user ({endpoint.user}) and password_file, and the account's rights and host")
    if number in TLS and not any(word in message for word in _CUT_OFF):
        return SourceUnfit(seen, f'tls is "{endpoint.tls}": set it to what the server offers, tls_ca to its authority')
    if number in UNREACHABLE | TLS:
        return SourceUnreachable(seen, "check host and port, that the server runs, and that this node may reach it")
    return SourceError(seen)


def _no_tls(endpoint: Endpoint) -> SourceUnfit:
    return SourceUnfit(
        f'{endpoint} offers no encryption, and tls is "{endpoint.tls}"',
        'give the server a certificate, or set tls = "preferred"',
    )
