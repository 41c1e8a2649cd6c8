"""What dies or breaks while a step is held at one of its points. A blow falls, lets the step go on, and, when the run
has ended, mends what it broke."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import psutil
from celery import states

from sandbox import processes
from sandbox.faults import Fault
from tests.faults.stage import NODE, STEPS, Point, Stage
from tests.support.waiting import for_a_moment, wait_until

GOES_ON = frozenset({states.SUCCESS})
MAY_FAIL = frozenset({states.SUCCESS, states.FAILURE})

Strike = Callable[[Stage, Point], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Blow:
    """One row of the table."""

    name: str
    strike: Strike
    ends: frozenset[str] = GOES_ON
    """How the run that was struck may end. However that is, the next one ends well."""
    steps: tuple[str, ...] = STEPS
    points: int | Mapping[str, int] = 10
    """Points of each step that are struck when everything is tried."""
    every_step: bool = True
    """Whether each step is struck also when only a part is tried; otherwise one of them is."""
    within: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """The part of a step that counts, of those where it is not the whole."""

    def count(self, step: str) -> int:
        """How many points of this step are struck when everything is tried."""
        return self.points if isinstance(self.points, int) else self.points[step]

    def place(self, step: str, share: float) -> float:
        """Where in the step a share of this part is."""
        first, last = self.within.get(step, (0.0, 1.0))
        return first + share * (last - first)


@contextlib.contextmanager
def child(stage: Stage, point: Point) -> Iterator[None]:
    """``kill -9`` of the process that does the step."""
    os.kill(point.pid, signal.SIGKILL)
    stage.release()
    yield


@contextlib.contextmanager
def worker(stage: Stage, point: Point) -> Iterator[None]:
    """``kill -9`` of the worker's main process; its children end with it, the private server does not."""
    stage.kill_node()
    stage.release()
    stage.restart_node()
    yield


@contextlib.contextmanager
def private_server(stage: Stage, point: Point) -> Iterator[None]:
    """``kill -9`` of the run's mysqld."""
    servers = [line for line in stage.programs() if "mysqld" in line or "mariadbd" in line]
    assert servers, "the run has no server at this point"
    for line in servers:
        psutil.Process(int(line.split()[0])).kill()
    stage.release()
    yield


@contextlib.contextmanager
def primary(stage: Stage, point: Point) -> Iterator[None]:
    """``kill -9`` of the primary; it comes back before the step goes on, or after."""
    struck = stage.primary(point.shard)
    struck.kill()
    if point.index % 2:
        stage.release()
    struck.start()
    stage.release()
    yield


@contextlib.contextmanager
def redis(stage: Stage, point: Point) -> Iterator[None]:
    """``kill -9`` of Redis; its append-only file stays."""
    stage.fleet.redis_server.kill()
    if point.index % 2:
        refused = stage.wire.refused
        stage.release()
        for_a_moment(lambda: stage.wire.refused > refused, 5)
    stage.fleet.redis_server.start()
    stage.release()
    yield


@contextlib.contextmanager
def storage(stage: Stage, point: Point) -> Iterator[None]:
    """``kill -9`` of the S3 server; what it has acknowledged is on its disk."""
    stage.store.kill()
    if point.index % 2:
        seen = stage.proxy.unanswered
        stage.release()
        for_a_moment(lambda: stage.proxy.unanswered > seen, 2)
    stage.store.start()
    stage.release()
    yield


@contextlib.contextmanager
def broker_cut(stage: Stage, point: Point) -> Iterator[None]:
    """Every connection to Redis is reset; for some, nobody gets through for a moment."""
    if point.index % 2:
        refused, stage.wire.severed = stage.wire.refused, True
        stage.wire.cut()
        for_a_moment(lambda: stage.wire.refused > refused, 5)
        stage.wire.severed = False
    else:
        stage.wire.cut()
    stage.release()
    yield


@contextlib.contextmanager
def broker_slow(stage: Stage, point: Point) -> Iterator[None]:
    """Every piece that goes to or from Redis takes a fifth of a second."""
    stage.wire.delay = 0.2
    stage.release()
    try:
        yield
    finally:
        stage.wire.delay = 0.0


