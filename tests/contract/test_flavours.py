"""One suite over MySQL and MariaDB: real primaries, real private servers, real kills."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.checksums import checksums, definitions
from sandbox.ports import free_port
from sandbox.primary import Primary
from sandbox.programs import Flavour
from sandbox.schema import PLAIN, create_rich_schema
from sandbox.witness import Witness
from sandbox.workload import Workload, fill
from tests.contract.flavours import Home, endpoint_of, home
from tests.support.needs import need_flavour
from tests.support.stock import stock_server
from tests.support.waiting import wait_until
from tidemark import mysql
from tidemark.errors import (
    DataFolderVoid,
    ErrantTransactions,
    ReplicationFailed,
    ServerError,
    ServerStartFailed,
    SourceDenied,
    SourceUnfit,
    SourceUnreachable,
    StatementFailed,
)
from tidemark.mysql import copy_source, replicate_until
from tidemark.mysql.replication import catchup
from tidemark.progress import ignore

pytestmark = pytest.mark.contract


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def primary(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Primary]:
    """A primary with a rich schema that keeps all its binary logs."""
    flavour: Flavour = request.param
    need_flavour(flavour)
    with Primary(tmp_path_factory.mktemp(flavour), flavour) as primary:
        create_rich_schema(primary)
        yield primary


@pytest.fixture(scope="module")
def endpoint(primary: Primary) -> mysql.Endpoint:
    return endpoint_of(primary)


@pytest.fixture
def place(primary: Primary, tmp_path: Path) -> Iterator[Home]:
    with home(primary, tmp_path / "run") as place:
        yield place


def copy_selected(place: Home, target: Path) -> Path:
    """What an upload and a restore would make of the data folder."""
    selection = mysql.select_files(place.folder / "data", place.flavour.name)
    target.mkdir(mode=0o700)
    for name in selection.directories:
        (target / name).mkdir()
    for name in selection.files:
        shutil.copy(place.folder / "data" / name, target / name)
    return target


# The main way


def test_a_copy_that_has_caught_up_equals_the_primary_at_its_position(
    primary: Primary, endpoint: mysql.Endpoint, place: Home, tmp_path: Path
) -> None:
    server = place.started(endpoint)
    with Workload(primary, rate=100, rich=True, beyond_innodb=True) as workload:
        wait_until(lambda: workload.transactions > 20, 20, "the workload writes")
        copied = copy_source(server, endpoint, place.seen.append)
        assert server.position() == copied
        change_definitions(primary)
        committed = workload.transactions
        wait_until(lambda: workload.transactions > committed + 50, 20, "the workload goes on")
        caught = place.catch_up(server, endpoint)
        # The primary has moved on; the copy has not moved with it.
        committed = workload.transactions
        wait_until(lambda: workload.transactions > committed + 5, 20, "the workload goes on")
        assert server.position() == caught.position == caught.checkpoint
        assert caught.start == copied
        assert caught.transactions >= 50
        server.stop(upgrade_safe=False, progress=place.seen.append)
    assert server.state() == "cold"
    assert {"replicating", "shutting down"} <= {progress.phase for progress in place.seen}
    assert all(progress.total is None or 0 <= progress.done <= progress.total for progress in place.seen)

    data = copy_selected(place, tmp_path / "restored")
    with (
        Witness(primary, tmp_path / "witness") as witness,
        stock_server(primary.flavour, data, tmp_path / "stock") as stock,
    ):
        assert stock.position() == caught.position
        assert checksums(stock) == witness.checksums_at(caught.position)
        assert definitions(stock) == witness.definitions_at(caught.position)
        users = {str(user) for (user,) in stock.execute("SELECT user FROM mysql.user")}
        assert {"newcomer", "reader", "tidemark"} <= users
        assert not {user for user in users if user.startswith("tidemark_")}
        assert "visitor" not in users


def change_definitions(primary: Primary) -> None:
    """Accounts that come and go, and DDL: replication carries them."""
    for statement in (
        "DROP USER IF EXISTS newcomer",
        "CREATE USER newcomer IDENTIFIED BY 'Some-test-1'",
        f"GRANT SELECT ON {PLAIN}.* TO newcomer",
        "CREATE USER visitor IDENTIFIED BY 'Some-test-2'",
        "DROP USER visitor",
        f"CREATE TABLE {PLAIN}.late (id INT PRIMARY KEY, word TEXT) ENGINE=MyISAM",
        f"INSERT INTO {PLAIN}.late VALUES (1, 'late')",
        f"ALTER TABLE {PLAIN}.late ADD COLUMN more INT DEFAULT 7",
        f"ALTER TABLE {PLAIN}.nothing ADD COLUMN added INT, ADD KEY (added)",
        "CREATE DATABASE passing",
        "CREATE TABLE passing.t (id INT PRIMARY KEY)",
        "DROP DATABASE passing",
        "CREATE DATABASE staying",
    ):
        primary.execute(statement)


def test_an_empty_server_replays_the_primary_from_the_start(
    primary: Primary, endpoint: mysql.Endpoint, place: Home, tmp_path: Path
) -> None:
    with mysql.connect(endpoint) as source:
        source.check_fit()
        source.check_replayable()
        source.check_follows("")
    server = place.started(endpoint)
    assert server.position() == ""
    caught = place.catch_up(server, endpoint, stall_timeout=60)
    again = place.catch_up(server, endpoint, checkpoint=caught.checkpoint)
    assert (again.transactions, again.position) == (0, caught.checkpoint)
    server.stop(upgrade_safe=True, progress=ignore)
    data = copy_selected(place, tmp_path / "restored")
    with stock_server(primary.flavour, data, tmp_path / "stock") as stock:
        assert stock.position() == caught.checkpoint
        assert checksums(stock) == checksums(primary)


# Its life


def test_a_server_goes_from_absent_to_cold_to_running_and_back_without_spending_a_position(
    endpoint: mysql.Endpoint, place: Home
) -> None:
    server = place.server()
    assert server.state() == "absent"
    with pytest.raises(ServerError, match="there is no data folder"):
        server.start(ignore)
    server.initialise(ignore)
    assert server.state() == "cold"
    server.start(ignore)
    assert server.state() == "running"
    place.catch_up(server, endpoint)
    position = server.position()
    for _ in range(2):
        server.stop(upgrade_safe=False, progress=ignore)
        assert server.state() == "cold"
        server.stop(upgrade_safe=False, progress=ignore)
        assert place.processes() == []
        server.start(ignore)
        server.set_position(position)
        assert server.position() == position


def test_another_step_takes_over_the_running_server(endpoint: mysql.Endpoint, place: Home) -> None:
    pid = place.started(endpoint) and place.server_process().pid
    other = place.server()
    assert other.state() == "running"
    other.start(ignore)
    place.catch_up(other, endpoint)
    assert place.server_process().pid == pid
    other.stop(upgrade_safe=False, progress=ignore)
    assert place.server().state() == "cold"


def test_a_server_that_was_killed_makes_its_folder_void(place: Home) -> None:
    server = place.started()
    place.server_process().kill()
    wait_until(lambda: server.state() == "void", 10, "the folder is void")
    with pytest.raises(DataFolderVoid, match="died without a clean shutdown"):
        server.position()
    for step in (server, place.server()):
        with pytest.raises(DataFolderVoid):
            step.start(ignore)
        with pytest.raises(DataFolderVoid):
            step.stop(upgrade_safe=False, progress=ignore)


def test_a_server_that_is_killed_during_the_catch_up_is_reported_as_void(
    primary: Primary, endpoint: mysql.Endpoint, place: Home
) -> None:
    server = place.started(endpoint)
    with pytest.raises(DataFolderVoid):
        replicate_until(
            server,
            lambda: endpoint,
            ahead_of(primary),
            mysql.CatchupLimits(30),
            progress=lambda _: place.server_process().kill() if server.state() == "running" else None,
        )


def test_a_private_server_that_hangs_ends_the_catch_up(
    primary: Primary, endpoint: mysql.Endpoint, place: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catchup, "ANSWER_PATIENCE", 1.0)
    server = place.started(endpoint)
    process = place.server_process()
    try:
        with pytest.raises(ServerError, match="the private server does not answer"):
            replicate_until(
                server,
                lambda: endpoint,
                ahead_of(primary),
                mysql.CatchupLimits(60),
                progress=lambda _: process.suspend(),
            )
    finally:
        process.resume()


def test_kill_is_idempotent_and_spares_a_stranger(place: Home) -> None:
    server = place.started()
    server.kill()
    assert place.processes() == []
    server.kill()
    assert server.state() == "void"
    assert mysql.kill_leftover(place.folder) is False
    # A record whose pid now is somebody else's: this test's own process.
    record = place.folder / "server" / "state.json"
    record.write_text(f'{{"phase": "started", "pid": {os.getpid()}, "created": 1.0, "socket": ""}}')
    assert mysql.kill_leftover(place.folder) is False
    assert server.state() == "void"


def test_what_a_dead_run_has_left_is_found_by_its_folder_alone(place: Home) -> None:
    server = place.started()
    process = place.server_process()
    (place.folder / "server" / "state.json").unlink()  # as if the run had died before it wrote the pid
    assert mysql.kill_leftover(place.folder) is True
    assert not process.is_running()
    assert server.state() == "absent"


def test_a_long_path_gets_a_short_socket_that_is_removed(primary: Primary, tmp_path: Path) -> None:
    folder = tmp_path / ("deep-" + "x" * 90) / "run"
    with home(primary, folder) as place:
        server = place.started()
        sockets = server.layout.place_socket().parent
        assert sockets.stat().st_mode & 0o777 == 0o700
        server.stop(upgrade_safe=False, progress=ignore)
        assert not sockets.exists()
        server.start(ignore)
        server.kill()
        assert not sockets.exists()


def test_nobody_else_can_reach_the_server_and_no_secret_can_be_read(
    endpoint: mysql.Endpoint, place: Home, caplog: pytest.LogCaptureFixture
) -> None:
    server = place.started(endpoint)
    place.catch_up(server, endpoint)
    process = place.server_process()
    assert process.net_connections("tcp") == []
    assert (place.folder / "server").stat().st_mode & 0o777 == 0o700
    assert not (place.folder / "server" / "init.sql").exists()
    account = (place.folder / "server" / "account.cnf").read_text()
    secret = account.partition("password=")[2].partition("\n")[0].strip('"')
    for path in (place.folder / "server").rglob("*.cnf"):
        assert path.stat().st_mode & 0o777 == 0o600
    shown = " ".join(process.cmdline()) + server.layout.error_log.read_text() + caplog.text
    assert secret
    assert secret not in shown
    assert endpoint.password not in shown
    server.stop(upgrade_safe=False, progress=ignore)
    for path in place.folder.rglob("*"):
        if path.is_file():
            assert endpoint.password.encode() not in path.read_bytes(), path


def test_a_server_that_cannot_start_says_why(place: Home) -> None:
    server = place.server()
    server.initialise(ignore)
    place.variables = {"innodb_page_size": "4711"}
    with pytest.raises(ServerStartFailed, match=r"ended while it started(.|\n)*page"):
        place.server().start(ignore)


# The operator's statements


def test_statements_are_run_and_the_first_failure_stops_them(place: Home) -> None:
    server = place.started()
    server.execute_all(["CREATE DATABASE a", "CREATE TABLE a.t (i INT)"], timeout=30, fail_on_error=True)
    with pytest.raises(StatementFailed, match=r'"DROP TABLE a\.u" failed(.|\n)*Unknown table'):
        server.execute_all(["DROP TABLE a.u", "DROP TABLE a.t"], timeout=30, fail_on_error=True)
    tolerated = server.execute_all(["DROP TABLE a.u", "OPTIMIZE TABLE a.t"], timeout=30, fail_on_error=False)
    assert len(tolerated) == 1
    assert server.position() == ""


def test_a_statement_that_takes_too_long_fails(place: Home) -> None:
    server = place.started()
    with pytest.raises(StatementFailed, match="SLEEP"):
        server.execute_all(["SELECT SLEEP(30)"], timeout=1, fail_on_error=True)
    assert server.state() == "running"


def test_a_script_makes_a_new_shard_and_a_bad_one_fails(place: Home, tmp_path: Path) -> None:
    server = place.started()
    script = tmp_path / "init.sql"
    script.write_text(
        "CREATE DATABASE `new one`;\nUSE `new one`;\nDELIMITER //\nCREATE PROCEDURE p() BEGIN SELECT 1; END//\n"
    )
    server.run_script(script)
    assert server.session().value("SELECT routine_name FROM information_schema.routines WHERE routine_name='p'") == "p"
    script.write_text("SELECT 1;\nCREATE TABLE nowhere.t (i INT);\n")
    with pytest.raises(StatementFailed, match="nowhere"):
        server.run_script(script)
    with pytest.raises(StatementFailed, match="cannot be read"):
        server.run_script(tmp_path / "missing.sql")
    assert server.position() == ""


# Sources that will not do


def test_a_wrong_password_is_denied_and_not_shown(endpoint: mysql.Endpoint) -> None:
    with pytest.raises(SourceDenied) as caught:
        mysql.connect(replace(endpoint, password="not-this-one"))
    assert str(endpoint) in caught.value.message
    assert "not-this-one" not in str(caught.value)


def test_nobody_at_home_is_unreachable(endpoint: mysql.Endpoint) -> None:
    with pytest.raises(SourceUnreachable, match=r"127\.0\.0\.1"):
        mysql.connect(replace(endpoint, port=free_port()))


def test_a_source_of_the_other_flavour_is_refused(primary: Primary, endpoint: mysql.Endpoint) -> None:
    other = "mysql" if primary.flavour == "mariadb" else "mariadb"
    with pytest.raises(SourceUnfit, match=f"not {other}"):
        mysql.connect(endpoint, flavour=other)


def test_a_missing_right_comes_with_the_grant_to_type(primary: Primary, endpoint: mysql.Endpoint) -> None:
    primary.execute("DROP USER IF EXISTS poor@'%'")
    primary.execute("CREATE USER poor@'%' IDENTIFIED BY 'Poor-1-test'")
    with (
        mysql.connect(replace(endpoint, user="poor", password="Poor-1-test")) as source,
        pytest.raises(SourceDenied) as caught,
    ):
        source.check_fit()
    assert "REPLICATION SLAVE" in caught.value.message
    statement = caught.value.hint.removeprefix("on the source: ")
    primary.execute(statement.rstrip(";"))
    with mysql.connect(replace(endpoint, user="poor", password="Poor-1-test")) as source:
        source.check_fit()


def test_a_backup_that_is_ahead_of_its_primary_is_errant(primary: Primary, endpoint: mysql.Endpoint) -> None:
    with mysql.connect(endpoint) as source, pytest.raises(ErrantTransactions, match="never seen"):
        source.check_follows(ahead_of(primary))


def ahead_of(primary: Primary) -> str:
    """The position right after the primary's present one."""
    if primary.flavour == "mysql":
        uuid = str(primary.execute("SELECT @@server_uuid")[0][0])
        last = primary.execute("SELECT @@GLOBAL.gtid_executed")[0][0].replace("\n", "").split(f"{uuid}:")[1]
        return f"{uuid}:1-{int(last.split(',')[0].split('-')[-1]) + 100000}"
    domain, server, number = primary.position().split("-")
    return f"{domain}-{server}-{int(number) + 100000}"


