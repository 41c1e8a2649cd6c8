"""Option files as text, and what a private server is asked to be."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

OptionValues = Mapping[str, str | None]
"""Options by name; None for one without a value."""

SHARED_OPTIONS: OptionValues = {
    # Nobody but us: no port, no account of anybody else within reach, no file of this machine readable through it.
    "skip_networking": "ON",
    "local_infile": "OFF",
    "read_only": "ON",
    "max_connections": "20",
    # It must not act by itself, nor spend a position of its own.
    "skip_log_bin": None,
    "event_scheduler": "OFF",
    "general_log": "OFF",
    "slow_query_log": "OFF",
    # Fast and unsafe: a server that dies makes its folder void in any case.
    "innodb_flush_log_at_trx_commit": "0",
    "innodb_doublewrite": "OFF",
    "sync_relay_log": "0",
    "sync_relay_log_info": "0",
    # Through the page cache: the upload reads every file right after the shutdown.
    "innodb_flush_method": "fsync",
    "innodb_buffer_pool_dump_at_shutdown": "OFF",
    "innodb_buffer_pool_load_at_startup": "OFF",
    "max_allowed_packet": "1G",
    "lc_messages": "en_US",
}
"""What every private server is, whatever the flavour."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What a step asks of a private server."""

    variables: Mapping[str, str]
    """The source's variables that this server must share, as ``Source.variables`` gives them."""
    buffer_pool: int
    """InnoDB's buffer pool, bytes."""
    start_timeout: float
    """How long one that starts may neither read nor write nor compute, seconds."""
    stop_timeout: float
    """The same for one that shuts down."""
    disable_redo_log: bool
    """Whether it catches up without InnoDB's redo log, where the flavour can."""
    die_with_parent: bool
    """Whether it is killed when the thread that started it ends, however that ends."""
    plugins: tuple[str, ...] = ()
    """Plugins that it loads, as ``plugin_load_add`` takes them: ``ha_blackhole``, or ``name=library.so``."""
    time_zone: str = ""
    """Its system's time zone, as ``TZ`` names it; empty for this process's own."""


def option_file(sections: Mapping[str, OptionValues]) -> str:
    """The text of an option file. ``ValueError`` for a value with a line break."""
    lines: list[str] = []
    for section, values in sections.items():
        lines.append(f"[{section}]")
        lines += [name if value is None else f"{name}={_quote(value)}" for name, value in values.items()]
    return "\n".join(lines) + "\n"


def _quote(value: str) -> str:
    if "\n" in value or "\r" in value or "\0" in value:
        raise ValueError("an option's value has a line break in it")
    if value and all(letter.isalnum() or letter in "_-./:,%+" for letter in value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def write_private(path: Path, text: str) -> None:
    """Writes a file that nobody else may read, whatever the umask; an old one is replaced."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)


def new_server_id() -> int:
    """A server id that nobody who numbers servers by hand uses: random, in the upper half of the range."""
    return 2**31 + secrets.randbelow(2**31 - 2)
