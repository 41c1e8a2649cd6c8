"""A flavour's programs: where they are, and what version they have."""

from __future__ import annotations

import functools
import os
import subprocess
from pathlib import Path

from tidemark.errors import ProgramMissing
from tidemark.mysql.versions import VERSION

_SIBLINGS = (".", "../bin", "../sbin", "../scripts")
"""Where programs of one installation lie, seen from the folder that is configured."""


class Programs:
    """Finds programs of one flavour: in the folder that was given or beside it, else on PATH and in the sbin folders.
    A folder that was given is not left for another one: a server of another version is not what was asked for.

    ``mysqld`` and ``mysql`` are names that MariaDB installs too: what a program says of itself decides.
    """

    def __init__(self, flavour: str, folder: Path | None, *, packages: str) -> None:
        self._is_mariadb = flavour == "mariadb"
        self._flavour = flavour
        self._folder = folder
        self._packages = packages
        self._found: dict[str, Path] = {}

    def find(self, *names: str) -> Path:
        """The first of these names that there is. Raises ``ProgramMissing``."""
        if names[0] not in self._found:
            self._found[names[0]] = self._search(names)
        return self._found[names[0]]

    def version(self, *names: str) -> str:
        """What the program says its version is: ``9.7.4``."""
        program = self.find(*names)
        text = _ask_version(str(program), program.stat().st_mtime_ns)
        match = VERSION.search(text)
        if match is None:
            raise ProgramMissing(f"{program} does not tell its version: {text[:200]!r}")
        return match[0]

    def _search(self, names: tuple[str, ...]) -> Path:
        seen: list[str] = []
        for folder in self._folders():
            for name in names:
                candidate = folder / name
                if not os.access(candidate, os.X_OK) or candidate.is_dir():
                    continue
                if self._is_ours(candidate):
                    return candidate
                seen.append(f"{candidate} belongs to {'MySQL' if self._is_mariadb else 'MariaDB'}")
        where = f"in {self._folder} or beside it" if self._folder else "on PATH"
        also = f" ({'; '.join(seen)})" if seen else ""
        raise ProgramMissing(
            f"there is no program {names[0]} of {self._flavour} {where}{also}",
            f"install {self._packages}, or set [node] {self._flavour}_bin to the folder of its programs",
        )

    def _folders(self) -> list[Path]:
        if self._folder is not None:
            return [Path(os.path.normpath(self._folder / sibling)) for sibling in _SIBLINGS]
        path = [Path(part) for part in os.environ.get("PATH", os.defpath).split(os.pathsep) if part]
        return list(dict.fromkeys([*path, Path("/usr/sbin"), Path("/usr/local/sbin")]))

    def _is_ours(self, program: Path) -> bool:
        if program.name.startswith("mariadb"):
            return self._is_mariadb
        text = _ask_version(str(program), program.stat().st_mtime_ns)
        return ("mariadb" in text.lower()) == self._is_mariadb


@functools.lru_cache(maxsize=64)
def _ask_version(program: str, _mtime_ns: int) -> str:
    try:
        done = subprocess.run(
            [program, "--no-defaults", "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ProgramMissing(f"{program} cannot be run: {error}") from error
    if done.returncode:
        raise ProgramMissing(f"{program} --version failed: {(done.stderr or done.stdout).strip()[:300]}")
    return done.stdout + done.stderr
