"""Leases on a real Redis: one owner at a time, whatever happens."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from sandbox.redis import RedisServer
from tests.support.waiting import wait_until
from tidemark import fleet
from tidemark.config import RedisSettings
from tidemark.errors import LeaseHeld, LeaseLost, RedisUnavailable
from tidemark.fleet import keys, leases

pytestmark = pytest.mark.integration

SHARD = "commerce/-80"


def _take(client: redis.Redis, run: str, fence: int | None = None, ttl: float = 60) -> int:
    return leases.take(client, SHARD, leases.Owner(run, f"node of {run}", "restore"), fence=fence, ttl=ttl)


def _expire(client: redis.Redis) -> None:
    client.delete(keys.lease(SHARD))


def test_the_same_run_may_take_it_as_often_as_it_likes_with_the_same_fence(client: redis.Redis) -> None:
    assert [_take(client, "a"), _take(client, "a"), _take(client, "a", fence=1)] == [1, 1, 1]


def test_another_run_is_told_who_has_it(client: redis.Redis) -> None:
    _take(client, "a")

    with pytest.raises(LeaseHeld) as caught:
        _take(client, "b")

    holder = leases.holder(client, SHARD)
    assert holder is not None
    assert (holder.run, holder.node, holder.step) == ("a", "node of a", "restore")
    assert caught.value.message == f"{SHARD} is being backed up by {holder.describe()}"


def test_the_next_owner_gets_a_higher_fence(client: redis.Redis) -> None:
    first = _take(client, "a")
    assert leases.release(client, SHARD, "a")

    assert _take(client, "b") > first


def test_only_its_owner_can_give_it_back(client: redis.Redis) -> None:
    _take(client, "a")

    assert not leases.release(client, SHARD, "b")
    assert leases.holder(client, SHARD)


def test_an_owner_whose_lease_has_expired_gets_it_again_if_nobody_came_after(client: redis.Redis) -> None:
    fence = _take(client, "a")
    _expire(client)

    assert _take(client, "a", fence=fence) == fence


def test_a_zombie_is_refused_while_the_next_owner_has_it(client: redis.Redis) -> None:
    fence = _take(client, "a")
    _expire(client)
    _take(client, "b")

    with pytest.raises(LeaseLost, match="gone to run b"):
        _take(client, "a", fence=fence)


@pytest.mark.parametrize("how", ["expired", "released"])
def test_a_zombie_is_refused_even_after_the_next_lease_has_ended(client: redis.Redis, how: str) -> None:
    fence = _take(client, "a")
    _expire(client)
    _take(client, "b")
    if how == "expired":
        _expire(client)
    else:
        leases.release(client, SHARD, "b")

    with pytest.raises(LeaseLost, match="is over"):
        _take(client, "a", fence=fence)


def test_a_raised_fence_takes_the_lease_away_for_good(client: redis.Redis) -> None:
    fence = _take(client, "a")

    assert leases.raise_fence(client, SHARD) > fence

    assert leases.holder(client, SHARD) is None
    with pytest.raises(LeaseLost):
        _take(client, "a", fence=fence)


def test_who_gave_it_back_cannot_take_it_again_by_mistake(client: redis.Redis) -> None:
    fence = _take(client, "a")
    leases.release(client, SHARD, "a", fence=fence)

    with pytest.raises(LeaseLost):
        _take(client, "a", fence=fence)


def test_giving_back_a_lease_that_has_expired_shuts_its_run_out_as_well(client: redis.Redis) -> None:
    fence = _take(client, "a")
    _expire(client)

    assert leases.release(client, SHARD, "a", fence=fence)

    with pytest.raises(LeaseLost):
        _take(client, "a", fence=fence)


def test_when_redis_has_lost_its_memory_the_run_goes_on_with_its_fence(client: redis.Redis) -> None:
    _take(client, "x")
    leases.release(client, SHARD, "x")
    fence = _take(client, "a")
    client.flushdb()

    assert _take(client, "a", fence=fence) == fence
    leases.release(client, SHARD, "a")
    assert _take(client, "b") > fence


def test_of_many_that_want_it_at_once_exactly_one_gets_it(client: redis.Redis) -> None:
    start = threading.Barrier(16)

    def attempt(number: int) -> int | None:
        start.wait(10)
        try:
            return _take(client, f"run {number}")
        except LeaseHeld:
            return None

    with ThreadPoolExecutor(16) as pool:
        for turn in range(20):
            fences = [fence for fence in pool.map(attempt, range(16)) if fence is not None]
            assert len(fences) == 1, f"turn {turn}"
            leases.raise_fence(client, SHARD)


def test_a_lease_is_renewed_for_as_long_as_its_block_lasts_and_lapses_afterwards(client: redis.Redis) -> None:
    with fleet.Lease(client, SHARD, leases.Owner("a", "n", "upload"), ttl=0.4) as lease:
        renewed = threading.Event()
        assert not renewed.wait(1.2)
        lease.guard()
        holder = leases.holder(client, SHARD)
        assert holder is not None
        assert holder.step == "upload"
        assert lease.fence == 1

    wait_until(lambda: leases.holder(client, SHARD) is None, 5, "the lease has lapsed")


def test_the_guard_of_a_run_that_lost_its_lease_raises_and_goes_on_raising(client: redis.Redis) -> None:
    with fleet.Lease(client, SHARD, leases.Owner("a", "n", "upload"), ttl=0.4) as lease:
        leases.raise_fence(client, SHARD)

        def lost() -> bool:
            try:
                lease.guard()
            except LeaseLost:
                return True
            return False

        wait_until(lost, 5, "the guard notices")
        assert lost()


def test_a_loop_that_only_looks_hears_of_a_lost_lease_from_the_thread_that_renews_it(client: redis.Redis) -> None:
    with fleet.Lease(client, SHARD, leases.Owner("a", "n", "restore"), ttl=0.4) as lease:
        lease.check()
        leases.raise_fence(client, SHARD)

        def heard() -> bool:
            try:
                lease.check()
            except LeaseLost:
                return True
            return False

        wait_until(heard, 10, "the loss is known")


def test_the_guard_lets_a_run_go_on_while_redis_is_away_and_ends_it_when_that_takes_too_long(
    server: RedisServer, client: redis.Redis
) -> None:
    with fleet.Lease(client, SHARD, leases.Owner("a", "n", "upload"), ttl=1.0, patience=1.0) as lease:
        server.kill()
        try:
            lease.guard()
            wait_until(lambda: _raises(lease), 30, "the guard gives up")
        finally:
            server.start()


def _raises(lease: fleet.Lease) -> bool:
    try:
        lease.guard()
    except LeaseLost as error:
        return "Redis was away" in error.message
    return False


def test_a_redis_that_does_not_answer_is_a_clear_error() -> None:
    with (
        fleet.connect(RedisSettings(url="redis://127.0.0.1:1/0")) as nobody,
        pytest.raises(RedisUnavailable, match=r"Redis at 127\.0\.0\.1:1 does not answer.*"),
    ):
        leases.holder(nobody, SHARD)
