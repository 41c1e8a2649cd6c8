"""Processes that belong to a folder: named in their command line, or working there."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import psutil


def find(folder: Path) -> list[str]:
    """A line for each process but ourselves and our ancestors that has to do with this folder."""
    return [f"{process.pid} {_command(process)}" for process in _processes(folder)]


def end(folder: Path) -> None:
    """Kills them, and returns when they are gone."""
    found = _processes(folder)
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(found, timeout=30)


def _processes(folder: Path) -> list[psutil.Process]:
    place = str(folder)
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        if process.pid in own:
            continue
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            if place in _command(process) or process.cwd().startswith(place):
                found.append(process)
    return found


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return ""
