"""A MySQL server as a source."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from tidemark.errors import BinlogsPurged, ErrantTransactions, SourceError, SourceUnfit
from tidemark.mysql.gtid import GtidSet
from tidemark.mysql.source.base import Source, Upstream, row_filters
from tidemark.mysql.versions import Version, parse_version


class MySQLSource(Source):
    flavour: ClassVar[str] = "mysql"
    status_right: ClassVar[str] = "REPLICATION CLIENT"
    oldest_version: ClassVar[Version] = (8, 0, 0)
    shared_variables: ClassVar[tuple[str, ...]] = (
        "character_set_server",
        "collation_server",
        "default_storage_engine",
        "explicit_defaults_for_timestamp",
        "ft_max_word_len",
        "ft_min_word_len",
        "ft_stopword_file",
        "innodb_data_file_path",
        "innodb_default_row_format",
        "innodb_file_per_table",
        "innodb_ft_enable_stopword",
        "innodb_ft_max_token_size",
        "innodb_ft_min_token_size",
        "innodb_page_size",
        "innodb_strict_mode",
        "lower_case_table_names",
        "ngram_token_size",
        "partial_revokes",
    )

    def position(self) -> str:
        return str(GtidSet.parse(self.session.value("SELECT @@GLOBAL.gtid_executed")))

    def check_fit(self) -> None:
        self.check_version()
        settings = self.session.rows("SELECT @@GLOBAL.log_bin AS log_bin, @@GLOBAL.gtid_mode AS gtid_mode")[0]
        if not int(settings["log_bin"]):
            raise SourceUnfit(f"{self.endpoint} keeps no binary log (log_bin is OFF)", "start it with log_bin")
        if settings["gtid_mode"] != "ON":
            raise SourceUnfit(
                f"{self.endpoint} does not number its transactions (gtid_mode is {settings['gtid_mode']})",
                "set enforce_gtid_consistency = ON and gtid_mode = ON there",
            )
        self.check_numbered()
        self.check_logs_rows()
        self.check_rights(["REPLICATION SLAVE", "REPLICATION CLIENT"])  # the second one to see filters
        modern = parse_version(self.version) >= (8, 2, 0)
        self.check_no_binlog_filter(self.session.rows("SHOW BINARY LOG STATUS" if modern else "SHOW MASTER STATUS"))

    def check_not_errant(self, position: str, whose: str) -> None:
        errant = GtidSet.parse(position) - GtidSet.parse(self.position())
        if len(errant):
            raise ErrantTransactions(
                f"{whose} holds {len(errant)} transactions that {self.endpoint} has never seen: {errant}",
                "see whether this is the right primary; if it is, take a first copy again with --first-backup clone",
            )

    def check_not_purged(self, position: str, since: datetime | None = None) -> None:
        mine = GtidSet.parse(position)
        purged = self._purged() - mine
        if len(purged):
            raise BinlogsPurged(
                f"{self.endpoint} has purged {len(purged)} transactions that follow the backup at "
                f"{str(mine) or 'the very start'}: {purged}",
                self.purged_hint(since),
            )

    def check_replayable(self) -> None:
        purged = self._purged()
        if len(purged):
            raise BinlogsPurged(
                f"{self.endpoint} no longer has its binary logs from the start: {purged} is purged",
                'use first_backup = "clone"',
            )

    def has_purged(self) -> bool:
        return bool(len(self._purged()))

    def begins_within(self, log: str, position: str) -> bool:
        for event in self.session.rows("SHOW BINLOG EVENTS IN %s LIMIT 2", log):
            if event["Event_type"] == "Previous_gtids":
                return GtidSet.parse(position).contains(GtidSet.parse(str(event["Info"])))
        raise SourceUnfit(f"{self.endpoint}: {log} does not say what was before it", "see gtid_mode there")

    def upstreams(self) -> list[Upstream]:
        return [
            Upstream(
                host=str(row["Source_Host"]),
                port=int(row["Source_Port"]),
                running=row["Replica_IO_Running"] == "Yes" and row["Replica_SQL_Running"] == "Yes",
                behind=None if row["Seconds_Behind_Source"] is None else float(row["Seconds_Behind_Source"]),
                error=str(row["Last_SQL_Error"] or row["Last_IO_Error"] or ""),
                filters=row_filters(row),
            )
            for row in self.session.rows("SHOW REPLICA STATUS")
        ]

    def _purged(self) -> GtidSet:
        return GtidSet.parse(self.session.value("SELECT @@GLOBAL.gtid_purged"))

    def grants(self) -> list[str]:
        """Roles that a login activates stand in ``SHOW GRANTS`` by name only, unless one asks for them."""
        roles = self.session.value("SELECT CURRENT_ROLE()")
        if roles in {"", "NONE"}:
            return super().grants()
        try:
            rows = self.session.rows(f"SHOW GRANTS FOR CURRENT_USER() USING {roles}")
        except SourceError:
            return super().grants()
        return [str(next(iter(row.values()))) for row in rows]
