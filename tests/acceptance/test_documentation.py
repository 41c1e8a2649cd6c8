"""What the README and docs/operations.md tell a reader to type is typed here, in their order, on both flavours.

Every block is run, or stands in ``NOT_RUN`` with the reason; a new one that is neither fails the test.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import MySQLdb
import pytest

from sandbox import processes
from sandbox.ports import free_port
from sandbox.primary import Flavour, Primary
from sandbox.redis import RedisServer
from sandbox.workload import fill
from tests.support.documents import Block, blocks
from tests.support.needs import need_flavour, need_program
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(420)]

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
OPERATIONS = ROOT / "docs" / "operations.md"

NOT_RUN = {
    # first line of the block: why it is not run here
    "make demo": "tests/acceptance/test_demo.py runs it",
    "make test": "this is it",
    "# needs gcc, pkg-config, libmariadb-dev and python3-dev, for mysqlclient": "the tests run in such an environment",
    "            beat: one message per shard per cycle": "a picture",
}
"""Of the README."""

NOT_RUN_OF_OPERATIONS = {
    "[[shard]]": "needs a primary with replicas; tests/integration/test_mysql_sources.py has them",
    "[alert]": "needs somebody who listens to a webhook; the tests of notifications have one",
    "[[repository]]": "needs two clouds; tests/integration/test_mirrors.py has mirrors",
}
"""Of docs/operations.md."""


class Sandbox:
    """A machine to type on: the README's addresses and folders are places of our own."""

    def __init__(self, folder: Path, flavour: Flavour, primary: Primary, redis: RedisServer) -> None:
        self.folder = folder
        self.flavour = flavour
        self.primary = primary
        self.variables: dict[str, str] = {}
        self.flower_port = free_port()
        self.substitutions = {
            # what the page says: what it means here
            "/etc/tidemark": f"{folder}/etc",
            "/var/lib/tidemark": f"{folder}/scratch",
            "/var/backups/tidemark": f"{folder}/backups",
            "/srv/restored/mysqld.sock": f"{folder}/s",  # a socket's path is short
            "/srv/restored": f"{folder}/restored",
            'host = "10.0.0.7"': f'host = "127.0.0.1"\nport = {primary.port}',
            "/srv/commerce/mysqld.sock": f"{folder}/r",
            "/srv/commerce": f"{folder}/commerce",
            'host = "10.0.0.8"': f'host = "127.0.0.1"\nport = {primary.port}',
            "SOURCE_HOST='10.0.0.7'": f"SOURCE_HOST='127.0.0.1', SOURCE_PORT={primary.port}",
            "MASTER_HOST='10.0.0.7'": f"MASTER_HOST='127.0.0.1', MASTER_PORT={primary.port}",
            "redis://10.0.0.5:6379/0": redis.url,
            "chown -R mysql:": "true",  # there is no such account everywhere
            "--user=mysql": "--user=root" if os.geteuid() == 0 else "",
            "celery -A tasks flower": f"celery -A tasks flower --port={self.flower_port}",
            "celery -A tasks beat": f"celery -A tasks beat --schedule={folder}/beat --pidfile=",
        }
        self._background: list[subprocess.Popen[bytes]] = []

    def type(self, block: Block) -> str:
        """Does what a reader does with a block; what it printed."""
        text = block.text
        for said, meant in self.substitutions.items():
            text = text.replace(said, meant)
        match block.language:
            case "sql":
                self._at_the_primary(text)
                return ""
            case "toml":
                with (self.folder / "etc" / "tidemark.toml").open("a") as file:
                    file.write(text + "\n")
                return ""
            case "sh":
                return self._in_a_shell(block, text)
        raise AssertionError(f"{block.page}:{block.line}: nobody knows what to do with a block of {block.language!r}")

    def _at_the_primary(self, text: str) -> None:
        statements = "\n".join(line.partition("-- ")[0] for line in text.splitlines()).split(";")
        with contextlib.closing(self.primary.root()) as connection, connection.cursor() as cursor:
            for statement in filter(str.strip, statements):
                with contextlib.suppress(MySQLdb.OperationalError) if "INSTALL PLUGIN" in statement else _strictly():
                    cursor.execute(statement)

    def _in_a_shell(self, block: Block, text: str) -> str:
        """Exports of one block hold in the next, as in a terminal; what serves for ever goes to the background."""
        serving = [line for line in text.splitlines() if line.startswith(("celery -A tasks worker", "celery -A tasks b",
                                                                           "celery -A tasks f"))]  # fmt: skip
        at_once = "\n".join(line for line in text.splitlines() if line not in serving)
        # What a failed block has left in the background must not outlive it.
        begin = "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT"
        script = f"{begin}\n{at_once}\necho; env -0 > {self.folder}/environment\nwait\n"
        done = subprocess.run(
            ["bash", "-c", script],
            env=self.environment(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{block.page}:{block.line}:\n{text}\n{done.stdout}\n{done.stderr}"
        for entry in (self.folder / "environment").read_text().split("\0"):
            name, _, value = entry.partition("=")
            if name == "TIDEMARK_CONFIG":
                self.variables[name] = value
        for number, line in enumerate(serving):
            log = self.folder / f"serving-{block.line}-{number}.log"
            command = line.partition("#")[0].strip()
            started = processes.start(
                ["bash", "-c", f"exec {command}"], log=log, environment=self.environment(), folder=ROOT
            )
            self._background.append(started)
        return done.stdout

    def environment(self) -> dict[str, str]:
        """With the programs that the README has installed."""
        path = f"{Path(sys.executable).parent}:/opt/mysql/bin:{os.environ['PATH']}:/usr/sbin"
        return os.environ | {"PATH": path} | self.variables

    def logs(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in self.folder.glob("serving-*.log"))

    def close(self) -> None:
        for process in self._background:
            processes.stop(process, grace=20, first=signal.SIGINT)


@contextlib.contextmanager
def _strictly() -> Iterator[None]:
    yield


def is_of_the_other_flavour(block: Block, flavour: Flavour) -> bool:
    other = "MariaDB" if flavour == "mysql" else "MySQL"
    return block.first.startswith((f"# {other}", f"-- {other}"))


def to_type(flavour: Flavour) -> list[Block]:
    """What a reader with primaries of this flavour copies, of both pages, in their order."""
    languages = {"sh", "sql", "toml"}
    found = [block for block in blocks(README) if block.first not in NOT_RUN]
    found += [
        block
        for block in blocks(OPERATIONS)
        if block.language in languages and block.first not in NOT_RUN_OF_OPERATIONS
    ]
    return [block for block in found if not is_of_the_other_flavour(block, flavour)]


@pytest.mark.parametrize("flavour", ["mysql", "mariadb"])
def test_the_readme_leads_from_nothing_to_a_restored_database(
    flavour: Flavour, tmp_path_factory: pytest.TempPathFactory
) -> None:
    need_flavour(flavour)
    need_program("redis-server")
    place = tmp_path_factory.mktemp("readme")
    (place / "typing").mkdir()
    with Primary(place / "primary", flavour) as primary, RedisServer(place / "redis") as redis:
        fill(primary, 1)
        sandbox = Sandbox(place / "typing", flavour, primary, redis)
        printed: dict[str, str] = {}
        try:
            for block in to_type(flavour):
                printed[f"{block.page}:{block.first}"] = sandbox.type(block)
            wait_until(lambda: "Visit me at" in sandbox.logs(), 60, "Flower")
        finally:
            sandbox.close()
    told = "\n".join(printed.values())
    assert "backup 1 is complete" in told
    assert "backup 2 is complete" in told
    assert "fit (" in told
    assert "alice may log in" in told
    (server,) = (
        text for first, text in printed.items() if first.startswith(("README.md:# MySQL", "README.md:# Maria"))
    )
    assert "ledger" in server, server  # what the primary holds
    assert "shards have a backup" in told
    (replica,) = (text for first, text in printed.items() if first.startswith("operations.md:# M"))
    assert "Auto_Position: 1" in replica or "Using_Gtid: Slave_Pos" in replica


def test_every_block_of_the_pages_is_run_or_listed_with_a_reason() -> None:
    """Blocks of other languages (an option file, say) are for reading."""
    listed = {README: NOT_RUN, OPERATIONS: NOT_RUN_OF_OPERATIONS}
    run = {(block.page, block.line) for flavour in ("mysql", "mariadb") for block in to_type(flavour)}
    for page, reasons in listed.items():
        found = blocks(page)
        for block in found:
            where = f"{block.page}:{block.line}: {block.first}"
            assert block.language in {"sh", "sql", "toml", "ini", "yaml", "json", "text"} or block.first in reasons, (
                where
            )
            if block.language in {"sh", "sql", "toml"}:
                assert (block.page, block.line) in run or block.first in reasons, where
        assert set(reasons) <= {block.first for block in found}, (
            f"{page.name}: a reason is given for a block that is gone"
        )
