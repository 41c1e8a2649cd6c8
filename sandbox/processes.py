"""Processes that cannot outlive us: started in a session of their own, bound to our life, ended by their pid."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil


class ProcessFailed(Exception):
    """A program ended with an error, or did not do what it was started for. Carries the end of its output."""


_living: dict[int, subprocess.Popen[bytes]] = {}
_lock = threading.Lock()
_closed = False
# The kernel sends the parent-death signal when the *thread* that started the process ends, so one thread that lives as
# long as this process starts them all.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandbox-starter")


def start(
    command: Sequence[str | Path],
    *,
    log: Path,
    errors: Path | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    death_signal: str = "KILL",
) -> subprocess.Popen[bytes]:
    """Starts a program whose output goes to ``log`` (and what it says on standard error to ``errors``, if that is
    given); it gets ``death_signal`` when this process dies.

    Its pid is its process group, so that ``stop`` reaches what it started itself. After ``stop_all`` nothing starts
    any more and this raises ``ProcessFailed``.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise ProcessFailed("there is no program setpriv on PATH: install util-linux")
    words = [setpriv, "--pdeathsig", death_signal, "--", *(str(word) for word in command)]

    def begin() -> subprocess.Popen[bytes]:
        with _lock:
            if _closed:
                raise ProcessFailed(f"{command[0]} is not started: everything is being stopped")
            with log.open("ab") as output, (errors or log).open("ab") as complaints:
                process = subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=complaints,
                    env=None if environment is None else dict(environment),
                    cwd=folder,
                    start_new_session=True,
                )
            _living[process.pid] = process
            return process

    return _starter.submit(begin).result()


def run(command: Sequence[str | Path], *, log: Path, seconds: float = 120) -> None:
    """Runs a program to its end; ``ProcessFailed`` with the end of its output unless it exits with 0 in time."""
    process = start(command, log=log)
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise ProcessFailed(f"{command[0]} did not end within {seconds:g} s:\n{tail(log)}") from None
    finally:
        stop(process, grace=0)
    if status:
        raise ProcessFailed(f"{command[0]} ended with status {status}:\n{tail(log)}")


def stop(process: subprocess.Popen[bytes], *, grace: float = 20, first: signal.Signals = signal.SIGTERM) -> int:
    """Asks the program to end, kills it after ``grace`` seconds, and its whole session with it. Its exit status."""
    children = descendants(process.pid)
    if process.poll() is None:
        if grace > 0:
            process.send_signal(first)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(grace)
            children |= descendants(process.pid)
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    status = process.wait(30)
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    psutil.wait_procs(children, timeout=30)
    with _lock:
        _living.pop(process.pid, None)
    return status


def kill(process: subprocess.Popen[bytes]) -> None:
    """``kill -9`` of this one process; what it started is left to its own devices."""
    process.kill()
    process.wait(30)
    with _lock:
        _living.pop(process.pid, None)


def stop_all() -> None:
    """Ends everything that was started here and still lives. Nothing can be started afterwards."""
    global _closed
    with _lock:
        _closed = True
        left = list(_living.values())
    for process in left:
        stop(process, grace=0)


def living() -> list[int]:
    """The pids of what was started here and was not stopped yet."""
    with _lock:
        return sorted(_living)


def descendants(pid: int) -> set[psutil.Process]:
    """Every process below this one now."""
    try:
        return set(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return set()


def tail(log: Path, lines: int = 15) -> str:
    """The end of a program's output, and before it what it called an error further up: MariaDB's installation says
    what went wrong first, and then at length where to ask."""
    try:
        said = log.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    errors = [line for line in said[:-lines] if "error" in line.lower()]
    return "\n".join(errors[-lines:] + said[-lines:])
