"""One long-lived fleet of real processes that is struck again and again: primaries of both flavours, nodes, a control
worker, Redis behind a wire that can be cut, an S3 server behind a proxy that misbehaves, a disk that can fill."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from celery import states
from celery.result import AsyncResult

from sandbox import processes
from sandbox.checksums import Checksums, checksums, freeze
from sandbox.faults import FaultyProxy
from sandbox.object_servers import ACCESS_KEY, REGION, SECRET_KEY, VersityGateway
from sandbox.primary import Account, Primary
from sandbox.stock import StockServer
from sandbox.wire import Wire
from sandbox.workload import fill
from tests.support.fleet import ROOT, Fleet
from tests.support.needs import need_flavour, need_program
from tests.support.waiting import wait_until
from tidemark import files, wiring
from tidemark.fleet import keys, records
from tidemark.recovery import restore
from tidemark.repository import ShardRepository

STEPS = ("restore", "catchup", "stop", "upload")
SHARDS = ("maria/a", "mysql/a")
NODE = "node1"
SCRATCH_BYTES = 900 << 20
"""Of the scratch disk: two runs of a few dozen MB, and the redo and undo logs of their servers."""


@dataclass(frozen=True, slots=True)
class Point:
    """A place in a step where it was held."""

    shard: str
    step: str
    run: str
    index: int
    """Counts the step's points, from 1."""
    name: str
    pid: int
    """The process that does the step."""


