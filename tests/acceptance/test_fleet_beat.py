"""Beat with its lock and its memory in Redis: real beat processes, real workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fleet import Fleet
from tests.support.needs import need_program
from tests.support.waiting import wait_until

pytestmark = pytest.mark.acceptance

A, B = "commerce/a", "commerce/b"


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    need_program("redis-server")
    with Fleet(tmp_path / "fleet") as made:
        made.add_shards([A, B])
        made.project.set("cycle", every="3s")
        yield made


def _sent(fleet: Fleet, beat: str, shard: str) -> int:
    return fleet.text(beat).count(f"Sending due task backup {shard} ")


def test_beat_sends_every_shard_each_cycle_and_a_second_beat_takes_over_when_it_goes(fleet: Fleet) -> None:
    fleet.start("beat1", program="beat")
    wait_until(lambda: _sent(fleet, "beat1", A) >= 2 and _sent(fleet, "beat1", B) >= 2, 30, "beat sends both twice")
    fleet.start("beat2", program="beat")
    before = _sent(fleet, "beat1", A)
    wait_until(lambda: "beat: Starting" in fleet.text("beat2"), 30, "the second beat is there")
    wait_until(lambda: _sent(fleet, "beat1", A) >= before + 2, 30, "the first beat goes on")
    assert _sent(fleet, "beat2", A) == 0

    fleet.stop("beat1")

    wait_until(lambda: _sent(fleet, "beat2", A) >= 1 and _sent(fleet, "beat2", B) >= 1, 30, "the second one takes over")
    assert "Warning" not in fleet.text("beat2")


def test_a_shard_that_has_left_the_configuration_is_not_sent_after_a_restart(fleet: Fleet) -> None:
    fleet.start("beat1", program="beat")
    wait_until(lambda: _sent(fleet, "beat1", A) and _sent(fleet, "beat1", B), 30, "beat sends both")
    fleet.stop("beat1")
    del fleet.project.shards[A]
    fleet.project.write()

    fleet.start("beat2", program="beat")

    wait_until(lambda: _sent(fleet, "beat2", B) >= 2, 30, "beat sends the other one twice")
    assert _sent(fleet, "beat2", A) == 0
    assert fleet.redis.keys("tidemark:beat:backup *") == [f"tidemark:beat:backup {B}"]


def test_beat_outlives_a_restart_of_redis_and_the_loss_of_its_lock(fleet: Fleet) -> None:
    fleet.start("beat1", program="beat")
    wait_until(lambda: _sent(fleet, "beat1", A), 30, "beat sends")

    fleet.redis_server.kill()
    wait_until(lambda: "beat waits for it" in fleet.text("beat1"), 30, "beat notices")
    fleet.redis_server.start()
    before = _sent(fleet, "beat1", A)
    wait_until(lambda: _sent(fleet, "beat1", A) > before, 30, "beat goes on")
    fleet.redis.delete("tidemark:beat::lock")
    wait_until(lambda: "has the lock again" in fleet.text("beat1"), 30, "beat takes the lock again")
    before = _sent(fleet, "beat1", A)
    wait_until(lambda: _sent(fleet, "beat1", A) > before, 30, "beat goes on")


def test_messages_that_no_node_took_within_their_cycle_are_void(fleet: Fleet) -> None:
    fleet.start("beat1", program="beat")
    wait_until(
        lambda: min(_sent(fleet, "beat1", shard) for shard in (A, B)) >= 4,
        40,
        "beat sends four cycles that nobody takes",
    )
    fleet.stop("beat1")
    waiting = sum(fleet.redis.llen(key) for key in fleet.redis.keys("backup*"))
    assert waiting >= 8

    fleet.start_nodes("node1")
    wait_until(lambda: not fleet.redis.keys("backup*"), 30, "the node has looked at all of them")

    wait_until(lambda: fleet.text("node1").count("Discarding revoked task") >= 6, 30, "old messages are discarded")
    assert len({event["run"] for event in fleet.events()}) <= 4
