"""The fleet's real application, which can be held at any point of a step: for tests that strike at that point.

``celery -A tests.support.points worker``: tasks, steps, queues, leases and servers are the real ones. Every call that
leaves the step's own code is a point with a name: a request to the store, a statement, a write to disk, a note in
Redis, a look at the lease, progress. ``$CHOREOGRAPHY/hold`` says where to wait: a shard, a step and the number of a
point. The step says in ``$CHOREOGRAPHY/held`` that it is there, and goes on when the first file is gone. What happens
meanwhile is the test's business; the product knows nothing of this. All points are noted in ``$CHOREOGRAPHY/points``
if that file is there.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Self

import tasks.worker.progress
from tasks import app, step
from tidemark import files, fleet, steps
from tidemark.fleet import metrics, records
from tidemark.mysql import process
from tidemark.mysql.server.private import PrivateServer
from tidemark.mysql.session import Session
from tidemark.repository.restore.target import OpenFile
from tidemark.repository.upload.journal import Journal
from tidemark.storage.file import FileStore
from tidemark.storage.s3 import S3Store

__all__ = ["app"]

step.RETRY_AFTER = 1
app.conf.update(redbeat_lock_timeout=4, beat_max_loop_interval=1)

FOLDER = Path(os.environ["CHOREOGRAPHY"])
HOLD, HELD, SEEN, CLOCK = FOLDER / "hold", FOLDER / "held", FOLDER / "points", FOLDER / "clock"
OFTEN = {"store": 4, "write to": 6, "SQL": 2, "progress": 1, "lease": 3, "journal": 3}
"""How many times a point of this kind counts, of those with the same name. What is asked in a loop counts once or
twice, so that the points of two runs are much the same."""

Function = Callable[..., Any]


class _Points:
    """The points of the step that this process is doing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._where: tuple[str, str, str] | None = None
        self._times: Counter[str] = Counter()
        self._index = 0

    def enter(self, shard: str, step: str, run: str) -> None:
        self._where, self._times, self._index = (shard, step, run), Counter(), 0

    def leave(self) -> None:
        """A step that has fewer points than was thought is held at its end."""
        self.reach("the step's end", last=True)
        self._where = None

    def reach(self, name: str, *, last: bool = False) -> None:
        kind = next((kind for kind in OFTEN if name.startswith(kind)), "")
        with self._lock:
            if self._where is None:
                return
            self._times[name] += 1
            if self._times[name] > OFTEN.get(kind, 1):
                return
            shard, step, run = self._where
            self._index += 1
            point = {"shard": shard, "step": step, "run": run, "index": self._index, "name": name, "pid": os.getpid()}
            if SEEN.exists():
                with SEEN.open("a") as stream:
                    stream.write(json.dumps(point) + "\n")
            if not self._is_ordered(shard, step, last):
                return
            if not HELD.exists():  # other threads of the step come to a stop as well
                files_write(HELD, json.dumps(point).encode())
        while HOLD.exists():
            threading.Event().wait(0.01)

    def _is_ordered(self, shard: str, step: str, last: bool) -> bool:
        try:
            order = json.loads(HOLD.read_bytes())
        except (FileNotFoundError, ValueError):
            return False
        return (order["shard"], order["step"]) == (shard, step) and (last or self._index >= order["at"])


class _JumpingClock(datetime):
    """``datetime`` as the product sees it: off by as many hours as ``$CHOREOGRAPHY/clock`` says."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        hours = float(CLOCK.read_text()) if CLOCK.exists() else 0.0
        return super().now(tz) + timedelta(hours=hours)


def _make_clocks_jump() -> None:
    """Every module of the product that has been loaded asks the jumping clock."""
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in {"tidemark", "tasks"} and getattr(module, "datetime", None) is datetime:
            module.datetime = _JumpingClock  # type: ignore[attr-defined]


points = _Points()
files_write = files.write_atomically


def _wrap(owner: Any, attribute: str, name: Callable[..., str]) -> None:
    """Makes every call of a function a point, before it happens. ``name`` is made from its arguments."""
    original: Function = getattr(owner, attribute)

    def struck(*arguments: Any, **options: Any) -> Any:
        points.reach(name(*arguments))
        return original(*arguments, **options)

    setattr(owner, attribute, struck)


def _object(verb: str) -> Callable[..., str]:
    """``store: get a manifest``: the kind of the object and not its name, which has the run's id in it."""

    def name(_: object, path: str = "", *rest: object, **more: object) -> str:
        kind = "manifest" if "/backups/" in path else "pack" if "/packs/" in path else "key" if "keys" in path else ""
        return f"store: {verb} {kind}".strip()

    return name


for store in (S3Store, FileStore):
    for verb in ("get", "put", "put_if_absent", "stat", "list", "delete"):
        _wrap(store, verb, _object(verb))
_wrap(Session, "rows", lambda _, statement, *rest: f"SQL: {' '.join(str(statement).split()[:2])}"[:48])
_wrap(files, "write_atomically", lambda path, content: f"note on disk: {path.name}")
_wrap(process, "spawn", lambda *rest: "start of the private server")
_wrap(PrivateServer, "run_program", lambda _, command, what, **rest: f"program: {what}")
_wrap(OpenFile, "write", lambda *rest: "write to a data file")
_wrap(Journal, "add", lambda *rest: "journal of a pack")
_wrap(steps.cleanup, "run", lambda folder: "removal of the run's folder")
_wrap(fleet.Lease, "guard", lambda _: "lease: asked")
_wrap(fleet.leases, "release", lambda *rest, **more: "lease: given back")
_wrap(tasks.worker.progress.Reporter, "__call__", lambda _, progress: f"progress: {progress.phase}")
for noted in ("enter", "leave", "close"):
    _wrap(records, noted, lambda *rest, what=noted, **more: f"run's record: {what}")
for noted in ("begin_step", "end_step", "set_newest", "succeed"):
    _wrap(metrics, noted, lambda *rest, what=noted, **more: f"metrics: {what}")

perform = step.StepTask.perform


def _perform(self: step.StepTask, shard: str, run_id: str, work: Callable[[step.Stage], Any]) -> dict[str, Any]:
    _make_clocks_jump()
    points.enter(shard, self.name.rpartition(".")[2], run_id)
    points.reach("the step's message")
    value = perform(self, shard, run_id, work)
    points.leave()
    return value


step.StepTask.perform = _perform  # type: ignore[method-assign]