class Stage:
    """The fleet, and what a test needs to hold it, to look at it, and to prove its backups."""

    def __init__(self, folder: Path, shards: Sequence[str] = SHARDS) -> None:
        self.folder = folder
        self.shards = tuple(shards)
        self.stack = contextlib.ExitStack()
        self.known: dict[str, dict[str, Checksums]] = {}
        """What each keyspace's primary held, by its position."""
        self.accounts: dict[str, Account] = {}
        """Tidemark's, on each primary."""
        self.heirs: dict[str, Primary] = {}
        """Replicas that can be promoted, of a test that has made some."""
        self.ended: Counter[str] = Counter()
        """How runs have ended."""
        self._environment = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
        self._before: dict[str, str | None] = {}

    # ---- life

    def __enter__(self) -> Stage:
        need_program("redis-server")
        gateway = need_program("versitygw")
        for flavour in ("mariadb", "mysql"):
            need_flavour(flavour)
        with contextlib.ExitStack() as stack:
            self._begin(stack, gateway)
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *details: object) -> None:
        self.stack.close()

    def _begin(self, stack: contextlib.ExitStack, gateway: Path) -> None:
        stack.callback(self._restore_environment)
        for name in [name for name in os.environ if name.startswith("AWS_")] + list(self._environment):
            self._before[name] = os.environ.pop(name, None)
        os.environ.update(self._environment)
        self.primaries = {
            "maria": stack.enter_context(Primary(self.folder / "maria", "mariadb")),
            "mysql": stack.enter_context(Primary(self.folder / "mysql", "mysql")),
        }
        self.store = stack.enter_context(VersityGateway(self.folder / "objects", gateway))
        self.store.make_bucket("bucket")
        self.proxy = stack.enter_context(FaultyProxy(self.store.url))
        self.fleet = stack.enter_context(Fleet(self.folder / "fleet", app="tests.support.points"))
        self.wire = stack.enter_context(Wire(self.fleet.redis_server.port))
        (self.fleet.orders / "points").touch()
        project = self.fleet.project
        project.set("redis", url=f"redis://127.0.0.1:{self.wire.port}/0")
        project.set("repository", url="s3://bucket/prefix", region=REGION, endpoint_url=self.proxy.url)
        project.set("repository", pack_size="1M")
        project.set("node", threads=1, buffer_pool="16M", min_free="32M")
        project.set("retention", keep_last=3)
        project.set("fleet", retry_after="0s")
        self.full_disk = stack.enter_context(small_disk(project.scratch))
        for keyspace, primary in self.primaries.items():
            fill(primary, 2, tables=1)
            self.accounts[keyspace] = primary.create_backup_account()
            self.known[keyspace] = {}
            for shard in self.shards:
                if shard.startswith(f"{keyspace}/"):
                    self.add_shard(shard)
        self.fleet.start("control", "-n", "control@test", "-Q", "control", "-P", "solo")
        self.fleet.start_nodes(NODE)
        self.fleet.wait_ready("control")

    def add_shard(self, shard: str) -> None:
        """Configures one more shard on its keyspace's primary."""
        user, password = self.accounts[shard.split("/")[0]]
        port = self.primary(shard).port
        self.fleet.project.add(shard, port=port, user=user, password=password, stall_timeout="20s", catchup_room="64M")

    def _restore_environment(self) -> None:
        for name, value in self._before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value

    def primary(self, shard: str) -> Primary:
        return self.primaries[shard.split("/")[0]]

    def kill_node(self, name: str = NODE) -> None:
        """``kill -9`` of a node's main process; returns when its children have followed. Its server has not."""
        process = self.fleet.processes.pop(name)
        children = psutil.Process(process.pid).children()
        processes.kill(process)
        _, left = psutil.wait_procs(children, timeout=20)
        assert not left, f"children of the killed worker live on: {left}"

    def restart_node(self, name: str = NODE) -> None:
        self.fleet.start(name, "-n", f"{name}@test")

    def start_beat(self, name: str, shard: str, cycle: str) -> None:
        """A beat that knows of one shard only."""
        project = self.fleet.project
        project.set("cycle", every=cycle)
        content = project.path.read_text()
        project.set("cycle", every="12h")
        head, *shards = content.split("[[shard]]\n")
        config = project.folder / "beat.toml"
        config.write_text("[[shard]]\n".join([head, *(text for text in shards if f'"{shard}"' in text)]))
        environment = self.fleet.environment() | {"TIDEMARK_CONFIG": str(config)}
        celery = Path(sys.executable).parent / "celery"
        command: list[str | Path] = [celery, "-A", self.fleet.app, "beat", "--loglevel", "INFO"]
        self.fleet.processes[name] = processes.start(
            command, log=self.fleet.log(name), environment=environment, folder=ROOT
        )

    def move_clock(self, hours: float) -> None:
        """From now on the nodes' clock, as the product reads it, is off by this much."""
        files.write_atomically(self.fleet.orders / "clock", str(hours).encode())

    # ---- holding

    def hold(self, shard: str, step: str, at: int) -> None:
        """The next run of the shard will wait at this point of this step; at the step's last one if it has fewer."""
        (self.fleet.orders / "held").unlink(missing_ok=True)
        order = self.fleet.orders / "hold.new"
        order.write_text(json.dumps({"shard": shard, "step": step, "at": at}))
        order.rename(self.fleet.orders / "hold")

    def wait_held(self, result: AsyncResult[Any] | None = None) -> Point:
        """Returns when it waits."""
        path = self.fleet.orders / "held"

        def held() -> Point | None:
            if path.exists():
                return Point(**json.loads(path.read_text()))
            if result is not None and self.state(result) in states.READY_STATES:
                raise AssertionError(f"the run has ended before the point: {result.result}")
            return None

        return wait_until(held, 120, "the run is held")

    def release(self) -> None:
        (self.fleet.orders / "hold").unlink(missing_ok=True)

    def points(self, step: str, shard: str) -> list[str]:
        """The names of the points that the last whole step of this kind has passed."""
        found: list[str] = []
        for line in (self.fleet.orders / "points").read_text().splitlines():
            point = json.loads(line)
            if (point["shard"], point["step"]) == (shard, step):
                found = [*found[: point["index"] - 1], point["name"]]
        return found

    # ---- runs

    def write(self, shard: str) -> None:
        """A few transactions on the primary; what it holds then is remembered by its position."""
        primary = self.primary(shard)
        for number in range(3):
            primary.execute(
                "INSERT INTO entry_1 (account, amount, reference, text) SELECT account, amount + 1, UUID(), text "
                f"FROM entry_1 WHERE id > {40 * number} LIMIT 5",
                database="ledger",
            )
        primary.execute("UPDATE entry_1 SET amount = amount + 1 ORDER BY id DESC LIMIT 20", database="ledger")
        self.remember(shard)

    def remember(self, shard: str) -> None:
        position, sums = freeze(self.primary(shard))
        self.known[shard.split("/")[0]][position] = sums

    def state(self, result: AsyncResult[Any]) -> str:
        """The state of an id; PENDING while Redis does not answer."""
        with contextlib.suppress(Exception):
            return str(result.state)
        return states.PENDING

    def wait_end(self, result: AsyncResult[Any], seconds: float = 180) -> str:
        """How the request ended: ``SUCCESS``, ``FAILURE`` or ``REVOKED``."""

        def ended() -> str | None:
            state = self.state(result)
            return state if state in states.READY_STATES else None

        state = wait_until(ended, seconds, "the run has ended")
        self.ended[state] += 1
        return state

    def let_time_pass(self, point: Point) -> None:
        """What minutes of a node's silence leave in Redis."""
        redis, now = self.fleet.redis, datetime.now(UTC)
        record = records.get(redis, point.run)
        assert record is not None
        redis.delete(keys.node(record.node), keys.lease(point.shard))
        redis.hset(keys.run(point.run), "updated", (now - timedelta(hours=1)).isoformat())

    def wait_run(self, point: Point) -> str:
        """How the run ended that was held, whoever asked for it: the state of its record."""

        def ended() -> str | None:
            record = records.get(self.fleet.redis, point.run)
            return record.state if record and record.state != "open" else None

        return wait_until(ended, 180, "the run has ended")

    def record_elsewhere(self, point: Point) -> bool:
        """Whether another run of the shard has begun since."""
        newest = records.history(self.fleet.redis, point.shard, 1)[0]
        return newest.run != point.run and newest.step not in {"backup", ""}

    def has_newer_backup(self, point: Point) -> bool:
        newest = records.history(self.fleet.redis, point.shard, 1)[0]
        return newest.run != point.run and newest.state == "succeeded"

    def run_well(self, shard: str, first_backup: str | None = None) -> int:
        """A cycle that nothing disturbs must end well; gives the backup's number."""
        self.write(shard)
        result = self.fleet.enqueue(shard, first_backup=first_backup)
        state = self.wait_end(result)
        assert state == states.SUCCESS, f"{shard}: an undisturbed run failed: {result.result}\n{self.logs()}"
        number = result.get(timeout=30).get("number")
        assert number is not None, f"{shard}: an undisturbed run made no backup: {result.result}"
        return int(number)

    def logs(self) -> str:
        return "\n".join(f"--- {name}\n{self.fleet.text(name)[-6000:]}" for name in self.fleet.processes)

    # ---- proof

    def prove(self, shard: str) -> None:
        """After the janitor's pass nothing of a run is left, and the newest backup (if any) is what the primary was."""
        self.sweep()
        wait_until(lambda: self.tidy(shard), 60, f"{shard} is tidy")
        if self.backups(shard).catalog.backups():
            self.check_newest(shard)

    def sweep(self) -> Any:
        """The janitor's pass."""
        result = self.fleet.client.send_task("tasks.janitor", queue="control")
        state = wait_until(
            lambda: (seen := self.state(result)) in states.READY_STATES and seen, 90, "the janitor has been"
        )
        assert state == states.SUCCESS, f"the janitor failed: {result.result}"
        return result.result

    def tidy(self, shard: str) -> bool:
        self.fleet.clean(shard)
        left = self.programs()
        assert not left, f"processes are left: {left}"
        queues = {name: self.fleet.redis.llen(name) for name in self.fleet.redis.keys("node.*")}
        assert not any(queues.values()), f"messages are left: {queues}"
        held = self.fleet.redis.hkeys("unacked")
        assert not held, f"messages are not acknowledged: {held}"
        objects = self.orphans(shard)
        assert not objects, f"objects are left: {objects}"
        return True

    def programs(self) -> list[str]:
        """Servers, and programs of theirs, that work below the scratch folder."""
        place = str(self.fleet.project.scratch)
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                words = " ".join(process.cmdline())
                if place in words:
                    found.append(f"{process.pid} {words[:200]}")
        return found

    def backups(self, shard: str) -> ShardRepository:
        return wiring.open_repository(self.fleet.project.settings()).shard(shard)

    def orphans(self, shard: str) -> list[str]:
        """Stored objects that belong to no backup, and what was being stored in parts."""
        backups = self.backups(shard)
        settings = self.fleet.project.settings()
        store = wiring.find_store(settings.repository)
        referred = {
            f"{shard}/packs/{pack.run_id}/{pack.number:012d}"
            for b in backups.catalog.backups()
            for pack in backups.catalog.packs(b)
        }
        found = [info.name for info in store.list(f"{shard}/packs/") if info.name not in referred]
        return found + [str(path) for path in self.store.folder.rglob("*") if ".sgwtmp" in str(path) and path.is_file()]

    def check_newest(self, shard: str) -> int:
        """Restores the newest backup, starts a stock server on it, and compares every table with the primary at that
        position; gives its number."""
        keyspace, primary = shard.split("/")[0], self.primary(shard)
        target, folder = self.folder / f"restored-{keyspace}", self.folder / f"stock-{keyspace}"
        settings = self.fleet.project.settings()
        done = restore.run(settings, restore.find(settings, shard), target, delta=True)
        flavour = wiring.find_flavour(settings, done.backup.flavour)
        known = {flavour.normalise(position): sums for position, sums in self.known[keyspace].items()}
        position = flavour.normalise(done.backup.position)
        assert position in known, f"backup {done.backup.number} is at {position}, where the primary never stood still"
        server = StockServer(folder, primary.flavour, data=target, tls="off").start()
        try:
            found = checksums(server)
        finally:
            server.stop()
        wanted = known[position]
        assert found == wanted, f"backup {done.backup.number} of {shard} is not what the primary was at {position}"
        return done.backup.number


@contextlib.contextmanager
def small_disk(place: Path) -> Iterator[bool]:
    """Mounts a disk of its own on a folder, if this account may; says whether it could."""
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    mount, umount = shutil.which("mount"), shutil.which("umount")
    done = mount and umount and os.geteuid() == 0
    if done:
        options = f"size={SCRATCH_BYTES},mode=0700"
        asked = subprocess.run([str(mount), "-t", "tmpfs", "-o", options, "tmpfs", place], check=False)
        done = asked.returncode == 0
    try:
        yield bool(done)
    finally:
        if done:
            subprocess.run([str(umount), "-l", place], check=True)
