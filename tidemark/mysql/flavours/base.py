"""What differs between MySQL and MariaDB, behind one protocol: callers never compare names or versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tidemark.errors import ServerError
from tidemark.holdings import InventoryTablespace
from tidemark.mysql.endpoint import Endpoint
from tidemark.mysql.flavours.programs import Programs
from tidemark.mysql.layout import Layout
from tidemark.mysql.options import OptionValues, ServerOptions
from tidemark.mysql.session import Session


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """How replication is doing on a private server."""

    receiving: str
    """Of the thread that reads from the source: ``Yes``, ``Connecting`` or ``No``."""
    applying: bool
    """Whether the thread that applies is running."""
    receive_errno: int
    receive_error: str
    apply_errno: int
    apply_error: str
    behind: int | None
    """Seconds behind the source, as the server estimates; None when it cannot tell."""
    read: str
    """How far the source has been read; changes with every byte that arrives."""
    pending: bool
    """Whether something has been received and not been applied yet."""


class Flavour(Protocol):
    """MySQL or MariaDB with the programs that are installed here."""

    name: str
    """``mysql`` or ``mariadb``."""
    server_version: str
    """Of the installed server: ``9.7.4``."""
    programs: Programs

    # Positions

    def normalise(self, position: str) -> str:
        """The same position in the one way to write it. ``ValueError`` for what is none."""
        ...

    def reached(self, position: str, checkpoint: str) -> bool:
        """Whether everything up to the checkpoint is in the position."""
        ...

    def count_missing(self, position: str, checkpoint: str) -> int:
        """How many transactions there are from the position to the checkpoint."""
        ...

    # Files

    def tablespaces(self, session: Session) -> list[InventoryTablespace]:
        """Every tablespace of a running server, temporary ones left out, with its files. Raises ``ServerError`` for one
        that is outside of the data folder."""
        ...

    def check_can_open(self, server_version: str) -> None:
        """Raises ``ServerError`` when the installed server cannot open what a server of this version has written."""
        ...

    def start_command(self, data: Path, variables: Mapping[str, str]) -> str:
        """The command line that starts a stock server on a restored folder, for a person to type."""
        ...

    # The private server

    def server_program(self) -> Path:
        """Raises ``ProgramMissing``."""
        ...

    def client_program(self) -> Path:
        """The program that runs statements from its standard input. Raises ``ProgramMissing``."""
        ...

    def initialise_command(self, layout: Layout) -> list[str]:
        """Fills an empty data folder; reads the option file that ``option_values`` went into."""
        ...

    def option_values(self, layout: Layout, options: ServerOptions) -> OptionValues:
        """The server's options beyond those that both flavours share."""
        ...

    def private_position(self, session: Session) -> str:
        """The private server's exact replicated position; normalised."""
        ...

    def set_position(self, session: Session, position: str) -> None:
        """Makes the server start from this position, if it is not there or further already."""
        ...

    def prepare_shutdown(self, session: Session, *, upgrade_safe: bool) -> None:
        """Forgets the source, and takes back all that made the server fast and unsafe."""
        ...

    def end_prepared(self, session: Session) -> list[str]:
        """Rolls back every XA transaction that is prepared; gives their ids. For a server that nobody will go on with:
        what remains is what was committed."""
        ...

    # Replication

    def relax(self, session: Session, options: ServerOptions) -> None:
        """Makes a running server as fast as it can be, at the cost of its safety."""
        ...

    def follow(self, session: Session, endpoint: Endpoint, *, encrypted: bool, checkpoint: str) -> None:
        """Points replication at a source and starts it; it stops by itself exactly at the checkpoint."""
        ...

    def stop_replication(self, session: Session) -> None:
        """Stops both threads; it does no harm when there is none."""
        ...

    def replica_status(self, session: Session, position: str) -> ReplicaStatus:
        """How it is doing; ``position`` is where the server is now."""
        ...

    # The source, by the flavour's own programs

    def client_encryption(self, endpoint: Endpoint, *, encrypted: bool) -> OptionValues:
        """How a program of this flavour is told to encrypt, or not to."""
        ...

    def read_binlog_command(self, login: Path, name: str) -> list[str]:
        """Prints the first event of a source's binary log; ``login`` is an option file. Raises ``ProgramMissing``."""
        ...


def inside(path: str) -> str:
    """A tablespace's file as a path relative to the data folder. Raises ``ServerError`` for one outside of it."""
    if path.startswith(("/", "../")):
        raise ServerError(
            f"{path}: this tablespace is kept outside the data folder; a backup of the folder would miss it",
            "move its tables on the primary: ALTER TABLE ... without DATA DIRECTORY, or into another TABLESPACE",
        )
    return path.removeprefix("./")


def system_files(session: Session) -> InventoryTablespace:
    """InnoDB's system tablespace: its files are called as ``innodb_data_file_path`` says."""
    parts = session.value("SELECT @@GLOBAL.innodb_data_file_path").split(";")
    return InventoryTablespace(name="innodb_system", files=tuple(part.partition(":")[0] for part in parts))


def account_statements(user: str, password: str) -> Sequence[str]:
    """Makes the private account, without a trace in the replicated position. Both flavours understand them; neither
    value has a letter that needs escaping."""
    return (
        "SET SESSION sql_log_bin=0",
        f"CREATE USER IF NOT EXISTS '{user}'@'localhost' IDENTIFIED BY '{password}'",
        f"GRANT ALL PRIVILEGES ON *.* TO '{user}'@'localhost' WITH GRANT OPTION",
    )
