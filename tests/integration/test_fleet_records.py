"""Run records and metrics on a real Redis."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis

from sandbox.redis import RedisServer
from tests.support.needs import need_program
from tidemark import fleet
from tidemark.config import RedisSettings
from tidemark.errors import ConfigError, RedisUnavailable
from tidemark.fleet import RunFigures, RunRecord, counters, history, keys, leases, metrics, nodes, queues, records
from tidemark.results import Failure, MirrorLevel, MirrorResult

pytestmark = pytest.mark.integration

SHARD = "commerce/-80"
NOW = datetime(2026, 11, 23, 21, 7, 13, tzinfo=UTC)
MIRRORS = (
    MirrorLevel(url="s3://b/x", newest=42, missing=0),
    MirrorLevel(url="gs://b/x", error="no answer"),
)


def _run(name: str = "r1", started: datetime = NOW) -> RunRecord:
    return RunRecord(run=name, shard=SHARD, node="node1@a", root="id", fence=3, started=started, updated=started)


def test_a_run_is_counted_once_and_by_how_it_ended(client: redis.Redis) -> None:
    records.start(client, _run())
    records.leave(client, "r1", "restore", 12.5, {"fetched_bytes": 1000})
    records.leave(client, "r1", "upload", 0.5, {"bytes": 10**13, "stored_bytes": 7})
    for _ in range(2):
        records.close(client, "r1", "succeeded")
    records.start(client, _run("r2"))
    records.enter(client, "r2", "catchup")
    records.close(client, "r2", "failed", failure=Failure(message="no"))
    history.add(client, SHARD, _refused())
    counters.add(client, SHARD, "storage_retries:upload")
    counters.add(client, SHARD, "lease_losses")

    counts, histograms = counters.read(client, [SHARD, "commerce/80-"])

    assert counts[SHARD] == counters.Counts(
        runs={"succeeded": 1, "failed": 2},
        failures={"catchup": 1, "backup": 1},
        storage_retries={"upload": 1},
        lease_losses=1,
        read_bytes=10**13,
        stored_bytes=7,
        fetched_bytes=1000,
    )
    assert counts["commerce/80-"] == counters.Counts()
    assert histograms["commerce"]["restore"] == counters.Histogram(count=1, sum=12.5, buckets={15.0: 1})
    assert histograms["commerce"]["upload"] == counters.Histogram(count=1, sum=0.5, buckets={1.0: 1})


def _refused() -> RunFigures:
    return RunFigures(run="", node="n", root="t", started=NOW, finished=NOW, state="failed", step="backup", error="no")


def test_waiting_messages_are_counted_whatever_their_priority(client: redis.Redis) -> None:
    for key, count in {"backup": 2, "backup\x06\x166": 3, "control": 1}.items():
        client.rpush(key, *["message"] * count)

    assert queues.lengths(client, ["backup", "control", "node.x"]) == {"backup": 5, "control": 1, "node.x": 0}


def test_a_record_is_read_as_it_was_written(client: redis.Redis) -> None:
    records.start(client, _run())

    assert records.get(client, "r1") == _run()
    assert records.open_runs(client) == [_run()]
    assert records.get(client, "another") is None


def test_a_record_tells_the_step_the_seconds_and_the_result(client: redis.Redis) -> None:
    records.start(client, _run())
    records.enter(client, "r1", "restore")
    records.leave(client, "r1", "restore", 2.5)
    records.enter(client, "r1", "catchup")
    records.close(client, "r1", "succeeded", result={"number": 42})

    record = records.get(client, "r1")

    assert record is not None
    assert (record.state, record.step, record.seconds, record.result) == (
        "succeeded",
        "catchup",
        {"restore": 2.5},
        {"number": 42},
    )
    assert record.finished is not None
    assert record.finished > NOW
    assert records.open_runs(client) == []


def test_a_run_ends_once_and_the_first_to_say_how_is_believed(client: redis.Redis) -> None:
    records.start(client, _run())

    assert records.close(client, "r1", "failed", failure=Failure(message="the disk is full"))
    assert not records.close(client, "r1", "succeeded")

    record = records.get(client, "r1")
    assert record is not None
    assert (record.state, record.error) == ("failed", "the disk is full")


def test_the_newest_runs_of_a_shard_are_kept_and_no_more(client: redis.Redis) -> None:
    for number in range(records.HISTORY + 7):
        records.start(client, _run(f"r{number}", NOW + timedelta(hours=number)))
        records.close(client, f"r{number}", "succeeded")

    names = [run.run for run in records.history(client, SHARD)]

    assert names == [f"r{number}" for number in range(records.HISTORY + 6, 6, -1)]
    assert len(client.keys(keys.run("*"))) == records.HISTORY


def test_a_run_that_ends_leaves_its_figures(client: redis.Redis) -> None:
    records.start(client, _run())
    records.leave(client, "r1", "restore", 2.5, {"restored": 41, "fetched_bytes": 900})
    records.leave(client, "r1", "catchup", 4.0, {"transactions": 7, "lag_seconds": 43200.5, "bridge_seconds": None})
    records.leave(client, "r1", "upload", 1.5, {"number": 42, "bytes": 1000, "stored_bytes": 10})
    records.close(client, "r1", "succeeded")
    records.close(client, "r1", "failed", failure=Failure(message="too late"))

    (told,) = history.runs(client, SHARD)

    assert (told.run, told.node, told.root, told.started, told.state) == ("r1", "node1@a", "id", NOW, "succeeded")
    assert told.seconds == {"restore": 2.5, "catchup": 4.0, "upload": 1.5}
    assert told.steps_seconds == 8.0
    assert (told.restored, told.number, told.bytes, told.stored_bytes, told.fetched_bytes) == (41, 42, 1000, 10, 900)
    assert (told.transactions, told.lag_seconds, told.bridge_seconds) == (7, 43200.5, None)
    assert told.finished > NOW
    assert (told.error, told.hint, told.place) == ("", "", "")


def test_the_figures_of_a_failure_say_what_happened_where(client: redis.Redis) -> None:
    records.start(client, _run())
    records.enter(client, "r1", "catchup")
    failure = Failure(
        message="the primary has purged\n 0-1-4410",
        hint="raise binlog_expire_logs_seconds",
        place="tidemark/mysql/source/base.py:7, in check_follows",
    )
    records.close(client, "r1", "failed", failure=failure)

    (told,) = history.runs(client, SHARD)

    assert (told.state, told.step, told.error) == ("failed", "catchup", "the primary has purged 0-1-4410")
    assert told.hint == "raise binlog_expire_logs_seconds"
    assert told.place == "tidemark/mysql/source/base.py:7, in check_follows"


def test_the_newest_figures_of_many_shards_are_read_at_once_and_bounded(client: redis.Redis) -> None:
    made = RunFigures(run="", node="node1@a", root="id", started=NOW, finished=NOW, state="failed")
    for number in range(history.KEPT + 3):
        history.add(client, SHARD, made.model_copy(update={"run": f"r{number}"}))
    history.add(client, "commerce/80-", made)

    found = history.runs_of(client, [SHARD, "commerce/80-", "commerce/none"])

    assert [told.run for told in found[SHARD]] == [f"r{n}" for n in range(history.KEPT + 2, 2, -1)]
    assert (found["commerce/80-"], found["commerce/none"]) == ([made], [])
    assert len(history.runs(client, SHARD, 3)) == 3


def test_an_unknown_shard_has_an_empty_view(client: redis.Redis) -> None:
    assert metrics.views(client, [SHARD]) == [fleet.ShardView(shard=SHARD)]


def _run_once(client: redis.Redis, shard: str = SHARD) -> None:
    running = metrics.RunningStep(run="r1", node="node1@a", step="upload", started=NOW)
    newest = metrics.NewestBackup(number=42, position="0-1-7", finished_at=NOW, bytes=1000, stored_bytes=10)
    metrics.begin_step(client, shard, running)
    proven = metrics.ProvenBackup(number=41, proven_at=NOW)
    metrics.end_step(client, shard, "catchup", metrics.StepDone(3.5, transactions=7, proven=proven))
    metrics.end_step(client, shard, "upload", metrics.StepDone(1.5, bytes=1000))
    metrics.set_newest(client, shard, newest)
    metrics.set_mirrors(client, shard, MIRRORS)
    metrics.succeed(client, shard)


def test_a_view_shows_the_newest_backup_the_proven_one_and_what_each_step_took(client: redis.Redis) -> None:
    _run_once(client)

    view = metrics.views(client, [SHARD])[0]

    assert view.mirrors == MIRRORS
    assert view.newest == metrics.NewestBackup(
        number=42, position="0-1-7", finished_at=NOW, bytes=1000, stored_bytes=10
    )
    assert view.proven is not None
    assert view.proven.number == 41
    assert {step: (figures.seconds, figures.bytes) for step, figures in view.steps.items()} == {
        "catchup": (3.5, 0),
        "upload": (1.5, 1000),
    }
    assert (view.transactions, view.running, view.failures) == (7, None, 0)
    assert view.last_success is not None
    assert metrics.has_had_backups(client, SHARD)


def test_failures_are_counted_until_a_run_succeeds(client: redis.Redis) -> None:
    for number in range(3):
        failure = Failure(message="no transactions", hint="try again")
        metrics.fail(client, SHARD, failure, run=f"r{number}", step="catchup")

    view = metrics.views(client, [SHARD])[0]
    assert view.failures == 3
    assert view.last_error is not None
    assert (view.last_error.run, view.last_error.step) == ("r2", "catchup")
    metrics.succeed(client, SHARD)
    view = metrics.views(client, [SHARD])[0]
    assert (view.failures, view.last_error) == (0, None)


def test_a_step_is_shown_as_running_only_while_its_run_holds_the_lease(client: redis.Redis) -> None:
    running = metrics.RunningStep(run="r1", node="node1@a", step="upload", started=NOW)
    progress = metrics.StepProgress(phase="reading", done=5, total=10, unit="B", rate=2.0, eta=2.5, at=NOW)
    leases.take(client, SHARD, leases.Owner("r1", "node1@a", "upload"))
    metrics.begin_step(client, SHARD, running)
    metrics.show_progress(client, SHARD, progress)

    view = metrics.views(client, [SHARD])[0]
    assert (view.running, view.progress) == (running, progress)
    leases.raise_fence(client, SHARD)
    view = metrics.views(client, [SHARD])[0]
    assert (view.running, view.progress) == (None, None)


def test_a_run_that_lost_its_shard_does_not_wipe_what_the_next_one_shows(client: redis.Redis) -> None:
    leases.take(client, SHARD, leases.Owner("r2", "node2@a", "restore"))
    running = metrics.RunningStep(run="r2", node="node2@a", step="restore", started=NOW)
    metrics.begin_step(client, SHARD, running)

    metrics.fail(client, SHARD, Failure(message="the lease was lost"), run="r1", step="upload")

    assert metrics.views(client, [SHARD])[0].running == running


def test_hundreds_of_shards_are_viewed_at_once(client: redis.Redis) -> None:
    names = [f"commerce/{number}" for number in range(512)]
    for name in names:
        _run_once(client, name)

    began = time.monotonic()
    views = metrics.views(client, names)

    assert [view.shard for view in views] == names
    assert all(view.newest and view.newest.number == 42 for view in views)
    assert time.monotonic() - began < 2.0


def test_nodes_that_say_so_are_there(client: redis.Redis) -> None:
    nodes.beat(client, nodes.Node(name="node1@a", since=NOW))
    nodes.beat(client, nodes.Node(name="node2@a", since=NOW + timedelta(hours=1)))
    nodes.leave(client, "node2@a")

    assert nodes.alive(client) == {"node1@a": NOW}
    full = nodes.Node(name="node0@a", since=NOW, version="1.2", scratch="/srv", scratch_free=7, scratch_total=9)
    nodes.beat(client, full)
    client.set(keys.node("old@a"), NOW.isoformat())
    first, second, old = nodes.look(client)
    assert (first.name, first.version, first.scratch, first.scratch_free) == ("node0@a", "1.2", "/srv", 7)
    assert first.at is not None
    assert (second.name, second.scratch_free) == ("node1@a", None)
    assert old == nodes.Node(name="old@a", since=NOW)
    assert 0 < client.ttl(keys.node("node1@a")) <= nodes.TTL


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[tuple[RedisServer, Path]]:
    need_program("redis-server")
    file = tmp_path / "password"
    file.touch(0o600)
    file.write_text("s3cret/@:word\n")
    with RedisServer(tmp_path / "redis", password="s3cret/@:word") as running:
        yield running, file


def test_the_password_comes_from_its_file_and_is_shown_nowhere(locked: tuple[RedisServer, Path]) -> None:
    server, file = locked
    settings = RedisSettings(url=server.url, password_file=file)

    with fleet.connect(settings) as client:
        assert nodes.alive(client) == {}
        assert "s3cret" not in repr(client)
    assert fleet.broker_url(settings) == server.url.replace("redis://", "redis://:s3cret%2F%40%3Aword@")


def test_a_wrong_password_is_a_clear_error_without_it(locked: tuple[RedisServer, Path]) -> None:
    server, file = locked
    file.write_text("wr0ng")

    with (
        fleet.connect(RedisSettings(url=server.url, password_file=file)) as client,
        pytest.raises(RedisUnavailable, match="refuses us") as caught,
    ):
        nodes.alive(client)
    assert "wr0ng" not in str(caught.value)


def test_a_missing_password_is_a_clear_error(locked: tuple[RedisServer, Path]) -> None:
    with (
        fleet.connect(RedisSettings(url=locked[0].url)) as client,
        pytest.raises(RedisUnavailable, match="asks for a password"),
    ):
        nodes.alive(client)


def test_a_password_file_that_others_may_read_is_refused(locked: tuple[RedisServer, Path]) -> None:
    server, file = locked
    file.chmod(0o644)

    with pytest.raises(ConfigError, match="has mode 0644"):
        fleet.connect(RedisSettings(url=server.url, password_file=file))


def test_an_error_that_an_earlier_version_noted_as_one_text_is_told_in_its_parts(client: redis.Redis) -> None:
    noted = {"run": "r1", "step": "catchup", "message": "no\n way\nHINT: try again", "at": NOW.isoformat()}
    client.hset(keys.shard(SHARD), "last_error", json.dumps(noted))

    (view,) = metrics.views(client, [SHARD])

    assert view.last_error is not None
    assert (view.last_error.message, view.last_error.hint) == ("no\n way", "try again")


def test_of_a_mirror_only_its_level_is_kept(client: redis.Redis) -> None:
    done = MirrorResult(url="s3://b/x", newest=42, missing=0, copied=(41, 42), bytes=7, seconds=1.5)
    metrics.set_mirrors(client, SHARD, [done])

    (view,) = metrics.views(client, [SHARD])

    assert view.mirrors == (MirrorLevel(url="s3://b/x", newest=42, missing=0),)