@contextlib.contextmanager
def deploy(stage: Stage, point: Point) -> Iterator[None]:
    """A warm shutdown in the middle of the step, and a new worker."""
    process = stage.fleet.processes.pop(NODE)
    process.send_signal(signal.SIGTERM)
    wait_until(lambda: "Warm shutdown" in stage.fleet.text(NODE), 30, "the worker has heard")
    stage.release()
    wait_until(lambda: process.poll() is not None, 60, "the worker ends after the step")
    processes.stop(process, grace=0)
    stage.restart_node()
    yield


@contextlib.contextmanager
def full_disk(stage: Stage, point: Point) -> Iterator[None]:
    """The scratch disk has not a byte left; somebody makes room when the run has failed."""
    ballast = stage.fleet.project.scratch / "ballast"
    with ballast.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(bytes(1 << 20))
    with ballast.open("ab", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(bytes(4096))
    stage.release()
    try:
        yield
    finally:
        ballast.unlink()


def on_the_wire(method: str, fault: Fault, times: int = 1) -> Strike:
    """What the network between node and store does to the next requests."""

    @contextlib.contextmanager
    def strike(stage: Stage, point: Point) -> Iterator[None]:
        stage.proxy.inject(method, fault, times)
        stage.release()
        try:
            yield
        finally:
            stage.proxy.forget()

    return strike


@contextlib.contextmanager
def two_nodes(stage: Stage, point: Point) -> Iterator[None]:
    """The node freezes (SIGSTOP, its server too); the janitor gives its run up, a second node takes the shard and makes
    the backup; then the first one wakes in the middle of what it was doing."""
    frozen = psutil.Process(stage.fleet.processes[NODE].pid)
    tree = [frozen, *frozen.children(recursive=True)]
    tree += [psutil.Process(int(line.split()[0])) for line in stage.programs()]
    for process in tree:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.suspend()
    stage.release()  # it sleeps
    try:
        stage.fleet.start("node2", "-n", "node2@test")
        stage.fleet.wait_ready("node2")
        stage.let_time_pass(point)
        assert point.run in stage.sweep()["lost"], "the janitor has not given the run up"
        if point.index % 2:
            wait_until(lambda: stage.record_elsewhere(point), 60, "another run of the shard is open")
        else:
            wait_until(lambda: stage.has_newer_backup(point), 120, "the second node has made the backup")
    finally:
        for process in tree:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
    yield
    stage.fleet.stop("node2")


SERVER_LIVES = {"catchup": (0.63, 1.0), "stop": (0.0, 0.7)}
"""It is started in the middle of the catch-up; the stop ends it."""


def _disturbs(
    name: str, strike: Strike, points: int, steps: tuple[str, ...] = STEPS, ends: frozenset[str] = GOES_ON
) -> Blow:
    return Blow(name, strike, ends, steps, points, every_step=False)


BLOWS = (
    Blow("`kill -9` of the step's process", child, MAY_FAIL),
    Blow("`kill -9` of the worker", worker),
    Blow("`kill -9` of the private mysqld", private_server, MAY_FAIL, ("catchup", "stop"), within=SERVER_LIVES),
    Blow("`kill -9` of the primary", primary, MAY_FAIL, points={"restore": 10, "catchup": 4, "stop": 4, "upload": 10}),
    Blow("`kill -9` of Redis (append-only file)", redis),
    Blow("`kill -9` of the storage server", storage, MAY_FAIL),
    Blow("broker connections cut", broker_cut, points=3),
    _disturbs("broker slow, 0.2 s a piece", broker_slow, 1),
    _disturbs("deploy: warm shutdown, new worker", deploy, 2),
    _disturbs("scratch disk full", full_disk, 2, ends=MAY_FAIL),
    Blow(
        "node frozen, a second one takes the shard",
        two_nodes,
        points={"restore": 2, "catchup": 2, "stop": 2, "upload": 1},
        every_step=False,
        within={"upload": (0.0, 0.75)},  # at its end the run is over
    ),
    _disturbs("store: answers to PUT lost", on_the_wire("PUT", "lose answer", 2), 3, ("upload",)),
    _disturbs("store: connections reset", on_the_wire("GET", "reset", 2), 2, ("restore", "upload")),
    _disturbs("store: bits flipped on the way", on_the_wire("GET", "flip"), 2, ("restore", "upload"), MAY_FAIL),
    _disturbs("store: answers cut short", on_the_wire("GET", "truncate", 2), 2, ("restore", "upload")),
    _disturbs("store: busy for longer than we ask", on_the_wire("PUT", "slow down", 8), 2, ("upload",), MAY_FAIL),
)
