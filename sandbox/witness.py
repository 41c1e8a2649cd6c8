"""What a primary held at a position that it has long passed: told by a plain replica, with no code of Tidemark's."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from pathlib import Path
from typing import Self

from sandbox.checksums import Checksums, checksums, definitions
from sandbox.primary import Primary
from sandbox.processes import ProcessFailed

_OPTIONS: dict[str, str | None] = {
    "skip-log-bin": None,
    "event-scheduler": "OFF",
    "innodb-flush-log-at-trx-commit": "0",
    "innodb-buffer-pool-size": "96M",
}


class Witness:
    """An empty server that replays a primary's binary logs from the very first, up to a given position.

    Sandbox primaries keep all their logs. Asked for one position after the other, in the order in which the primary
    passed them, it goes on from where it is; asked for an earlier one it starts anew. Spends no GTID on the primary.
    """

    def __init__(self, primary: Primary, folder: Path) -> None:
        self._primary = primary
        self._folder = folder
        self._replica: Primary | None = None
        self._user = f"witness-{secrets.token_hex(3)}"
        self._password = secrets.token_urlsafe(18)

    def checksums_at(self, position: str, *, seconds: float = 120) -> Checksums:
        """The checksum of every table at this position. ``ProcessFailed`` when it cannot be reached."""
        return checksums(self._at(position, seconds))

    def definitions_at(self, position: str, *, seconds: float = 120) -> dict[str, str]:
        """The definitions of everything at this position."""
        return definitions(self._at(position, seconds))

    def stop(self) -> None:
        """Ends it and removes its folder."""
        if self._replica is not None:
            self._replica.kill()
            self._replica = None
            shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.stop()

    def _at(self, position: str, seconds: float) -> Primary:
        wanted = "".join(position.split())
        if self._replica is not None and not self._is_ahead_of_us(wanted):
            self.stop()
        if self._replica is None:
            self._replica = self._new_replica()
        if self._position() != wanted:
            self._replicate(wanted, seconds)
        if self._position() != wanted:
            raise ProcessFailed(f"the witness is at {self._position()} instead of {wanted}")
        return self._replica

    def _new_replica(self) -> Primary:
        primary = self._primary
        with contextlib.closing(primary.root()) as connection, connection.cursor() as cursor:
            cursor.execute("SET SESSION sql_log_bin = 0")
            cursor.execute(f"CREATE USER IF NOT EXISTS '{self._user}'@'%' IDENTIFIED BY '{self._password}'")
            cursor.execute(f"GRANT REPLICATION SLAVE ON *.* TO '{self._user}'@'%'")
        replica = Primary(
            self._folder, primary.flavour, bin_folder=primary.bin_folder, tls="off", options=primary.options | _OPTIONS
        ).start()
        where = f"_HOST = '{primary.host}', {{0}}_PORT = {primary.port}, {{0}}_USER = '{self._user}'"
        where = f"{{0}}{where}, {{0}}_PASSWORD = '{self._password}'"
        if primary.flavour == "mysql":
            safe = ", GET_SOURCE_PUBLIC_KEY = 1" if primary.tls == "off" else ", SOURCE_SSL = 1"
            change = f"CHANGE REPLICATION SOURCE TO {where.format('SOURCE')}, SOURCE_AUTO_POSITION = 1{safe}"
        else:
            safe = "" if primary.tls == "off" else ", MASTER_SSL = 1"
            change = f"CHANGE MASTER TO {where.format('MASTER')}, MASTER_USE_GTID = slave_pos{safe}"
        replica.execute(change)
        return replica

    def _replicate(self, wanted: str, seconds: float) -> None:
        replica = self._running()
        if replica.flavour == "mysql":
            replica.execute(f"START REPLICA UNTIL SQL_AFTER_GTIDS = '{wanted}'")
            ((late,),) = replica.execute(f"SELECT WAIT_FOR_EXECUTED_GTID_SET('{wanted}', {seconds})")
            status, stop = "SHOW REPLICA STATUS", "STOP REPLICA"
        else:
            replica.execute(f"START SLAVE UNTIL master_gtid_pos = '{wanted}'")
            ((late,),) = replica.execute(f"SELECT MASTER_GTID_WAIT('{wanted}', {seconds})")
            status, stop = "SHOW SLAVE STATUS", "STOP SLAVE"
        rows = replica.execute(status)
        replica.execute(stop)
        if late != 0:
            seen = "; ".join(str(value) for value in rows[0] if "rror" in str(value)) if rows else ""
            raise ProcessFailed(f"the witness did not reach {wanted}: it is at {self._position()}. {seen}")

    def _position(self) -> str:
        replica = self._running()
        variable = "@@GLOBAL.gtid_executed" if replica.flavour == "mysql" else "@@GLOBAL.gtid_slave_pos"
        return "".join(str(replica.execute(f"SELECT {variable}")[0][0]).split())

    def _is_ahead_of_us(self, wanted: str) -> bool:
        replica = self._running()
        if replica.flavour == "mysql":
            return bool(replica.execute("SELECT GTID_SUBSET(@@GLOBAL.gtid_executed, %s)", wanted)[0][0])
        there = {gtid.split("-")[0]: int(gtid.split("-")[2]) for gtid in wanted.split(",") if gtid}
        here = {gtid.split("-")[0]: int(gtid.split("-")[2]) for gtid in self._position().split(",") if gtid}
        return all(there.get(domain, 0) >= number for domain, number in here.items())

    def _running(self) -> Primary:
        if self._replica is None:
            raise ProcessFailed("the witness is not running")
        return self._replica
