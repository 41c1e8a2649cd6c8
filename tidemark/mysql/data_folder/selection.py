"""Which files of a cold data folder belong into a backup."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from tidemark.errors import ServerError

LEFT_OUT_FOLDERS = frozenset({"#innodb_temp", "#clone", "#tmp", "#binlog_cache_files"})
"""Made anew at each start. No schema is called so: the server writes ``#`` in a schema's folder as ``@0023``."""

LEFT_OUT = {
    "mysql": re.compile(
        r"auto\.cnf|mysqld-auto\.cnf(\..*)?|[^/]*\.pem|[^/]*\.(pid|sock|lock|err|log)"  # one server's own
        r"|ibtmp\d*|ib_buffer_pool(\..*)?|#ib_\d+_\d+\.b?dblwr"  # made anew at each start
        r"|#innodb_redo/[^/]*_tmp"  # spare redo files: only the used ones have something in them
        r"|(master|relay-log)\.info|[^/]*-(relay-)?bin[^/]*\.(\d{6,}|index)|binlog\.(\d{6,}|index)|[^/]*relay-bin[^/]*"
    ),
    "mariadb": re.compile(
        r"auto\.cnf|[^/]*\.pem|[^/]*\.(pid|sock|err|log)|tc\.log|ddl_recovery[^/]*\.log"  # one server's own
        r"|ibtmp\d*|ib_buffer_pool(\..*)?|aria_log\.[^/]*_tmp"
        r"|(master|relay-log|multi-master)[^/]*\.info|[^/]*relay-bin[^/]*"
        r"|[^/]*bin(log)?\.(\d{6,}(\.idx)?|index|state)|[^/]*-bin\.(\d{6,}(\.idx)?|index|state)"
        r"|debian-[^/]*\.flag"
    ),
}
"""By flavour: files in the data folder itself that are one server's own, or made anew at each start. Folders are
schemas, and users name them; so do they name general tablespaces."""

_USERS_FILES = (".ibd", ".ibu")
"""How the tablespaces end that users name."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a backup holds, as paths relative to the data folder with ``/`` between their parts, sorted."""

    files: tuple[str, ...]
    directories: tuple[str, ...]
    """Every folder, also an empty one: a schema without tables is one."""


def select_files(data: Path, flavour: str, needed: frozenset[str] = frozenset()) -> Selection:
    """What of a flavour's cold data folder belongs into a backup; needs none of its programs. A folder that is left out
    is left out with all in it. ``needed`` are files that belong into it whatever they are called: those that the server
    names as its own. Raises ``ServerError`` for what points out of the folder, or is no file at all."""
    files: list[str] = []
    directories: list[str] = []
    pending = [""]
    while pending:
        parent = pending.pop()
        with os.scandir(data / parent) as entries:
            for entry in entries:
                name = f"{parent}/{entry.name}" if parent else entry.name
                mode = entry.stat(follow_symlinks=False).st_mode
                if stat.S_ISDIR(mode):
                    if name not in LEFT_OUT_FOLDERS:
                        directories.append(name)
                        pending.append(name)
                elif name not in needed and _is_left_out(name, flavour):
                    continue
                elif stat.S_ISREG(mode) and not name.endswith(".isl"):
                    files.append(name)
                elif stat.S_ISREG(mode) or stat.S_ISLNK(mode):
                    raise _elsewhere(data / name)
                elif not stat.S_ISSOCK(mode):
                    raise ServerError(f"{data / name} is neither a file nor a folder", "remove it")
    return Selection(tuple(sorted(files)), tuple(sorted(directories)))


def _is_left_out(name: str, flavour: str) -> bool:
    return bool(LEFT_OUT[flavour].fullmatch(name)) and not name.endswith(_USERS_FILES)


def _elsewhere(path: Path) -> ServerError:
    return ServerError(
        f"{path} says that a table is kept outside the data folder; a backup of the folder would miss it",
        "move the table back on the primary: ALTER TABLE ... without DATA DIRECTORY, or without a symbolic link",
    )