# Catch-ups that go wrong


def test_a_conflicting_row_fails_the_catch_up_with_the_server_s_own_error(
    primary: Primary, endpoint: mysql.Endpoint, place: Home
) -> None:
    primary.execute("CREATE DATABASE IF NOT EXISTS conflict")
    primary.execute("CREATE TABLE IF NOT EXISTS conflict.t (id INT PRIMARY KEY)")
    primary.execute("DELETE FROM conflict.t")
    server = place.started(endpoint)
    place.catch_up(server, endpoint, stall_timeout=60)
    server.execute_all(["INSERT INTO conflict.t VALUES (1)"], timeout=10, fail_on_error=True)
    primary.execute("INSERT INTO conflict.t VALUES (1)")
    with pytest.raises(ReplicationFailed, match="Duplicate entry") as caught:
        place.catch_up(server, endpoint, stall_timeout=3)
    assert "the copy is not what the primary has" in caught.value.hint


def test_a_checkpoint_that_never_comes_fails_after_the_stall_timeout(
    primary: Primary, endpoint: mysql.Endpoint, place: Home
) -> None:
    server = place.started(endpoint)
    with pytest.raises(ReplicationFailed, match="no progress for 2 s with 1"):
        place.catch_up(server, endpoint, checkpoint=ahead_of(primary), stall_timeout=2)


def test_an_account_that_is_locked_out_in_the_catch_up_is_denied(
    primary: Primary, endpoint: mysql.Endpoint, place: Home
) -> None:
    server = place.started(endpoint)
    with pytest.raises(SourceDenied):
        place.catch_up(server, replace(endpoint, password="wrong"), checkpoint=ahead_of(primary))


def test_a_primary_that_hangs_is_given_up_and_one_that_wakes_is_followed(
    primary: Primary, endpoint: mysql.Endpoint, place: Home
) -> None:
    server = place.started(endpoint)
    place.catch_up(server, endpoint, stall_timeout=60)
    fill(primary, 1)
    checkpoint = primary.position()
    os.kill(primary.pid, signal.SIGSTOP)
    try:
        with pytest.raises((ReplicationFailed, SourceUnreachable)):
            place.catch_up(server, endpoint, checkpoint=checkpoint, stall_timeout=3)
    finally:
        os.kill(primary.pid, signal.SIGCONT)
    assert place.catch_up(server, endpoint, checkpoint=checkpoint).position == checkpoint
