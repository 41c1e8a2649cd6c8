"""What a user would run instead, on the same bytes."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from benchmarks.child import Found
from benchmarks.figure import Bench
from benchmarks.floors import seconds_of
from sandbox.primary import Primary

SERVING: dict[str, str | None] = {"innodb-buffer-pool-size": "1G", "skip-log-bin": None}


def served(bench: Bench, name: str, data: Path) -> Primary:
    """A server on a copy of the data, for those who cannot read a cold folder. Start and stop it with ``with``."""
    folder = bench.folder(name)
    shutil.copytree(data, folder / "data")
    return Primary(folder, "mariadb", data=folder / "data", tls="off", options=SERVING)


def mariadb_backup(server: Primary, target: Path, threads: int, size: int) -> Found:
    """``mariadb-backup --stream | zstd -1 | openssl enc`` into a file, which is on the disk at the end, as ours are."""
    password = target.with_name("openssl.key")
    password.write_text("benchmark\n")
    target.with_name("tmp").mkdir(exist_ok=True)
    line = (
        f"mariadb-backup --backup --stream=xbstream --parallel={threads} --user=root --socket={server.socket}"
        f" --target-dir={target.with_name('tmp')}"
        f" | zstd -q -1 -T{threads} | openssl enc -aes-256-ctr -pbkdf2 -pass file:{password} > {target}"
        f" && sync {target}"
    )
    return _shell(line, size, stored=target)


def mydumper(server: Primary, target: Path, threads: int, size: int) -> Found:
    """A compressed logical dump of all tables."""
    return _shell(
        f"mydumper --socket={server.socket} --user=root --threads={threads} --compress --outputdir={target}", size
    )


def restic(data: Path, repository: Path, size: int, *, create: bool) -> Found:
    """restic's backup of the cold files."""
    environment = {"RESTIC_REPOSITORY": str(repository), "RESTIC_PASSWORD": "benchmark", "HOME": str(repository.parent)}
    if create:
        _shell("restic init --quiet", size, environment)
    return _shell(f"restic backup --quiet {shlex.quote(str(data))}", size, environment)


def cp(data: Path, target: Path, size: int) -> Found:
    """A plain copy, not through a reflink."""
    return _shell(f"cp -r --reflink=never {shlex.quote(str(data))} {target}", size)


def zstd(data: Path, target: Path, threads: int, size: int) -> Found:
    """``tar | zstd -1``, neither checked nor sealed."""
    return _shell(f"tar -C {shlex.quote(str(data))} -cf - . | zstd -q -1 -T{threads} > {target}", size, stored=target)


def _shell(line: str, size: int, environment: dict[str, str] | None = None, stored: Path | None = None) -> Found:
    def work() -> None:
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            check=False,
            capture_output=True,
            text=True,
            env=os.environ | (environment or {}),
        )
        if done.returncode:
            raise SystemExit(f"{line}\nended with status {done.returncode}:\n{done.stderr[-2000:]}")

    before = os.times()
    seconds = seconds_of(work)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    found: Found = {"seconds": seconds, "cpu_seconds": cpu, "mb_per_second": size / 1e6 / seconds}
    return found | ({"stored": stored.stat().st_size} if stored else {})


def fresh(path: Path, work: Callable[[Path], Found]) -> Found:
    """Gives the work a path that does not exist, and removes what it has made."""
    try:
        return work(path)
    finally:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
