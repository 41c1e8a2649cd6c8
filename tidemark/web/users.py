"""Who may look at the fleet in a browser: a file of names and bcrypt hashes, as ``htpasswd -B`` writes it too."""

from __future__ import annotations

import functools
import os
import re
import stat
from pathlib import Path
from typing import Self

import bcrypt

from tidemark import files
from tidemark.errors import ConfigError

ROUNDS = 11
"""Of new hashes: about a tenth of a second per guess."""
LONGEST = 72
"""Bytes of a password; bcrypt looks at no more."""
SHORTEST = 10
"""Characters of a new password."""
_NAME = re.compile(r"[A-Za-z0-9_@+-][A-Za-z0-9_.@+-]{0,63}")
_HASH = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")


@functools.cache
def _nobody() -> bytes:
    """What a name that nobody has is compared with, so that it takes as long as one that somebody has."""
    return bcrypt.hashpw(os.urandom(16).hex().encode(), bcrypt.gensalt(ROUNDS))


class Users:
    """The names and hashes of a file. ``hashes`` maps each name to its hash."""

    def __init__(self, path: Path, hashes: dict[str, str]) -> None:
        self.path = path
        self.hashes = hashes

    @classmethod
    def read(cls, path: Path, *, missing_ok: bool = False) -> Self:
        """Raises ``ConfigError`` for a file that others may read, or with a line that is none; never shows a hash."""
        try:
            with path.open("rb") as stream:
                mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
                text = stream.read(1 << 20).decode()
        except FileNotFoundError:
            if missing_ok:
                return cls(path, {})
            raise ConfigError(
                f"[flower] users_file: there is no file {path}", "tidemark users add NAME makes it, with a first login"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"[flower] users_file: {path} cannot be read: {error}") from error
        if mode & 0o077:
            raise ConfigError(
                f"[flower] users_file: {path} has mode {mode:04o}; others may use it", f"chmod 600 {path}"
            )
        hashes = {}
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            name, _, hashed = line.strip().partition(":")
            if not _NAME.fullmatch(name) or not _HASH.fullmatch(hashed):
                raise ConfigError(
                    f"[flower] users_file: line {number} of {path} is not a name, a colon and a bcrypt hash",
                    "tidemark users add NAME writes such lines, and so does htpasswd -B; "
                    "a password that stands in the file itself is not accepted",
                )
            hashes[name] = hashed
        return cls(path, hashes)

    def check(self, name: str, password: str) -> bool:
        """Whether this is the person's password. Takes as long for a name that nobody has."""
        given, nobody = password.encode(), _nobody()  # made for everybody: the first one must not take longer
        hashed = self.hashes.get(name, "").encode() or nobody
        same = bcrypt.checkpw(given[:LONGEST], hashed)
        return same and name in self.hashes and len(given) <= LONGEST

    def set(self, name: str, password: str) -> None:
        """Adds a person or changes the password, in memory. Raises ``ConfigError`` for what cannot be one."""
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f'"{name}" is no name for a login', 'use letters, digits, "_", "-", "+", "@" and "." (not at the start)'
            )
        if len(password) < SHORTEST or len(password.encode()) > LONGEST or "\0" in password:
            raise ConfigError(f"a password has at least {SHORTEST} characters and at most {LONGEST} bytes")
        self.hashes[name] = bcrypt.hashpw(password.encode(), bcrypt.gensalt(ROUNDS)).decode()

    def write(self) -> None:
        """Replaces the file, mode 0600, as a whole."""
        lines = "".join(f"{name}:{hashed}\n" for name, hashed in sorted(self.hashes.items()))
        try:
            files.write_atomically(self.path, lines.encode())
        except OSError as error:
            raise ConfigError(f"[flower] users_file: {self.path} cannot be written: {error.strerror}") from error
