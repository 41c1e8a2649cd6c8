"""MariaDB as a flavour."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tidemark.errors import ProgramMissing
from tidemark.holdings import InventoryTablespace
from tidemark.mysql.data_folder.start_command import start_command
from tidemark.mysql.endpoint import Endpoint
from tidemark.mysql.flavours.base import ReplicaStatus, system_files
from tidemark.mysql.flavours.programs import Programs
from tidemark.mysql.gtid import GtidPosition
from tidemark.mysql.layout import Layout
from tidemark.mysql.options import OptionValues, ServerOptions
from tidemark.mysql.session import Session
from tidemark.mysql.source.login import mariadb_encryption
from tidemark.mysql.versions import check_can_open, mariadb_needs, parse_version

OLDEST_VERSION = (10, 6, 0)

_DEFAULTS = {
    "innodb_page_size": "16384",
    "innodb_data_file_path": "ibdata1:12M:autoextend",
    "lower_case_table_names": "0",
}
"""What a stock server has; a folder made with something else cannot be opened without saying so."""

_INIT_OPTIONS = frozenset(
    {*_DEFAULTS, "innodb_undo_tablespaces", "aria_block_size", "character_set_server", "collation_server"}
)


class MariaDB:
    """The programs of one installation, and all that is particular to them."""

    name = "mariadb"

    def __init__(self, bin_folder: Path | None) -> None:
        self.programs = Programs("mariadb", bin_folder, packages="mariadb-server")
        self.server_version = self.programs.version("mariadbd", "mysqld")
        if parse_version(self.server_version) < OLDEST_VERSION:
            raise ProgramMissing(
                f"{self.server_program()} is MariaDB {self.server_version}",
                f"install {'.'.join(map(str, OLDEST_VERSION))} or newer",
            )

    def normalise(self, position: str) -> str:
        return str(GtidPosition.parse(position))

    def reached(self, position: str, checkpoint: str) -> bool:
        return GtidPosition.parse(position).reached(GtidPosition.parse(checkpoint))

    def count_missing(self, position: str, checkpoint: str) -> int:
        return GtidPosition.parse(position).count_missing(GtidPosition.parse(checkpoint))

    def tablespaces(self, session: Session) -> list[InventoryTablespace]:
        # The dictionary has every table that has a file of its own; the list of tablespaces only those that are open.
        rows = session.rows("SELECT name FROM information_schema.innodb_sys_tables WHERE space <> 0")
        names = [str(row["name"]) for row in rows]
        return [system_files(session), *(InventoryTablespace(name=name, files=(f"{name}.ibd",)) for name in names)]

    def check_can_open(self, server_version: str) -> None:
        check_can_open("MariaDB", mariadb_needs, self.server_version, server_version)

    def start_command(self, data: Path, variables: Mapping[str, str]) -> str:
        stock_undo = "3" if parse_version(self.server_version) >= (11, 0, 0) else "0"
        return start_command(
            self.server_program(), data, variables, _DEFAULTS | {"innodb_undo_tablespaces": stock_undo}
        )

    def server_program(self) -> Path:
        return self.programs.find("mariadbd", "mysqld")

    def client_program(self) -> Path:
        return self.programs.find("mariadb", "mysql")

    def initialise_command(self, layout: Layout) -> list[str]:
        command = [
            str(self.programs.find("mariadb-install-db")),
            f"--defaults-file={layout.options}",
            f"--datadir={layout.data}",
            "--skip-test-db",
            "--auth-root-authentication-method=normal",
        ]
        return [*command, "--user=root"] if os.geteuid() == 0 else command

    def option_values(self, layout: Layout, options: ServerOptions) -> OptionValues:
        return {
            **{name if name in _INIT_OPTIONS else f"loose_{name}": text for name, text in options.variables.items()},
            # A replicated DATA DIRECTORY must not write outside the data folder. NO_DIR_IN_CREATE will not do: in the
            # primary's strict mode it makes an error of what should be a warning.
            "symbolic_links": "OFF",
            "secure_file_priv": str(layout.tmp),
            "relay_log": str(layout.relay / "relay"),
            "relay_log_index": str(layout.relay / "relay.index"),
            "relay_log_info_file": str(layout.relay / "relay-log.info"),
            "master_info_file": str(layout.relay / "master.info"),
            "skip_slave_start": "ON",
            "slave_parallel_threads": "4",
            "slave_parallel_mode": "optimistic",
            "slave_net_timeout": "10",
            "slave_max_allowed_packet": "1G",
            "sync_master_info": "0",
            "performance_schema": "OFF",
            # The stock size, so that no server has to make the redo log anew when it opens the backup.
            "innodb_log_file_size": "96M",
            "log_warnings": "1",
        }

    def private_position(self, session: Session) -> str:
        return self.normalise(session.value("SELECT @@GLOBAL.gtid_slave_pos"))

    def set_position(self, session: Session, position: str) -> None:
        """A copy of a primary has no replica's position, or a forgotten one: the manifest knows."""
        if not self.reached(self.private_position(session), position):
            session.run("SET GLOBAL gtid_slave_pos = %s", self.normalise(position))

    def prepare_shutdown(self, session: Session, *, upgrade_safe: bool) -> None:
        self.stop_replication(session)
        position = self.private_position(session)
        session.run("RESET SLAVE ALL")
        session.run("SET GLOBAL replicate_ignore_table = ''")
        if self.private_position(session) != position:
            session.run("SET GLOBAL gtid_slave_pos = %s", position)
        session.run("SET GLOBAL innodb_flush_log_at_trx_commit = 1")
        session.run(f"SET GLOBAL innodb_fast_shutdown = {0 if upgrade_safe else 1}")

    def end_prepared(self, session: Session) -> list[str]:
        ended = [str(row["data"]) for row in session.rows("XA RECOVER FORMAT = 'SQL'")]
        for xid in ended:
            session.run(f"XA ROLLBACK {xid}")
        return ended

    def relax(self, session: Session, options: ServerOptions) -> None:
        """All that MariaDB can do it is told when it starts: its redo log cannot be switched off."""

    def follow(self, session: Session, endpoint: Endpoint, *, encrypted: bool, checkpoint: str) -> None:
        verify = encrypted and endpoint.tls == "verify"
        # These go into master.info, which lies beside the data folder, mode 0700, and is removed at the stop.
        session.run(
            "CHANGE MASTER TO MASTER_HOST = %s, MASTER_PORT = %s, MASTER_USER = %s, MASTER_PASSWORD = %s, "
            "MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 2, MASTER_HEARTBEAT_PERIOD = 2, MASTER_SSL = %s, "
            "MASTER_SSL_VERIFY_SERVER_CERT = %s, MASTER_SSL_CA = %s",
            endpoint.tcp_host,
            endpoint.port,
            endpoint.user,
            endpoint.password,
            int(encrypted),
            int(verify),
            str(endpoint.tls_ca) if verify and endpoint.tls_ca else "",
        )
        session.run("START SLAVE UNTIL master_gtid_pos = %s", checkpoint)

    def stop_replication(self, session: Session) -> None:
        session.run("STOP SLAVE")

    def replica_status(self, session: Session, position: str) -> ReplicaStatus:
        rows = session.rows("SHOW SLAVE STATUS")
        if not rows:
            return ReplicaStatus("No", False, 0, "", 0, "", None, "", False)
        row = rows[0]
        behind = row["Seconds_Behind_Master"]
        return ReplicaStatus(
            receiving={"Preparing": "Connecting"}.get(str(row["Slave_IO_Running"]), str(row["Slave_IO_Running"])),
            applying=row["Slave_SQL_Running"] == "Yes",
            receive_errno=int(row["Last_IO_Errno"]),
            receive_error=str(row["Last_IO_Error"]),
            apply_errno=int(row["Last_SQL_Errno"]),
            apply_error=str(row["Last_SQL_Error"]),
            behind=None if behind is None else int(behind),
            read=f"{row['Master_Log_File']}:{row['Read_Master_Log_Pos']}:{row['Gtid_IO_Pos']}",
            pending=not self.reached(position, str(row["Gtid_IO_Pos"])),
        )

    def client_encryption(self, endpoint: Endpoint, *, encrypted: bool) -> OptionValues:
        return mariadb_encryption(endpoint, encrypted=encrypted)

    def read_binlog_command(self, login: Path, name: str) -> list[str]:
        return [
            str(self.programs.find("mariadb-binlog", "mysqlbinlog")),
            f"--defaults-file={login}",
            "--read-from-remote-server",
            "--stop-position=5",
            name,
        ]
