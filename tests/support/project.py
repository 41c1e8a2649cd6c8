"""A configuration in a folder of its own, and the command line as a person calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from sandbox.primary import Primary
from tidemark import config
from tidemark.repository import MasterKey


class Project:
    """What a user has: ``tidemark.toml``, a master key, password files, a repository and a scratch folder."""

    def __init__(self, folder: Path, **sections: Mapping[str, object]) -> None:
        self.folder = folder
        self.path = folder / "tidemark.toml"
        self.repository = folder / "repository"
        self.scratch = folder / "scratch"
        self.sections: dict[str, dict[str, object]] = {
            "repository": {"url": f"file://{self.repository}", "key_file": str(folder / "master.key")},
            "node": {"scratch": str(self.scratch), "mysql_bin": "/opt/mysql/bin", "mariadb_bin": "/usr/sbin"},
        }
        for name, keys in sections.items():
            self.sections.setdefault(name, {}).update(keys)
        self.shards: dict[str, dict[str, object]] = {}
        self.mirrors: list[Mapping[str, object]] = []
        MasterKey.generate().write(folder / "master.key")
        self.write()

    def add_shard(self, name: str, primary: Primary, **keys: object) -> None:
        """Configures a shard on a running primary, with an account of its own."""
        user, password = primary.create_backup_account()
        self.add(name, port=primary.port, user=user, password=password, **keys)

    def add(self, name: str, *, port: int, user: str, password: str, **keys: object) -> None:
        """Configures a shard on anything that listens on loopback."""
        password_file = self.folder / f"{name.replace('/', '_')}.password"
        password_file.touch(0o600)
        password_file.write_text(password)
        self.shards[name] = {
            "name": name,
            "host": "127.0.0.1",
            "port": port,
            "user": user,
            "password_file": str(password_file),
            "first_backup": "clone",
            **keys,
        }
        self.write()

    def set(self, section: str, **keys: object) -> None:
        """Changes keys of a section."""
        self.sections.setdefault(section, {}).update(keys)
        self.write()

    def add_mirror(self, url: str, **keys: object) -> None:
        """Configures one more repository."""
        self.mirrors.append({"url": url, **keys})
        self.write()

    def set_shard(self, shard: str, **keys: object) -> None:
        """Changes keys of a shard."""
        self.shards[shard].update(keys)
        self.write()

    def write(self) -> None:
        """Writes ``tidemark.toml``. JSON's texts, numbers, lists and booleans are TOML's."""
        lines: list[str] = []
        for name, keys in self.sections.items():
            head = "[[repository]]" if name == "repository" and self.mirrors else f"[{name}]"
            lines += [head, *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]
        for mirror in self.mirrors:
            lines += ["[[repository]]", *(f"{key} = {json.dumps(value)}" for key, value in mirror.items())]
        for shard in self.shards.values():
            lines += ["[[shard]]", *(f"{key} = {json.dumps(value)}" for key, value in shard.items())]
        self.path.write_text("\n".join(lines) + "\n")

    def settings(self) -> config.Settings:
        """The configuration as the product reads it."""
        return config.load(self.path)

    def command(self, *words: str) -> list[str]:
        """A call of ``tidemark`` as a list of words."""
        return [str(Path(sys.executable).parent / "tidemark"), *words]

    def environment(self) -> dict[str, str]:
        """The environment of a call: names this configuration."""
        return os.environ | {"TIDEMARK_CONFIG": str(self.path)}

    def tidemark(self, *words: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Calls ``tidemark`` and waits for it; any exit status will do."""
        return subprocess.run(
            self.command(*words),
            env=self.environment(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def json(self, *words: str, timeout: float = 120) -> Any:
        """Calls ``tidemark ... --json``, which must succeed, and gives what it printed."""
        done = self.tidemark(*words, "--json", timeout=timeout)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def leftovers(self) -> list[str]:
        """What a run has left that it should not have: run folders, and private servers that work below scratch."""
        folders = [str(path) for path in (self.scratch / "runs").glob("*")]
        servers = [
            f"{process.pid} {' '.join(words)}"
            for process in psutil.process_iter(["cmdline"])
            if (words := process.info["cmdline"] or []) and any(str(self.scratch) in word for word in words)
        ]
        return folders + servers
