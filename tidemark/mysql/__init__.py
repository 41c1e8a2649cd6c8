"""MySQL and MariaDB: the private server that a backup is made on, and the primary as its source.

::

    data_folder/  a data folder at rest: selection, page checksums
    endpoint      where a source listens, and the account we use there
    first_copy/   the first backup's data, copied from the source once
    flavours/     what differs between MySQL and MariaDB
    gtid          positions in a replication stream, as values
    layout        where a private server keeps what
    options       option files, and what a private server is asked to be
    process       processes that we start, find again and end
    replication/  from a restored position to the checkpoint
    server/       the private server
    session       a connection on which statements are run
    source/       the primary, or a replica in its place
    tables/       single tables: chosen, checked, exported
    versions      which server opens what another has written
"""

from __future__ import annotations

from pathlib import Path

from tidemark.errors import ServerError
from tidemark.mysql.data_folder.at_rest import find_server, is_data_folder
from tidemark.mysql.data_folder.coverage import uncovered
from tidemark.mysql.data_folder.selection import Selection, select_files
from tidemark.mysql.endpoint import Endpoint
from tidemark.mysql.first_copy.copy import copy_source
from tidemark.mysql.flavours.base import Flavour
from tidemark.mysql.flavours.mariadb import MariaDB
from tidemark.mysql.flavours.mysql import MySQL
from tidemark.mysql.options import ServerOptions
from tidemark.mysql.replication.binlogs import Bridge, measure_bridge
from tidemark.mysql.replication.catchup import Catchup, replicate_until
from tidemark.mysql.replication.catchup import Limits as CatchupLimits
from tidemark.mysql.server.inventory import engines
from tidemark.mysql.server.private import PrivateServer
from tidemark.mysql.server.state import kill_leftover
from tidemark.mysql.source.base import Source
from tidemark.mysql.source.connect import connect
from tidemark.mysql.source.discovery import Replica, find_primary, find_replica
from tidemark.mysql.source.privileges import Review, review_rights
from tidemark.mysql.source.time_zone import zone_of
from tidemark.mysql.tables.check import TablesChecked, check_tables
from tidemark.mysql.tables.export import Exported, LeftOut, export_tables
from tidemark.mysql.tables.patterns import TablePatterns

__all__ = [
    "Bridge",
    "Catchup",
    "CatchupLimits",
    "Endpoint",
    "Exported",
    "Flavour",
    "LeftOut",
    "PrivateServer",
    "Replica",
    "Review",
    "Selection",
    "ServerOptions",
    "Source",
    "TablePatterns",
    "TablesChecked",
    "check_tables",
    "connect",
    "copy_source",
    "engines",
    "export_tables",
    "find_flavour",
    "find_primary",
    "find_replica",
    "find_server",
    "is_data_folder",
    "kill_leftover",
    "measure_bridge",
    "replicate_until",
    "review_rights",
    "select_files",
    "uncovered",
    "zone_of",
]


def find_flavour(name: str, bin_folder: Path | None = None) -> Flavour:
    """``mysql`` or ``mariadb`` with the programs of this folder, or of PATH. Raises ``ProgramMissing``."""
    match name:
        case "mysql":
            return MySQL(bin_folder)
        case "mariadb":
            return MariaDB(bin_folder)
        case _:
            raise ServerError(f'"{name}" is not a flavour', 'the flavours are "mysql" and "mariadb"')
