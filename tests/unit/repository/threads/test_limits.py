"""A rate that holds for all threads together, and work that ends when nothing moves; by clocks of the tests' own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.backups import (
    WatchedStore,
    WrappedStore,
    next_run,
    noise,
    open_shard,
    read_folder,
    upload,
    write_folder,
)
from tests.support.waiting import wait_until
from tidemark.errors import LeaseLost, StorageUnavailable
from tidemark.repository import Limits, RateLimit, RestoreOptions
from tidemark.repository.threads.crew import Stopped
from tidemark.storage import Body, MemoryStore

pytestmark = pytest.mark.unit

CONTENT = {"a": noise("a", 60_000), "b": noise("b", 30_000)}


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.now += seconds


def limit(rate: int, clock: Clock) -> RateLimit:
    return RateLimit(rate, clock=clock, sleep=clock.sleep)


def never() -> None:
    pass


def test_a_rate_holds_over_many_pieces() -> None:
    clock = Clock()
    rate = limit(1000, clock)

    for _ in range(51):
        rate.take(200, never)

    assert clock.now - 100.0 == pytest.approx(10.0)  # 50 pieces had to be paid for before the last one went
    assert rate.waited == pytest.approx(10.0)


def test_a_pause_is_not_saved_up_for_later() -> None:
    clock = Clock()
    rate = limit(1000, clock)
    rate.take(1000, never)
    clock.sleep(60)

    began = clock.now
    for _ in range(3):
        rate.take(1000, never)

    assert clock.now - began == pytest.approx(2.0)


def test_whoever_waits_is_told_to_stop() -> None:
    clock = Clock()
    rate = limit(10, clock)
    rate.take(10_000, never)

    def stop() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        rate.take(1, stop)
    assert clock.now == 100.0


def test_threads_share_an_uploads_and_a_restores_rate(tmp_path: Path) -> None:
    store, clock = MemoryStore(), Clock()
    shard = open_shard(store)
    write_folder(tmp_path / "data", CONTENT)

    backup = upload(shard, tmp_path / "data", limits=Limits(limit(10_000, clock)), threads=4)

    stored = sum(info.size for info in store.list("commerce/-80/packs/"))
    # All but the packs that went last had to be paid for; sleeping threads share one clock, so it may run ahead.
    assert clock.now - 100.0 >= (stored - 2 * 8192) / 10_000
    began, rate = clock.now, limit(10_000, clock)
    restored = shard.restore(backup, tmp_path / "out", RestoreOptions(threads=4, limits=Limits(rate)))
    assert read_folder(tmp_path / "out") == CONTENT
    assert restored.fetched_bytes >= 90_000
    assert rate.waited > 0
    assert clock.now > began


def test_a_guard_ends_a_restore_between_two_fetches(tmp_path: Path) -> None:
    shard = open_shard(MemoryStore())
    write_folder(tmp_path / "data", CONTENT)
    backup = upload(shard, tmp_path / "data")
    asked = threading.Semaphore(3)

    def guard() -> None:
        if not asked.acquire(blocking=False):
            raise LeaseLost("somebody else has the shard")

    with pytest.raises(LeaseLost):
        shard.restore(backup, tmp_path / "out", guard=guard)


class HangingStore(WrappedStore):
    """Never answers about packs, as a network share whose server is gone; lets go at the end of the test."""

    def __init__(self) -> None:
        super().__init__(MemoryStore())
        self.hang = False
        self.let_go = threading.Event()
        self.hanging = 0

    def _wait(self, name: str) -> None:
        if self.hang and "/packs/" in name:
            self.hanging += 1
            self.let_go.wait(60)
            self.hanging -= 1

    def put_if_absent(self, name: str, body: Body) -> None:
        self._wait(name)
        super().put_if_absent(name, body)

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        self._wait(name)
        return super().get(name, start, length)


@pytest.fixture
def hanging() -> Iterator[HangingStore]:
    store = HangingStore()
    yield store
    store.let_go.set()
    wait_until(lambda: store.hanging == 0, 10, "the threads that hung have ended")


def test_a_store_that_hangs_ends_an_upload_and_commits_nothing(hanging: HangingStore, tmp_path: Path) -> None:
    shard = open_shard(hanging)
    write_folder(tmp_path / "data", CONTENT)
    hanging.hang = True

    with pytest.raises(StorageUnavailable, match="upload to memory:: nothing has moved for") as caught:
        upload(shard, tmp_path / "data", limits=Limits(stall_timeout=0.6))

    assert "stall_timeout" in caught.value.hint
    assert shard.catalog.newest() is None


def test_a_store_that_hangs_ends_a_restore_which_is_then_continued(hanging: HangingStore, tmp_path: Path) -> None:
    shard = open_shard(hanging)
    write_folder(tmp_path / "data", CONTENT)
    backup = upload(shard, tmp_path / "data")
    hanging.hang = True

    with pytest.raises(StorageUnavailable, match="restore from memory:: nothing has moved for"):
        shard.restore(backup, tmp_path / "out", RestoreOptions(limits=Limits(stall_timeout=0.6)))

    hanging.hang = False
    shard.restore(backup, tmp_path / "out", RestoreOptions(reuse=True))
    assert read_folder(tmp_path / "out") == CONTENT


def test_waiting_for_the_rate_is_no_stall(tmp_path: Path) -> None:
    """Each pack waits far longer than the patience with one that hangs; the clocks are not the same."""
    shard = open_shard(MemoryStore())
    write_folder(tmp_path / "data", {"a": noise("a", 30_000)})
    rate = RateLimit(20_000)

    backup = upload(shard, tmp_path / "data", limits=Limits(rate, stall_timeout=0.6))

    assert backup.bytes == 30_000


def test_a_slow_store_is_not_taken_for_one_that_hangs(tmp_path: Path) -> None:
    pause = threading.Event()

    def slow(_verb: str, _name: str) -> None:
        pause.wait(0.1)

    store = WatchedStore(MemoryStore(), slow)
    write_folder(tmp_path / "data", {"a": noise("a", 60_000)})

    run = next_run()
    backup = upload(open_shard(store), tmp_path / "data", run_id=run, limits=Limits(stall_timeout=5.0))

    assert backup.run_id == run
