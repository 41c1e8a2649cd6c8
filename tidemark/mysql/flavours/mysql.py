"""MySQL as a flavour."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tidemark.errors import ProgramMissing, ServerError
from tidemark.holdings import InventoryTablespace
from tidemark.mysql.data_folder.start_command import start_command
from tidemark.mysql.endpoint import Endpoint
from tidemark.mysql.flavours.base import ReplicaStatus, inside, system_files
from tidemark.mysql.flavours.programs import Programs
from tidemark.mysql.gtid import GtidSet
from tidemark.mysql.layout import Layout
from tidemark.mysql.options import OptionValues, ServerOptions
from tidemark.mysql.session import Session
from tidemark.mysql.source.login import mysql_encryption
from tidemark.mysql.versions import check_can_open, mysql_needs, parse_version

OLDEST_VERSION = (8, 0, 26)
"""Older ones lack the statements that are used here."""

_DEFAULTS = {
    "innodb_page_size": "16384",
    "innodb_data_file_path": "ibdata1:12M:autoextend",
    "lower_case_table_names": "0",
}
"""What a stock server has; a folder made with something else cannot be opened without saying so."""

_INIT_OPTIONS = frozenset({*_DEFAULTS, "character_set_server", "collation_server"})


class MySQL:
    """The programs of one installation, and all that is particular to them."""

    name = "mysql"

    def __init__(self, bin_folder: Path | None) -> None:
        self.programs = Programs("mysql", bin_folder, packages="MySQL's server and client packages")
        self.server_version = self.programs.version("mysqld")
        if parse_version(self.server_version) < OLDEST_VERSION:
            raise ProgramMissing(
                f"{self.programs.find('mysqld')} is MySQL {self.server_version}",
                f"install {'.'.join(map(str, OLDEST_VERSION))} or newer",
            )

    def normalise(self, position: str) -> str:
        return str(GtidSet.parse(position))

    def reached(self, position: str, checkpoint: str) -> bool:
        return GtidSet.parse(position).contains(GtidSet.parse(checkpoint))

    def count_missing(self, position: str, checkpoint: str) -> int:
        return len(GtidSet.parse(checkpoint) - GtidSet.parse(position))

    def tablespaces(self, session: Session) -> list[InventoryTablespace]:
        rows = session.rows(
            "SELECT tablespace_name AS name, file_name AS file FROM information_schema.files "
            "WHERE engine = 'InnoDB' AND file_type IN ('TABLESPACE', 'UNDO LOG') AND tablespace_name <> 'innodb_system'"
        )
        found = [InventoryTablespace(name=str(row["name"]), files=(inside(str(row["file"])),)) for row in rows]
        return [system_files(session), *found]

    def check_can_open(self, server_version: str) -> None:
        check_can_open("MySQL", mysql_needs, self.server_version, server_version)

    def start_command(self, data: Path, variables: Mapping[str, str]) -> str:
        return start_command(self.server_program(), data, variables, _DEFAULTS)

    def server_program(self) -> Path:
        return self.programs.find("mysqld")

    def client_program(self) -> Path:
        return self.programs.find("mysql")

    def initialise_command(self, layout: Layout) -> list[str]:
        return [str(self.server_program()), f"--defaults-file={layout.options}", "--initialize-insecure"]

    def option_values(self, layout: Layout, options: ServerOptions) -> OptionValues:
        return {
            **{name if name in _INIT_OPTIONS else f"loose_{name}": text for name, text in options.variables.items()},
            # A replicated DATA DIRECTORY must not write outside the data folder; replicas keep this mode of their own.
            "sql_mode": "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,NO_DIR_IN_CREATE",
            "gtid_mode": "ON",
            "enforce_gtid_consistency": "ON",
            "mysqlx": "OFF",
            "persisted_globals_load": "OFF",
            "secure_file_priv": "NULL",
            "auto_generate_certs": "OFF",
            "caching_sha2_password_auto_generate_rsa_keys": "OFF",
            "loose_sha256_password_auto_generate_rsa_keys": "OFF",
            "relay_log": str(layout.relay / "relay"),
            "relay_log_index": str(layout.relay / "relay.index"),
            "skip_replica_start": "ON",
            # Nobody reads this server while it catches up, and its position is a set that may have gaps on the way: in
            # whichever order independent transactions commit, half as many again are done in the same time.
            "replica_parallel_workers": "8",
            "replica_preserve_commit_order": "OFF",
            "replica_net_timeout": "10",
            "replica_max_allowed_packet": "1G",
            "loose_sync_source_info": "0",
            "innodb_redo_log_capacity"
            if parse_version(self.server_version) >= (8, 0, 30)
            else "innodb_log_file_size": ("100M"),
            # The clone reports its progress there; nothing else of it is wanted.
            "performance_schema": "ON",
            "performance_schema_instrument": "%=OFF",
            "performance_schema_max_table_instances": "500",
            "performance_schema_max_digest_length": "0",
            "performance_schema_digests_size": "0",
            "performance_schema_error_size": "0",
            "log_error_verbosity": "2",
            "log_timestamps": "UTC",
        }

    def private_position(self, session: Session) -> str:
        return self.normalise(session.value("SELECT @@GLOBAL.gtid_executed"))

    def set_position(self, session: Session, position: str) -> None:
        """MySQL keeps its position with the data: there is nothing to set, only to check."""
        seen = self.private_position(session)
        if not self.reached(seen, position):
            raise ServerError(
                f"the private server stands at {seen or 'the very start'}, the backup was recorded at {position}",
                "the backup's files do not belong to its manifest: restore another backup",
            )

    def prepare_shutdown(self, session: Session, *, upgrade_safe: bool) -> None:
        self.stop_replication(session)
        session.run("RESET REPLICA ALL")
        session.run("CHANGE REPLICATION FILTER REPLICATE_IGNORE_TABLE = ()")
        self._check_in_place(session)
        session.run("SET GLOBAL innodb_flush_log_at_trx_commit = 1")
        if redo_log_enabled(session) is False:
            session.run("ALTER INSTANCE ENABLE INNODB REDO_LOG")
            if redo_log_enabled(session) is False:
                raise ServerError("the private server's redo log cannot be enabled again", "see its error log")
        session.run(f"SET GLOBAL innodb_fast_shutdown = {0 if upgrade_safe else 1}")

    def _check_in_place(self, session: Session) -> None:
        elsewhere = session.value("SELECT path FROM information_schema.innodb_datafiles WHERE path LIKE '/%' LIMIT 1")
        if elsewhere:
            raise ServerError(
                f"{elsewhere}: this table is kept outside the data folder; a backup of the folder would miss it",
                "move it back on the primary: ALTER TABLE ... without DATA DIRECTORY",
            )

    def end_prepared(self, session: Session) -> list[str]:
        ended = []
        for row in session.rows("XA RECOVER CONVERT XID"):
            content, length = str(row["data"]).removeprefix("0x"), 2 * int(row["gtrid_length"])
            xid = f"X'{content[:length]}', X'{content[length:]}', {row['formatID']}"
            session.run(f"XA ROLLBACK {xid}")
            ended.append(xid)
        return ended

    def relax(self, session: Session, options: ServerOptions) -> None:
        if options.disable_redo_log and redo_log_enabled(session):
            session.run("ALTER INSTANCE DISABLE INNODB REDO_LOG")

    def follow(self, session: Session, endpoint: Endpoint, *, encrypted: bool, checkpoint: str) -> None:
        verify = encrypted and endpoint.tls == "verify"
        session.run(
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST = %s, SOURCE_PORT = %s, SOURCE_AUTO_POSITION = 1, "
            "SOURCE_CONNECT_RETRY = 2, SOURCE_RETRY_COUNT = 1000000, SOURCE_HEARTBEAT_PERIOD = 2, SOURCE_SSL = %s, "
            "SOURCE_SSL_VERIFY_SERVER_CERT = %s, SOURCE_SSL_CA = %s, GET_SOURCE_PUBLIC_KEY = %s",
            endpoint.tcp_host,
            endpoint.port,
            int(encrypted),
            int(verify),
            str(endpoint.tls_ca) if verify and endpoint.tls_ca else "",
            int(not encrypted),
        )
        # Given here, the credentials stay in memory: CHANGE REPLICATION SOURCE would write them into a table.
        session.run(
            "START REPLICA UNTIL SQL_AFTER_GTIDS = %s USER = %s PASSWORD = %s",
            checkpoint,
            endpoint.user,
            endpoint.password,
        )

    def stop_replication(self, session: Session) -> None:
        session.run("STOP REPLICA")

    def replica_status(self, session: Session, position: str) -> ReplicaStatus:
        rows = session.rows("SHOW REPLICA STATUS")
        if not rows:
            return ReplicaStatus("No", False, 0, "", 0, "", None, "", False)
        row = rows[0]
        errno, error = int(row["Last_SQL_Errno"]), str(row["Last_SQL_Error"])
        if errno:
            worker = session.rows(
                "SELECT last_error_number AS errno, last_error_message AS error FROM "
                "performance_schema.replication_applier_status_by_worker WHERE last_error_number <> 0 LIMIT 1"
            )
            if worker:
                errno, error = int(worker[0]["errno"]), str(worker[0]["error"])
        received = GtidSet.parse(str(row["Retrieved_Gtid_Set"]))
        return ReplicaStatus(
            receiving=str(row["Replica_IO_Running"]),
            applying=row["Replica_SQL_Running"] == "Yes",
            receive_errno=int(row["Last_IO_Errno"]),
            receive_error=str(row["Last_IO_Error"]),
            apply_errno=errno,
            apply_error=error,
            behind=None if row["Seconds_Behind_Source"] is None else int(row["Seconds_Behind_Source"]),
            read=f"{row['Source_Log_File']}:{row['Read_Source_Log_Pos']}:{row['Retrieved_Gtid_Set']}",
            pending=not GtidSet.parse(position).contains(received),
        )

    def client_encryption(self, endpoint: Endpoint, *, encrypted: bool) -> OptionValues:
        return mysql_encryption(endpoint, encrypted=encrypted)

    def read_binlog_command(self, login: Path, name: str) -> list[str]:
        return [
            str(self.programs.find("mysqlbinlog")),
            f"--defaults-file={login}",
            "--read-from-remote-server",
            "--stop-position=5",
            name,
        ]


def redo_log_enabled(session: Session) -> bool | None:
    """Whether InnoDB writes its redo log; None for a server that cannot do without."""
    rows = session.rows("SHOW GLOBAL STATUS LIKE 'Innodb_redo_log_enabled'")
    return rows[0]["Value"] == "ON" if rows else None
