"""The sandbox itself: what all other tests stand on."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import MySQLdb
import psutil
import pytest
import redis

from sandbox import leftovers
from sandbox.primary import Flavour, Primary
from sandbox.redis import RedisServer
from sandbox.witness import Witness
from sandbox.workload import Workload, checksums, create_rich_schema, definitions, fill, freeze
from tests.support.needs import need_flavour, need_program
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["mariadb", "mysql"])
def primary(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Primary]:
    flavour: Flavour = request.param
    need_flavour(flavour)
    with Primary(tmp_path / "primary", flavour) as primary:
        yield primary


def test_a_witness_tells_what_a_primary_held_at_positions_that_it_has_passed(primary: Primary, tmp_path: Path) -> None:
    create_rich_schema(primary)
    fill(primary, 2)
    with Workload(primary, 100, rich=True, beyond_innodb=True) as workload:
        moments = []
        for goal in (50, 100):
            wait_until(lambda goal=goal: workload.transactions >= goal, 30, "the client writes")  # type: ignore[misc]
            moments.append(freeze(primary))
        wait_until(lambda: primary.position() != moments[-1][0], 30, "the primary goes on")
    before = primary.position()
    with Witness(primary, tmp_path / "witness") as witness:
        # The earlier one last: it cannot go back, so it starts anew.
        for position, held in reversed(moments):
            assert witness.checksums_at(position) == held
        assert witness.definitions_at(moments[0][0]) == definitions(primary)
    assert moments[0][1] != moments[1][1]
    assert primary.position() == before
    assert leftovers.find(tmp_path / "witness") == []


def test_a_checksum_changes_with_a_row_and_comes_back_with_it(primary: Primary) -> None:
    create_rich_schema(primary)
    held = checksums(primary)
    for table, change, back in (
        ("shop.customer", "name = CONCAT(name, 'x')", "name = LEFT(name, CHAR_LENGTH(name) - 1)"),
        ("shop.reading", "amount = amount + 1024", "amount = amount - 1024"),
    ):
        order = "ORDER BY id LIMIT 1"
        primary.execute(f"UPDATE {table} SET {change} {order}")
        assert {name for name, value in checksums(primary).items() if held[name] != value} == {table}
        primary.execute(f"UPDATE {table} SET {back} {order}")
        assert checksums(primary) == held


def test_a_killed_primary_comes_back_with_its_data_on_its_port(primary: Primary) -> None:
    fill(primary, 1)
    held, port, pid = checksums(primary), primary.port, primary.pid
    primary.kill()
    assert not psutil.pid_exists(pid)
    primary.start()
    assert checksums(primary) == held
    assert primary.port == port


def test_a_workload_goes_on_when_its_primary_comes_back(primary: Primary) -> None:
    with Workload(primary, 100) as workload:
        wait_until(lambda: workload.transactions > 5, 30, "the client writes")
        primary.restart()
        seen = workload.transactions
        wait_until(lambda: workload.transactions > seen + 5, 30, "the client writes again")


def test_the_backup_account_can_read_its_position_and_cannot_write(primary: Primary) -> None:
    fill(primary, 0)
    account = primary.create_backup_account()
    user, password = account
    with (
        contextlib.closing(
            MySQLdb.connect(host=primary.host, port=primary.port, user=user, password=password)
        ) as connection,
        connection.cursor() as cursor,
    ):
        variable = "gtid_executed" if primary.flavour == "mysql" else "gtid_binlog_pos"
        cursor.execute(f"SELECT @@GLOBAL.{variable}")
        assert "".join(str(cursor.fetchone()[0]).split()) == primary.position()
        with pytest.raises(MySQLdb.OperationalError):
            cursor.execute("DELETE FROM ledger.entry_1")
    assert password not in repr(account)


_ABANDONED = """
import pathlib, sys, threading
from sandbox.primary import Primary
from sandbox.redis import RedisServer
folder = pathlib.Path(sys.argv[1])
redis, primary = RedisServer(folder / "redis"), Primary(folder / "primary", "mariadb")
starter = threading.Thread(target=primary.start)  # a thread that ends must not take its server with it
starter.start(); starter.join(); redis.start()
print("ready", flush=True)
threading.Event().wait()
"""


def test_nothing_outlives_a_killed_test_run(tmp_path: Path) -> None:
    need_flavour("mariadb")
    need_program("redis-server")
    with subprocess.Popen(
        [sys.executable, "-c", _ABANDONED, str(tmp_path / "x")],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        servers = [child.pid for child in psutil.Process(process.pid).children()]
        assert len(servers) == 2
        process.send_signal(signal.SIGKILL)
    wait_until(lambda: leftovers.find(tmp_path / "x") == [], 20, "both servers are gone")


def test_redis_keeps_what_it_acknowledged_through_a_kill(tmp_path: Path) -> None:
    need_program("redis-server")
    with RedisServer(tmp_path / "redis", password="a test password") as server:
        assert "password" not in server.url
        with redis.Redis.from_url(server.url, password=server.password) as client:
            client.set("tide", "high")
        with redis.Redis.from_url(server.url) as nobody, pytest.raises(redis.AuthenticationError):
            nobody.ping()
        server.kill()
        server.start()
        with redis.Redis.from_url(server.url, password=server.password) as client:
            assert client.get("tide") == b"high"
