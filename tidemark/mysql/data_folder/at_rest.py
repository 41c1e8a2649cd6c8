"""Whether a folder is a server's data folder, and whether a server is at work in it; the same for both flavours."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

import psutil

_SIGNS = ("ibdata1", "mysql.ibd", "aria_log_control", "undo001", "undo_001")
"""Files of which every data folder has one beside its folder ``mysql``."""
_LOCKED = ("ibdata1", "mysql.ibd", "aria_log_control")
"""Files that a server locks for as long as it runs."""


def is_data_folder(folder: Path) -> bool:
    """Whether this looks like the data folder of a MySQL or a MariaDB server."""
    return (folder / "mysql").is_dir() and any((folder / sign).is_file() for sign in _SIGNS)


def find_server(folder: Path) -> str:
    """What says that a server is at work in the folder; empty when nothing does.

    A server locks its system files, which shows also from another container on the same disk; and it works in its
    data folder. A server on another machine that shares the disk is seen only if the locks are shared too.
    """
    for name in _LOCKED:
        if _is_locked(folder / name):
            return f"{name} is locked by a running server"
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.name().startswith(("mysqld", "mariadbd")) and Path(process.cwd()) == folder.resolve():
                return f"{process.name()} works in it (pid {process.pid})"
    return ""


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
