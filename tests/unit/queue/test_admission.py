"""What a request counts against, from the configuration alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from tidemark.config import FleetSettings, NodeSettings, RepositorySettings, Settings, ShardSettings
from tidemark.fleet.turns import Load, Waiting
from tidemark.queue import admission

pytestmark = pytest.mark.unit


def _waiting(shard: dict[str, object], **bounds: int) -> list[Waiting]:
    """A request for the shard ``a/0``. For a single one Redis is not asked, so nothing has to listen."""
    account = {"user": "u", "password_file": Path("/dev/null")}
    settings = Settings(
        repository=RepositorySettings(url="file:///backups", key_file=Path("key")),
        node=NodeSettings(scratch=Path("scratch")),
        fleet=FleetSettings(**bounds),
        shard=(ShardSettings.model_validate({"name": "a/0"} | account | shard),),
    )
    return admission.waiting_requests(redis.Redis(port=1), settings, [("id", "a/0")])


@pytest.mark.parametrize(
    ("shard", "hosts"),
    [
        ({"host": "db1"}, {"db1"}),
        ({"hosts": ["db1:3307", "db2"]}, {"db1", "db2"}),
        ({"hosts": ["db1:3307", "DB1:3308", "[fd00::7]"]}, {"db1", "fd00::7"}),
        ({"host": "db1", "replica_hosts": ["db9"]}, {"db1"}),
        ({"host": "db1", "source": "replica", "replica_hosts": ["db8", "db9"]}, {"db8", "db9"}),
        ({"hosts": ["db1", "db2"], "source": "replica"}, {"db1", "db2"}),
    ],
)
def test_a_request_counts_at_every_host_that_its_run_could_read_from(shard: dict[str, object], hosts: set[str]) -> None:
    assert _waiting(shard, max_per_host=1) == [Waiting("id", "a/0", Load(frozenset(hosts), "a"))]


def test_hosts_are_not_counted_when_nothing_bounds_them() -> None:
    assert _waiting({"hosts": ["db1", "db2"]}, max_per_keyspace=1) == [Waiting("id", "a/0", Load(frozenset(), "a"))]


def test_a_request_for_a_shard_that_has_left_is_left_out() -> None:
    settings = Settings(
        repository=RepositorySettings(url="file:///backups", key_file=Path("key")),
        node=NodeSettings(scratch=Path("scratch")),
        shard=(ShardSettings(name="a/0", host="db1", user="u", password_file=Path("/dev/null")),),
    )

    assert admission.waiting_requests(redis.Redis(port=1), settings, [("id", "gone/0")]) == []
