"""What happens to primaries in the night, seen by the whole fleet: a failover in the middle, logs that are gone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.primary import Primary
from sandbox.programs import Flavour
from tests.faults.stage import Stage
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

FLAVOURS: dict[str, Flavour] = {"maria": "mariadb", "mysql": "mysql"}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    shards = ("maria/a", "maria/b", "mysql/a", "mysql/b")
    with Stage(tmp_path_factory.mktemp("p"), shards) as stage, contextlib.ExitStack() as stack:
        stage.heirs = {
            keyspace: stack.enter_context(heir(stage, keyspace, tmp_path_factory.mktemp("heir")))
            for keyspace in FLAVOURS
        }
        yield stage


@contextlib.contextmanager
def heir(stage: Stage, keyspace: str, folder: Path) -> Iterator[Primary]:
    """A replica of the keyspace's primary that logs what it applies."""
    primary = stage.primaries[keyspace]
    options = {"log-replica-updates": "ON"} if keyspace == "mysql" else {"log-slave-updates": "ON"}
    with Primary(folder, FLAVOURS[keyspace], options=dict(options)) as made:
        login = f"_HOST='127.0.0.1', {{0}}_PORT={primary.port}, {{0}}_USER='heir', {{0}}_PASSWORD='heir', {{0}}_SSL=1, "
        primary.execute("CREATE USER heir IDENTIFIED BY 'heir'")
        primary.execute("GRANT REPLICATION SLAVE ON *.* TO heir")
        if keyspace == "mysql":
            made.execute(f"CHANGE REPLICATION SOURCE TO {{0}}{login}SOURCE_AUTO_POSITION=1".format("SOURCE"))
        else:
            made.execute(f"CHANGE MASTER TO {{0}}{login}MASTER_USE_GTID=slave_pos".format("MASTER"))
        made.execute("START REPLICA")
        yield made


@pytest.mark.parametrize("keyspace", ["maria", "mysql"])
def test_purged_logs_fail_at_once_and_a_new_start_is_the_way_out(stage: Stage, keyspace: str) -> None:
    shard, primary = f"{keyspace}/b", stage.primaries[keyspace]
    stage.run_well(shard)
    number = stage.run_well(shard)
    stage.write(shard)
    primary.execute("FLUSH BINARY LOGS")

    def purged() -> bool:
        newest = primary.execute("SHOW BINARY LOGS")[-1][0]
        primary.execute("PURGE BINARY LOGS TO %s", newest)
        return len(primary.execute("SHOW BINARY LOGS")) == 1

    wait_until(purged, 60, "the older logs are purged")
    result = stage.fleet.enqueue(shard)

    assert stage.wait_end(result) == "FAILURE"
    assert "binlog_expire_logs_seconds" in str(result.result)
    stage.sweep()
    wait_until(lambda: stage.tidy(shard), 30, f"{shard} is tidy")
    assert stage.check_newest(shard) == number
    stage.remember(shard)
    again = stage.fleet.enqueue(shard, first_backup="clone")
    assert stage.wait_end(again) == "SUCCESS", again.result
    stage.prove(shard)
    assert stage.check_newest(shard) == number + 1
    assert stage.run_well(shard) == number + 2
    stage.prove(shard)


@pytest.mark.parametrize("keyspace", ["maria", "mysql"])
def test_a_failover_in_the_middle_of_the_catch_up_is_followed(stage: Stage, keyspace: str) -> None:
    """The primary dies for good while a catch-up is held in the middle; a replica that has everything takes over under
    another address, and the configuration says so a moment later."""
    shard, primary = f"{keyspace}/a", stage.primaries[keyspace]
    promoted = stage.heirs[keyspace]
    for _ in range(2):  # the first one has nothing to catch up with
        stage.run_well(shard)
    stage.write(shard)
    wait_until(lambda: promoted.position() == primary.position(), 60, "the heir has everything")
    passed = stage.points("catchup", shard)
    stage.hold(shard, "catchup", 1 + next(i for i, name in enumerate(passed) if name.startswith("progress: repl")))
    result = stage.fleet.enqueue(shard)
    stage.wait_held(result)

    primary.kill()
    promoted.execute("STOP REPLICA")
    promoted.execute("RESET REPLICA ALL")
    stage.primaries[keyspace] = promoted
    stage.release()
    for name in stage.shards:
        if name.startswith(f"{keyspace}/"):
            stage.fleet.project.set_shard(name, port=promoted.port)

    assert stage.wait_end(result) == "SUCCESS", result.result
    stage.prove(shard)
    stage.run_well(shard)
    stage.prove(shard)
