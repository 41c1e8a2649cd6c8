"""A fleet of real worker processes on a Redis of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import redis
from celery import Celery, states
from celery.result import AsyncResult

from sandbox import processes
from sandbox.certificates import Certificates
from sandbox.redis import RedisServer
from tests.support.project import Project
from tests.support.waiting import wait_until
from tidemark import fleet
from tidemark.config import RedisSettings

ROOT = Path(__file__).parents[2]
GRACE = 10 if "COVERAGE_PROCESS_CONFIG" in os.environ else 0
"""Seconds for a worker to end by itself after its test: it has something to write when its lines are counted."""


@dataclass
class Fleet:
    """Redis, a configuration, and the processes that a test starts. Leaves nothing behind."""

    folder: Path
    app: str = "tests.support.choreography"
    """The application that workers load; ``tasks`` is the product's own."""
    password: str | None = None
    """The password of Redis."""
    tls: Certificates | None = None
    """Of Redis; clients need one as well."""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    environment_of: dict[str, dict[str, str]] = field(default_factory=dict)
    """Further variables of the processes with these names."""

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.redis_server = RedisServer(self.folder / "redis", password=self.password, tls=self.tls).start()
        self.orders = self.folder / "orders"
        self.orders.mkdir()
        self.project = Project(self.folder, redis={"url": self.redis_server.url})
        if self.password:
            file = self.folder / "redis.password"
            file.touch(0o600)
            file.write_text(self.password)
            self.project.set("redis", password_file=str(file))
        if self.tls:
            self.project.set(
                "redis", tls_ca=str(self.tls.ca), tls_cert=str(self.tls.certificate), tls_key=str(self.tls.key)
            )
        settings = RedisSettings.model_validate(self.project.sections["redis"])
        self.redis: redis.Redis = fleet.connect(settings)
        url = fleet.broker_url(settings)
        self.client = Celery(broker=url, backend=url, set_as_current=False)
        self.client.conf.update(
            broker_transport_options={"queue_order_strategy": "priority", "visibility_timeout": 7 * 86400},
            broker_connection_retry_on_startup=True,
            broker_use_ssl=fleet.tls_options(settings),
            redis_backend_use_ssl=fleet.tls_options(settings),
        )
        # A result that is collected as garbage after its Redis has stopped would wait for it, in some other test.
        self.client.backend.remove_pending_result = lambda result: result  # type: ignore[attr-defined]

    def add_shards(self, names: Iterable[str]) -> None:
        """Shards whose primary nobody will ask."""
        for name in names:
            self.project.add(name, port=1, user="nobody", password="not asked for", flavour="mariadb")

    def environment(self) -> dict[str, str]:
        return self.project.environment() | {"CHOREOGRAPHY": str(self.orders), "PYTHONWARNINGS": "default"}

    def start(self, name: str, *words: str, program: str = "worker") -> subprocess.Popen[bytes]:
        """Starts ``celery -A <app> worker|beat ...``; does not wait until it is there."""
        celery = Path(sys.executable).parent / "celery"
        command = [str(celery), "-A", self.app, program, "--loglevel", "INFO", *words]
        process = processes.start(
            command, log=self.log(name), environment=self.environment() | self.environment_of.get(name, {}), folder=ROOT
        )
        self.processes[name] = process
        return process

    def start_nodes(self, *names: str) -> None:
        """Starts nodes and returns when they consume."""
        for name in names:
            self.start(name, "-n", f"{name}@test")
        for name in names:
            self.wait_ready(name)

    def wait_ready(self, name: str, times: int = 1) -> None:
        """Returns when a worker has said ``times`` times that it is ready."""

        def ready() -> bool:
            text = self.text(name)
            assert self.processes[name].poll() is None, f"{name} ended:\n{text}"
            return text.count(" ready.") >= times

        wait_until(ready, 60, f"{name} is ready")

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def text(self, name: str) -> str:
        path = self.log(name)
        return path.read_text(errors="replace") if path.exists() else ""

    def enqueue(self, shard: str, *, priority: int = 0, first_backup: str | None = None) -> AsyncResult[Any]:
        """What ``celery call tasks.backup`` does."""
        kwargs = {"first_backup": first_backup} if first_backup else {}
        return self.client.send_task("tasks.backup", [shard], kwargs, queue="backup", priority=priority)

    def control(self, call: str) -> list[str]:
        """Calls a function of ``tidemark.queue.client`` in a process of its own; gives the shards that it names."""
        program = f"import json; from tidemark.queue import client; print(json.dumps([e.shard for e in client.{call}]))"
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=self.environment(),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        return list(json.loads(done.stdout))

    def wait_revoked(self, result: AsyncResult[Any]) -> None:
        """Returns when an id is settled as revoked."""
        wait_until(lambda: str(result.state) == states.REVOKED, 30, f"{result.id} is REVOKED")

    def order(self, shard: str, step: str, what: str) -> Path:
        """Tells the steps of ``choreography`` what to do; gives the file, whose end is the end of ``hang``."""
        path = self.orders / f"{shard.replace('/', '_')}.{step}"
        path.write_text(what)
        return path

    def events(self, event: str | None = None) -> list[dict[str, Any]]:
        """What the steps have said, in their order."""
        path = self.orders / "events"
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [line for line in lines if event is None or line["event"] == event]

    def wait_event(self, shard: str, step: str, event: str = "begins", times: int = 1, seconds: float = 30) -> Any:
        """The ``times``-th event of this kind, once it has happened."""

        def found() -> Any:
            seen = [e for e in self.events(event) if (e["shard"], e["step"]) == (shard, step)]
            return seen[times - 1] if len(seen) >= times else None

        return wait_until(found, seconds, f"{shard}: {step} {event}")

    def kill(self, name: str) -> None:
        """``kill -9`` of a worker's main process; returns when its children are gone as well."""
        process = self.processes.pop(name)
        children = psutil.Process(process.pid).children(recursive=True)
        processes.kill(process)
        psutil.wait_procs(children, timeout=20)

    def clean(self, shard: str) -> bool:
        """Whether nothing of a run of this shard is left: no lease, no open record, no folder."""
        held = fleet.leases.holder(self.redis, shard)
        open_runs = [run for run in fleet.records.open_runs(self.redis) if run.shard == shard]
        folders = [path for path in (self.project.scratch / "runs").glob("*") if _may_be_of(path, shard)]
        assert not held, f"the lease is held by {held}"
        assert not open_runs, f"a record is open: {open_runs}"
        assert not folders, f"a folder is left: {folders}"
        return True

    def wait_clean(self, shard: str) -> None:
        wait_until(lambda: self.clean(shard), 30, f"{shard} is clean")

    def stop(self, name: str, number: signal.Signals = signal.SIGTERM) -> None:
        processes.stop(self.processes.pop(name), grace=30, first=number)

    def close(self) -> None:
        for name in list(self.processes):
            process = self.processes.pop(name)
            processes.stop(process, grace=GRACE)
        self.client.close()
        self.redis.close()
        self.redis_server.stop()

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _may_be_of(folder: Path, shard: str) -> bool:
    """Whether a run's folder is one of this shard's, or is just being removed."""
    try:
        return shard in (folder / "run.json").read_text()
    except FileNotFoundError:
        return folder.exists()
