"""What is there without Tidemark: primaries that are being written to, and a Redis."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sandbox import templates
from sandbox.primary import Flavour, Primary
from sandbox.programs import find_programs
from sandbox.redis import RedisServer
from sandbox.workload import Workload, create_rich_schema, fill

RATE = 20
"""Transactions per second on each primary."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard of the demo."""

    name: str
    primary: Primary
    label: str
    """How its primary is called on the screen."""


class Stage:
    """Up to three primaries, each with two shards, and a Redis. All of it lies in ``folder``."""

    def __init__(self, folder: Path, megabytes: int, *, with_mysql: bool) -> None:
        self.folder = folder
        self.megabytes = megabytes
        self.primaries: dict[str, Primary] = {"MariaDB 1": self._primary("mariadb", 1)}
        self.primaries["MariaDB 2"] = self._primary("mariadb", 2)
        if with_mysql:
            self.primaries["MySQL 1"] = self._primary("mysql", 1)
        keyspaces = ("commerce", "users", "events")
        self.shards = tuple(
            Shard(f"{keyspace}/{part}", primary, label)
            for keyspace, (label, primary) in zip(keyspaces, self.primaries.items(), strict=False)
            for part in ("-80", "80-")
        )
        self.redis = RedisServer(folder / "redis")
        self.workloads: list[Workload] = []
        self.accounts: dict[str, tuple[str, Path]] = {}

    def _primary(self, flavour: Flavour, number: int) -> Primary:
        return Primary(self.folder / f"{flavour}-{number}", flavour)

    def set_up(self, say: Callable[[str], None]) -> None:
        """Starts everything, fills the primaries and begins to write to them. Raises ``ProcessFailed``."""
        templates.use_folder(self.folder / "templates")
        self.redis.start()
        with ThreadPoolExecutor(len(self.primaries)) as pool:
            for label in pool.map(self._prepare, self.primaries):
                say(f"{label} {self.primaries[label].version()} holds {self.megabytes} MB and is being written to")

    def _prepare(self, label: str) -> str:
        primary = self.primaries[label].start()
        create_rich_schema(primary)
        fill(primary, self.megabytes)
        user, password = primary.create_backup_account()
        secret = self.folder / f"{label.replace(' ', '-').lower()}.password"
        secret.touch(mode=0o600)
        secret.write_text(password)
        self.accounts[label] = (user, secret)
        self.workloads.append(Workload(primary, RATE, rich=True).start())
        return label

    def write_configuration(self, every: int, window: int) -> Path:
        """Writes ``tidemark.toml``, as the documentation describes it; durations in seconds. Gives its path."""
        sections: dict[str, Mapping[str, object]] = {
            "repository": {"url": f"file://{self.folder}/repository", "key_file": "master.key"},
            "node": {"scratch": "scratch", "buffer_pool": "64M"} | self._program_folders(),
            "redis": {"url": self.redis.url},
            "flower": {"users_file": "users"},
            "cycle": {"every": f"{every}s", "window": f"{window}s"},
            # The shards of a keyspace share a primary here, and MySQL's CLONE serves one copy at a time.
            "fleet": {"max_per_keyspace": 1},
            "retention": {"keep_last": 2},
            "defaults": {"host": "127.0.0.1", "first_backup": "clone"},
        }
        lines: list[str] = []
        for section, keys in sections.items():
            lines += [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items()), ""]
        for shard in self.shards:
            user, secret = self.accounts[shard.label]
            keys = {"name": shard.name, "port": shard.primary.port, "user": user, "password_file": secret.name}
            lines += ["[[shard]]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items()), ""]
        path = self.folder / "tidemark.toml"
        path.write_text("\n".join(lines))
        return path

    def _program_folders(self) -> dict[str, str]:
        folders = {}
        for primary in self.primaries.values():
            if programs := find_programs(primary.flavour):
                folders[f"{primary.flavour}_bin"] = str(programs.server.parent)
        return folders

    def quiet(self) -> None:
        """Ends the writing."""
        for workload in self.workloads:
            workload.stop()

    def tear_down(self) -> None:
        """Ends the writing and the servers."""
        with contextlib.suppress(Exception):
            self.quiet()
        for primary in self.primaries.values():
            primary.kill()  # nobody will need their data again
        self.redis.kill()
