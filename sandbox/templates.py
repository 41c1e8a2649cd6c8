"""Empty data folders, made once and copied for each server.

They are made once in a process, or once for all processes that use the same folder.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from sandbox import processes
from sandbox.programs import Flavour, Programs

_folder_lock = threading.Lock()
_folder: Path | None = None
_PREFIX = "tidemark-templates-"


def use_folder(folder: Path) -> None:
    """Keeps templates in this folder, which whoever owns it removes; without it, in a temporary one of this process.

    Processes that use the same folder share what is in it: one of them makes a template, the others wait for it.
    """
    global _folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _folder_lock:
        _folder = folder


def copy_empty(flavour: Flavour, programs: Programs, account: list[str], data: Path) -> None:
    """Makes ``data`` a new empty data folder. Raises ``ProcessFailed`` when the server cannot make one."""
    name = f"{flavour}-{digest(programs.server)}"
    copy(name, lambda folder: _initialise(flavour, programs, account, folder), data)


def copy(name: str, make: Callable[[Path], None], data: Path) -> None:
    """Makes ``data`` a copy of the template with this name; ``make`` makes that where there is none yet."""
    folder = _templates_folder()
    template, half = folder / name, folder / f"{name}.half"
    with _locked(folder / f"{name}.lock"):
        if not template.exists():
            shutil.rmtree(half, ignore_errors=True)
            make(half)
            half.rename(template)  # who is killed before leaves nothing that another one would take for whole
    shutil.copytree(template, data)
    data.chmod(0o700)


def digest(*parts: object) -> str:
    """For the name of a template: the same in every process for the same things."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:12]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One at a time, of all threads and processes. The kernel frees what a killed process held."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _initialise(flavour: Flavour, programs: Programs, account: list[str], data: Path) -> None:
    folder = data.parent
    log = folder / f"{flavour}.log"
    # A MariaDB that starts removes what it takes for its own old temporary tables: in a folder that servers share,
    # those of another one that is just being made.
    temporary = folder / f"{flavour}.tmp"
    temporary.mkdir(mode=0o700, exist_ok=True)
    command: list[str | Path]
    if flavour == "mysql":
        command = [programs.initialise, "--no-defaults", "--initialize-insecure", f"--datadir={data}"]
        command += ["--secure-file-priv=NULL", "--innodb-redo-log-capacity=16M", *account]
    else:
        command = [programs.initialise, "--no-defaults", f"--datadir={data}", "--skip-test-db"]
        command += ["--auth-root-authentication-method=normal", "--skip-name-resolve", *account]
        command += ["--innodb-log-file-size=32M", "--innodb-doublewrite=0", "--innodb-flush-log-at-trx-commit=0"]
    processes.run([*command, f"--tmpdir={temporary}"], log=log)
    (data / "auto.cnf").unlink(missing_ok=True)  # each server has a uuid of its own


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
