"""Where the server programs of a flavour are."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Flavour = Literal["mysql", "mariadb"]

MYSQL_DEFAULT = Path("/opt/mysql/bin")


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs that a sandbox server is started with."""

    server: Path
    """mysqld or mariadbd."""
    initialise: Path
    """What makes an empty data folder: mysqld itself, or mariadb-install-db."""
    client: Path
    """mysql or mariadb."""


def find_programs(flavour: Flavour, bin_folder: Path | None = None) -> Programs | None:
    """The programs: in ``bin_folder``, else in the default places (PATH, the sbin folders, /opt/mysql/bin); None
    when one is missing."""
    server_name, client_name = ("mysqld", "mysql") if flavour == "mysql" else ("mariadbd", "mariadb")
    initialise_name = "mysqld" if flavour == "mysql" else "mariadb-install-db"
    found = [_find(name, flavour, bin_folder) for name in (server_name, initialise_name, client_name)]
    server, initialise, client = found
    if server is None or initialise is None or client is None:
        return None
    return Programs(server, initialise, client)


def _find(name: str, flavour: Flavour, bin_folder: Path | None) -> Path | None:
    folders: list[str | None] = [str(bin_folder), str(bin_folder.parent / "bin")] if bin_folder else []
    if flavour == "mysql" and bin_folder is None:
        folders.append(str(MYSQL_DEFAULT))
    if flavour == "mariadb" or bin_folder is None:
        folders += [None, "/usr/sbin", "/usr/local/sbin"]
    for folder in folders:
        if found := shutil.which(name, path=folder):
            # MariaDB's packages bring a "mysqld" and a "mysql" of their own, as links to theirs.
            if flavour == "mysql" and "mariadb" in Path(found).resolve().name:
                continue
            return Path(found)
    return None
