"""Empty data folders, made once in a process and copied for each server."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
from pathlib import Path

import psutil

from sandbox import processes
from sandbox.programs import Flavour, Programs

_locks: dict[Flavour, threading.Lock] = {"mysql": threading.Lock(), "mariadb": threading.Lock()}
_folder_lock = threading.Lock()
_made: dict[tuple[Flavour, Path], Path] = {}
_folder: Path | None = None
_PREFIX = "tidemark-templates-"


def use_folder(folder: Path) -> None:
    """Keeps templates in this folder, which whoever owns it removes; without it, in a temporary one of this process."""
    global _folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _folder_lock:
        _folder = folder
        _made.clear()


def copy_empty(flavour: Flavour, programs: Programs, account: list[str], data: Path) -> None:
    """Makes ``data`` a new empty data folder. Raises ``ProcessFailed`` when the server cannot make one."""
    with _locks[flavour]:
        key = (flavour, programs.server)
        if key not in _made:
            _made[key] = _make(flavour, programs, account)
        template = _made[key]
    shutil.copytree(template, data)
    data.chmod(0o700)


def _make(flavour: Flavour, programs: Programs, account: list[str]) -> Path:
    folder = _templates_folder()
    data = folder / f"{flavour}-{abs(hash(programs.server)):x}"
    log = folder / f"{flavour}.log"
    # A MariaDB that starts removes what it takes for its own old temporary tables: in a folder that servers share,
    # those of another one that is just being made.
    temporary = folder / f"{flavour}.tmp"
    temporary.mkdir(mode=0o700, exist_ok=True)
    command: list[str | Path]
    shutil.rmtree(data, ignore_errors=True)
    if flavour == "mysql":
        command = [programs.initialise, "--no-defaults", "--initialize-insecure", f"--datadir={data}"]
        command += ["--secure-file-priv=NULL", "--innodb-redo-log-capacity=16M", *account]
    else:
        command = [programs.initialise, "--no-defaults", f"--datadir={data}", "--skip-test-db"]
        command += ["--auth-root-authentication-method=normal", "--skip-name-resolve", *account]
        command += ["--innodb-log-file-size=32M", "--innodb-doublewrite=0", "--innodb-flush-log-at-trx-commit=0"]
    processes.run([*command, f"--tmpdir={temporary}"], log=log)
    (data / "auto.cnf").unlink(missing_ok=True)  # each server has a uuid of its own
    return data


def _templates_folder() -> Path:
    global _folder
    with _folder_lock:
        if _folder is None:
            _remove_stale()
            _folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
            atexit.register(shutil.rmtree, _folder, ignore_errors=True)
        return _folder


def _remove_stale() -> None:
    """What a killed process has left; the name says whose it was."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        owner = path.name.removeprefix(_PREFIX).split("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(path, ignore_errors=True)
