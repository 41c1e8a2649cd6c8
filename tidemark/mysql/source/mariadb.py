"""A MariaDB server as a source."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from tidemark.errors import BinlogsPurged, ErrantTransactions, SourceUnfit
from tidemark.mysql.gtid import GtidPosition, parse_gtids
from tidemark.mysql.source.base import Source, Upstream, row_filters
from tidemark.mysql.versions import Version


class MariaDBSource(Source):
    flavour: ClassVar[str] = "mariadb"
    status_right: ClassVar[str] = "SLAVE MONITOR"
    oldest_version: ClassVar[Version] = (10, 6, 0)
    shared_variables: ClassVar[tuple[str, ...]] = (
        "aria_block_size",
        "character_set_collations",
        "character_set_server",
        "collation_server",
        "default_storage_engine",
        "explicit_defaults_for_timestamp",
        "ft_max_word_len",
        "ft_min_word_len",
        "ft_stopword_file",
        "innodb_compression_algorithm",
        "innodb_compression_default",
        "innodb_data_file_path",
        "innodb_default_row_format",
        "innodb_file_per_table",
        "innodb_ft_enable_stopword",
        "innodb_ft_max_token_size",
        "innodb_ft_min_token_size",
        "innodb_page_size",
        "innodb_strict_mode",
        "innodb_undo_tablespaces",
        "lower_case_table_names",
        "mysql56_temporal_format",
        "system_versioning_alter_history",
    )

    def position(self) -> str:
        return str(GtidPosition.parse(self.session.value("SELECT @@GLOBAL.gtid_binlog_pos")))

    def check_fit(self) -> None:
        self.check_version()
        if not int(self.session.value("SELECT @@GLOBAL.log_bin") or 0):
            raise SourceUnfit(f"{self.endpoint} keeps no binary log (log_bin is OFF)", "start it with log_bin")
        self.check_numbered()
        self.check_logs_rows()
        self.check_rights(["REPLICATION SLAVE", "BINLOG MONITOR"])
        self.check_no_binlog_filter(self.session.rows("SHOW MASTER STATUS"))

    def check_not_errant(self, position: str, whose: str) -> None:
        mine = GtidPosition.parse(position)
        known = [
            gtid
            for name in ("gtid_binlog_state", "gtid_binlog_pos", "gtid_slave_pos")
            for gtid in parse_gtids(self.session.value(f"SELECT @@GLOBAL.{name}"))
        ]
        ahead = mine.ahead_of(known)
        if ahead.domains:
            raise ErrantTransactions(
                f"{whose} is at {mine}, and {self.endpoint} has never seen {ahead} (it is at {self.position()})",
                "see whether this is the right primary; if it is, take a first copy again with --first-backup clone",
            )

    def check_not_purged(self, position: str, since: datetime | None = None) -> None:
        mine, oldest = GtidPosition.parse(position), self._oldest()
        if not mine.reached(oldest):
            raise BinlogsPurged(
                f"{self.endpoint} has purged what follows the backup: its binary logs begin after {oldest}, the "
                f"backup ends at {str(mine) or 'the very start'}",
                self.purged_hint(since),
            )

    def check_replayable(self) -> None:
        oldest = self._oldest()
        if oldest.domains:
            raise BinlogsPurged(
                f"{self.endpoint} no longer has its binary logs from the start: they begin after {oldest}",
                'use first_backup = "clone"',
            )

    def has_purged(self) -> bool:
        return bool(self._oldest().domains)

    def begins_within(self, log: str, position: str) -> bool:
        return GtidPosition.parse(position).reached(self._begins_at(log))

    def upstreams(self) -> list[Upstream]:
        return [
            Upstream(
                host=str(row["Master_Host"]),
                port=int(row["Master_Port"]),
                running=row["Slave_IO_Running"] == "Yes" and row["Slave_SQL_Running"] == "Yes",
                behind=None if row["Seconds_Behind_Master"] is None else float(row["Seconds_Behind_Master"]),
                error=str(row["Last_SQL_Error"] or row["Last_IO_Error"] or ""),
                filters=row_filters(row),
            )
            for row in self.session.rows("SHOW ALL SLAVES STATUS")
        ]

    def _oldest(self) -> GtidPosition:
        """The position at which the oldest binary log begins."""
        logs = self.binary_logs()
        if not logs:
            raise SourceUnfit(f"{self.endpoint} has no binary log file", "see its error log")
        return self._begins_at(logs[0][0])

    def _begins_at(self, log: str) -> GtidPosition:
        return GtidPosition.parse(self.session.value("SELECT BINLOG_GTID_POS(%s, 4)", log))
