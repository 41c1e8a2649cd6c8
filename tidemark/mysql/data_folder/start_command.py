"""The command line that a person types to look at what was restored."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path


def start_command(program: Path, data: Path, variables: Mapping[str, str], defaults: Mapping[str, str]) -> str:
    """How a person starts a stock server on a folder, first of all to look: over a socket, without a port."""
    socket = data / "mysqld.sock"
    if len(bytes(socket)) > 100:
        socket = Path("/tmp/mysqld-restored.sock")  # noqa: S108 -- for a person to see, and to change
    command = [str(program), "--no-defaults", f"--datadir={data}", f"--socket={socket}", "--skip-networking"]
    if os.geteuid() == 0:
        command.append("--user=root")
    for name, default in defaults.items():
        if variables.get(name, default) != default:
            command.append(f"--{name.replace('_', '-')}={variables[name]}")
    return shlex.join(command)
