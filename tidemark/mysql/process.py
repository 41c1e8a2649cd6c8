"""Processes that we start, find again and end: identified by pid, start time and their option file, never by name."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tidemark.errors import ProgramMissing

_CLOCK_SLACK = 2.0
"""Seconds that a process's start time may seem to move when the machine's clock is set."""

_SOME_BYTES = 1 << 20
_SOME_SECONDS = 1.0
"""What a process must have moved or computed, since it was last seen to, for us to say that it is at work."""

_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "TZ")


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A process that can be told from a later one with the same pid."""

    pid: int
    created: float
    """Its start, seconds since the epoch."""


def environment(home: Path, time_zone: str = "") -> dict[str, str]:
    """What a program of ours gets: no option or login file of the account we run as, no translated messages.
    ``time_zone`` is its ``TZ``; empty for our own."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    if time_zone:
        kept["TZ"] = time_zone
    return kept | {"HOME": str(home), "TMPDIR": str(home), "LC_ALL": "C.UTF-8", "MYSQL_HOME": str(home)}


def bound_to_us(command: Sequence[str]) -> list[str]:
    """The command, made to die with the thread that starts it. Raises ``ProgramMissing``."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise ProgramMissing("there is no program setpriv on PATH", "install util-linux")
    return [setpriv, "--pdeathsig", "KILL", "--", *command]


def spawn(command: Sequence[str], log: Path, variables: Mapping[str, str]) -> ProcessRecord:
    """Starts a program in a session of its own, so that a terminal's Ctrl-C is not meant for it."""
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    pid = os.posix_spawn(command[0], list(command), dict(variables), file_actions=actions, setsid=True)
    try:
        created = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        created = time.time()
    return ProcessRecord(pid, created)


def find(record: ProcessRecord | None, options: Path) -> psutil.Process | None:
    """The living process of this record, if it is the one that was started with this option file."""
    if record is None:
        return None
    try:
        process = psutil.Process(record.pid)
        if abs(process.create_time() - record.created) <= _CLOCK_SLACK and _is_alive(process):
            # Without a command line it is in the moment between one program and the next: setpriv and the server.
            return process if _uses(process, options) or not process.cmdline() else None
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
    return None


def find_users(server_folder: Path) -> list[psutil.Process]:
    """Living processes whose option file is in this folder: a server, or a program that its starter left behind."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if _uses(process, server_folder) and _is_alive(process):
                found.append(process)
    return found


def find_below(folder: Path) -> list[tuple[psutil.Process, Path]]:
    """Living processes whose option file is anywhere below this folder, each with that file."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            file = _option_file(process)
            if file and folder in file.parents and _is_alive(process):
                found.append((process, file))
    return found


def kill(process: psutil.Process) -> None:
    """Ends a process at once and waits until it is gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()
        wait(process, 30)


def wait(process: psutil.Process, seconds: float) -> tuple[bool, int | None]:
    """Waits for the end of a process: whether it came, and the exit status if the process is our child."""
    try:
        return True, process.wait(timeout=seconds)
    except psutil.TimeoutExpired:
        return (False, None) if _is_alive(process) else (True, None)
    except psutil.NoSuchProcess:
        return True, None


class Activity:
    """How long a process has got nowhere: a slow one reads, writes or computes, one that hangs does none of it."""

    def __init__(self, process: psutil.Process | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._process = process
        self._clock = clock
        self._moved_at = clock()
        self._seen = (0, 0.0)
        self._seen = self._look()

    def idle(self) -> float:
        """Seconds since it last did anything worth mentioning. Threads that only wake and sleep again do not."""
        moved, seconds = self._look()
        if moved - self._seen[0] >= _SOME_BYTES or seconds - self._seen[1] >= _SOME_SECONDS:
            self._seen, self._moved_at = (moved, seconds), self._clock()
        return self._clock() - self._moved_at

    def _look(self) -> tuple[int, float]:
        """Bytes read and written, by a disk or by a call; seconds of processor time."""
        if self._process is None:
            return 0, 0.0
        try:
            with self._process.oneshot():
                moved, times = self._process.io_counters(), self._process.cpu_times()
        except psutil.Error:
            return self._seen
        count = moved.read_bytes + moved.write_bytes + moved.read_chars + moved.write_chars
        return count, times.user + times.system


def _is_alive(process: psutil.Process) -> bool:
    if process.ppid() == os.getpid():
        with contextlib.suppress(ChildProcessError):
            ended, _ = os.waitpid(process.pid, os.WNOHANG)
            if ended:
                return False
    return bool(process.is_running() and process.status() not in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD})


def _uses(process: psutil.Process, place: Path) -> bool:
    file = _option_file(process)
    return file is not None and place in (file, file.parent)


def _option_file(process: psutil.Process) -> Path | None:
    prefix = "--defaults-file="
    for argument in process.cmdline()[:8]:
        if argument.startswith(prefix):
            return Path(argument.removeprefix(prefix))
    return None
