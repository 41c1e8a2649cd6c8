"""What stands on disk about a private server, so that any later process knows it: state, process, socket."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tidemark import files
from tidemark.errors import ServerStartFailed
from tidemark.mysql import process
from tidemark.mysql.layout import Layout
from tidemark.mysql.process import ProcessRecord

Phase = Literal["cold", "started"]


@dataclass(frozen=True, slots=True)
class ServerRecord:
    """The content of ``state.json``."""

    phase: Phase
    """``cold``: the data folder is at rest. ``started``: a server was started on it and has not stopped cleanly."""
    process: ProcessRecord | None = None
    """The server; None in the moment between the decision to start it and its start."""
    socket: str = ""


def read(layout: Layout) -> ServerRecord | None:
    """The record, or None where no server has been. One that cannot be read counts as started: it is never cold."""
    try:
        content = json.loads(layout.record.read_bytes())
        phase: Phase = "cold" if content["phase"] == "cold" else "started"
        pid = content.get("pid")
        return ServerRecord(
            phase, ProcessRecord(int(pid), float(content["created"])) if pid else None, str(content.get("socket", ""))
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return ServerRecord("started")


def write(layout: Layout, record: ServerRecord) -> None:
    """Replaces the record; it is on disk when this returns."""
    content = {
        "phase": record.phase,
        "pid": record.process.pid if record.process else None,
        "created": record.process.created if record.process else None,
        "socket": record.socket,
    }
    files.make_private(layout.server)
    files.write_atomically(layout.record, json.dumps(content).encode())


def make_socket_folder(socket: Path, layout: Layout) -> None:
    """Makes the short folder that a socket with a long path needs; private, and empty."""
    if socket.parent == layout.server:
        return
    shutil.rmtree(socket.parent, ignore_errors=True)
    try:
        socket.parent.mkdir(mode=0o700)
    except OSError as error:
        raise ServerStartFailed(
            f"{socket.parent}, for a socket whose path would be too long, cannot be made: {error.strerror}",
            "set [node] scratch to a folder with a shorter path",
        ) from error


def remove_socket_folder(layout: Layout, record: ServerRecord | None) -> None:
    """Removes the short folder that a socket with a long path got; nothing else."""
    for socket in {layout.place_socket(), Path(record.socket) if record and record.socket else layout.place_socket()}:
        if socket.parent != layout.server and socket.parent.name.startswith("tidemark-"):
            shutil.rmtree(socket.parent, ignore_errors=True)


def kill_all(layout: Layout) -> bool:
    """Ends the recorded server and every program that works with this folder's option files; whether there was one."""
    record = read(layout)
    living = process.find(record.process, layout.options) if record else None
    found = [living] if living else []
    if layout.server.exists():
        found += [user for user in process.find_users(layout.server) if user not in found]
    for user in found:
        process.kill(user)
    remove_socket_folder(layout, record)
    return bool(found)


def kill_leftover(folder: Path) -> bool:
    """Ends what a run has left running in its folder, whatever the flavour; whether there was something. Its data
    folder is void from then on."""
    return kill_all(Layout(folder.absolute()))
