"""The primary, or a replica that stands in for it, as a source: asked a few questions, never read from for the data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, ClassVar, Self

from tidemark.errors import SourceDenied, SourceUnfit
from tidemark.mysql.endpoint import Endpoint
from tidemark.mysql.session import Session
from tidemark.mysql.versions import Version, parse_version

_BUILT_IN = "(built-in)"
"""How a server shows a file's name that was never set; it would not take that itself."""


MADE_WITH = frozenset(
    {
        "aria_block_size",
        "innodb_data_file_path",
        "innodb_page_size",
        "innodb_undo_tablespaces",
        "lower_case_table_names",
        "mysql56_temporal_format",
    }
)
"""Variables that a data folder is made with."""

_NO_FILTERS = frozenset({"replicate_annotate_row_events"})
"""Variables that are called like filters, and are none."""


def row_filters(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The filters in a row of ``SHOW REPLICA STATUS``."""
    return tuple(f"{name} = {value}" for name, value in row.items() if name.startswith("Replicate_") and value)


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
    filters: tuple[str, ...] = ()
    """What the source leaves out, or changes, of that server's transactions, as ``Replicate_Ignore_Table = d.t``."""


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

    def warnings(self) -> tuple[str, ...]:
        """What is allowed and may still make a copy differ, one line each; none when all is well."""
        if self._binlog_format() == "MIXED":
            return (
                f"{self.endpoint} logs some statements as text (binlog_format = MIXED): they are run again on the "
                "private server, and may give other values there; set binlog_format = ROW on it",
            )
        return ()

    def check_numbered(self) -> None:
        """Raises ``SourceUnfit`` for a server without a number: it refuses every replica."""
        if self.session.value("SELECT @@GLOBAL.server_id") == "0":
            raise SourceUnfit(
                f"{self.endpoint} has no number (server_id = 0), so nobody can replicate from it",
                "SET GLOBAL server_id to a number that no other server has, and put that into its configuration",
            )

    def check_logs_rows(self) -> None:
        """Raises ``SourceUnfit`` for a source that logs statements as text: to run one again may give other values."""
        if self._binlog_format() == "STATEMENT":
            raise SourceUnfit(
                f"{self.endpoint} logs statements as text (binlog_format = STATEMENT): to run them again on another "
                "server may give other values",
                "SET GLOBAL binlog_format = ROW on it and in its configuration, and let all sessions connect anew",
            )

    def _binlog_format(self) -> str:
        rows = self.session.rows("SHOW GLOBAL VARIABLES LIKE 'binlog_format'")
        return str(rows[0]["Value"]).upper() if rows else "ROW"  # a server without the variable knows nothing else

    def server_filters(self) -> tuple[str, ...]:
        """Filters and tolerated errors that hold for whatever this server replicates, as ``name = value``."""
        rows = self.session.rows(
            "SHOW GLOBAL VARIABLES WHERE Variable_name LIKE 'replicate\\_%' "
            "OR Variable_name IN ('slave_skip_errors', 'replica_skip_errors')"
        )
        return tuple(
            f"{row['Variable_name']} = {row['Value']}"
            for row in rows
            if row["Variable_name"] not in _NO_FILTERS and str(row["Value"]).upper() not in {"", "OFF", "REPLICATE"}
        )

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

    def changing_variables(self) -> dict[str, str]:
        """Those of ``variables`` that an operator may have changed since: what statements mean and new tables become.
        The others are how the files are made, and stay what they were when these were."""
        return {name: value for name, value in self.variables().items() if name not in MADE_WITH}

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
