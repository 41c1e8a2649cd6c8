"""Sources as they come: with and without encryption, purged, moved by a failover, gone in the middle of a copy."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from sandbox.checksums import checksums
from sandbox.primary import Primary
from sandbox.programs import Flavour
from sandbox.tunnel import Tunnel
from sandbox.workload import fill
from tests.contract.flavours import endpoint_of, home
from tests.support.needs import need_flavour
from tests.support.waiting import wait_until
from tidemark import mysql
from tidemark.errors import (
    BinlogsPurged,
    ErrantTransactions,
    SourceDenied,
    SourceError,
    SourceUnfit,
    TidemarkError,
)
from tidemark.mysql import copy_source, replicate_until, select_files
from tidemark.mysql.session import Session
from tidemark.progress import Progress, ignore

pytestmark = pytest.mark.integration


@pytest.fixture(params=["mariadb", "mysql"])
def flavour(request: pytest.FixtureRequest) -> Flavour:
    name: Flavour = request.param
    need_flavour(name)
    return name


@pytest.fixture
def primary(flavour: Flavour, tmp_path: Path) -> Iterator[Primary]:
    with Primary(tmp_path / "primary", flavour) as primary:
        fill(primary, 1)
        yield primary


class _Interrupted(BaseException):
    pass


def test_a_signal_between_a_question_and_its_answer_is_what_whoever_asked_gets(primary: Primary) -> None:
    """And not the client library's complaint about the answer that nobody has fetched."""

    def interrupt(number: int, frame: object) -> None:
        raise _Interrupted

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with Session(lambda number, text: TidemarkError(text), user="root", unix_socket=str(primary.socket)) as session:
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGUSR1)).start()
            with pytest.raises(_Interrupted):
                session.rows("SELECT SLEEP(2)")
    finally:
        signal.signal(signal.SIGUSR1, before)


def copy_and_follow(primary: Primary, endpoint: mysql.Endpoint, folder: Path) -> None:
    """A first copy and a catch-up over the same kind of connection, both as the primary is."""
    with home(primary, folder) as place:
        server = place.started(endpoint)
        copy_source(server, endpoint, ignore)
        primary.execute("INSERT INTO ledger.entry_1 SELECT NULL, 1, 1, UUID(), 'after', NOW()")
        place.catch_up(server, endpoint)
        server.stop(upgrade_safe=False, progress=ignore)
        server.start(ignore)
        assert server.session().value("SELECT COUNT(*) FROM ledger.entry_1 WHERE text = 'after'") == "1"


@pytest.mark.parametrize("tls", ["off", "required"])
def test_a_primary_without_encryption_and_one_that_insists_on_it_are_both_copied(
    flavour: Flavour, tls: Literal["off", "required"], tmp_path: Path
) -> None:
    with Primary(tmp_path / "primary", flavour, tls=tls) as primary:
        fill(primary, 1)
        endpoint = endpoint_of(primary)
        with mysql.connect(endpoint) as source:
            assert source.encrypted == (tls == "required")
        if tls == "off":
            with pytest.raises(SourceUnfit, match="offers no encryption"):
                mysql.connect(replace(endpoint, tls="required"))
        else:
            with pytest.raises(TidemarkError):
                mysql.connect(replace(endpoint, tls="disabled"))
        copy_and_follow(primary, endpoint, tmp_path / "run")


def test_a_certificate_is_checked_when_asked_for(primary: Primary, tmp_path: Path) -> None:
    endpoint = endpoint_of(primary, tls="verify", tls_ca=primary.tls_ca)
    with Primary(tmp_path / "stranger", primary.flavour) as stranger, pytest.raises(SourceUnfit, match="certificate"):
        mysql.connect(replace(endpoint, tls_ca=stranger.tls_ca))
    copy_and_follow(primary, endpoint, tmp_path / "run")


def test_a_primary_without_a_binary_log_is_unfit(flavour: Flavour, tmp_path: Path) -> None:
    options: dict[str, str | None] = {"skip-log-bin": None}
    with (
        Primary(tmp_path / "primary", flavour, options=options) as primary,
        mysql.connect(endpoint_of(primary)) as source,
        pytest.raises(SourceUnfit, match="keeps no binary log"),
    ):
        source.check_fit()


def test_a_mysql_without_gtids_is_unfit(tmp_path: Path) -> None:
    need_flavour("mysql")
    with (
        Primary(tmp_path / "primary", "mysql", options={"gtid-mode": "OFF_PERMISSIVE"}) as primary,
        mysql.connect(endpoint_of(primary)) as source,
        pytest.raises(SourceUnfit, match="gtid_mode is OFF_PERMISSIVE"),
    ):
        source.check_fit()


def test_a_primary_that_leaves_schemas_out_of_its_log_is_unfit(flavour: Flavour, tmp_path: Path) -> None:
    with (
        Primary(tmp_path / "primary", flavour, options={"binlog-ignore-db": "hidden"}) as primary,
        mysql.connect(endpoint_of(primary)) as source,
        pytest.raises(SourceUnfit, match="hidden"),
    ):
        source.check_fit()


def test_a_clone_without_the_plugin_or_the_right_names_what_to_type(tmp_path: Path) -> None:
    need_flavour("mysql")
    with Primary(tmp_path / "primary", "mysql") as primary, home(primary, tmp_path / "run") as place:
        endpoint = endpoint_of(primary)
        server = place.started(endpoint)
        primary.execute("REVOKE BACKUP_ADMIN ON *.* FROM tidemark@'%'")
        with pytest.raises(SourceDenied) as denied:
            copy_source(server, endpoint, ignore)
        assert "GRANT BACKUP_ADMIN ON *.* TO 'tidemark'@'%';" in denied.value.hint
        primary.execute("UNINSTALL PLUGIN clone")
        with pytest.raises(SourceUnfit) as unfit:
            copy_source(server, endpoint, ignore)
        assert "INSTALL PLUGIN clone" in unfit.value.hint


def test_triggers_that_the_account_may_not_see_are_not_left_behind_in_silence(tmp_path: Path) -> None:
    need_flavour("mysql")
    with Primary(tmp_path / "primary", "mysql") as primary, home(primary, tmp_path / "run") as place:
        endpoint = endpoint_of(primary)
        primary.execute("CREATE DATABASE old")
        primary.execute("CREATE TABLE old.isam (id INT) ENGINE=MyISAM")
        primary.execute("CREATE TRIGGER old.seen BEFORE INSERT ON old.isam FOR EACH ROW SET @seen = 1")
        primary.execute("REVOKE TRIGGER ON *.* FROM tidemark@'%'")
        server = place.started(endpoint)
        with pytest.raises(SourceDenied, match=r"old\.seen") as denied:
            copy_source(server, endpoint, ignore)
        assert "GRANT TRIGGER" in denied.value.hint


def purge(primary: Primary) -> None:
    """Everything but the newest binary log goes."""
    primary.execute("FLUSH BINARY LOGS")
    newest = str(primary.execute("SHOW BINARY LOGS")[-1][0])

    def only_the_newest_is_left() -> bool:
        # MariaDB keeps a log for as long as InnoDB may need it to recover.
        primary.execute("PURGE BINARY LOGS TO %s", newest)
        return len(primary.execute("SHOW BINARY LOGS")) == 1

    wait_until(only_the_newest_is_left, 30, "the older logs are purged")


def test_purged_logs_fail_before_the_catch_up_and_in_it(primary: Primary, tmp_path: Path) -> None:
    endpoint = endpoint_of(primary)
    behind = primary.position()
    fill(primary, 1)
    purge(primary)
    with mysql.connect(endpoint) as source:
        with pytest.raises(BinlogsPurged, match="binlog_expire_logs_seconds"):
            source.check_follows(behind)
        with pytest.raises(BinlogsPurged, match="from the start"):
            source.check_replayable()
        source.check_follows(source.position())
    with home(primary, tmp_path / "run") as place:
        server = place.started(endpoint)
        with pytest.raises(BinlogsPurged):
            place.catch_up(server, endpoint, stall_timeout=60)


def test_a_failover_in_the_middle_is_followed(primary: Primary, tmp_path: Path) -> None:
    """The old primary dies during the catch-up; its replica, which has everything, takes over under a new address."""
    endpoint = endpoint_of(primary)
    options: dict[str, str | None] = {
        "log-slave-updates" if primary.flavour == "mariadb" else "log-replica-updates": "ON"
    }
    with Primary(tmp_path / "heir", primary.flavour, options=options) as heir, home(primary, tmp_path / "run") as place:
        server = place.started(endpoint)
        place.catch_up(server, endpoint)
        for _ in range(20):
            primary.execute("INSERT INTO ledger.entry_1 SELECT NULL, 1, 1, UUID(), 'before', NOW()")
        checkpoint = primary.position()
        make_replica(heir, endpoint)
        wait_until(lambda: heir.position() == checkpoint, 30, "the heir has everything")
        heir.execute("STOP REPLICA")
        primary.kill()
        where = [endpoint]

        def fail_over(_: Progress) -> None:
            where[0] = replace(endpoint, port=heir.port)

        caught = replicate_until(server, lambda: where[0], checkpoint, mysql.CatchupLimits(30), progress=fail_over)
        assert caught.position == checkpoint
        assert caught.transactions == 20
        # And a primary that lacks what the copy has is not followed.
        with Primary(tmp_path / "other", primary.flavour) as other:
            elsewhere = endpoint_of(other)
            with mysql.connect(elsewhere) as source, pytest.raises(ErrantTransactions):
                source.check_follows(caught.position)
        primary.start()


def test_a_new_password_and_a_network_that_swallows_everything_in_the_middle(primary: Primary, tmp_path: Path) -> None:
    """First the connection breaks, the old password is refused, and what is asked next is given the new one. Then a
    connection stands and brings nothing: that ends by the lack of progress, and once it is healed all is well."""
    endpoint = endpoint_of(primary)
    new, one_more = "Another-1-password", "INSERT INTO ledger.entry_1 SELECT NULL, 1, 1, UUID(), 'late', NOW()"
    account = [endpoint]
    seen: list[str] = []

    def change(progress: Progress) -> None:
        if not seen and primary.dump_threads():
            primary.run_script(["SET SESSION sql_log_bin = 0", f"ALTER USER tidemark@'%' IDENTIFIED BY '{new}'"])
            primary.end_dump_threads()
            seen.append("")
            return
        if seen:
            seen.append(progress.detail)
            if account[0] is endpoint:
                primary.end_dump_threads()  # one that had logged in just before, and asked for nothing yet
        if "denied" in progress.detail.lower() and account[0] is endpoint:
            account[0] = replace(endpoint, password=new)
            primary.execute(one_more)  # the one that is waited for

    with home(primary, tmp_path / "run") as place:
        server = place.started(endpoint)
        place.catch_up(server, endpoint)
        caught = replicate_until(server, lambda: account[0], after(primary), mysql.CatchupLimits(60), progress=change)
        with Tunnel(primary.host, primary.port) as tunnel:
            through = replace(account[0], port=tunnel.port)
            goal = after(primary)
            with pytest.raises(SourceError, match="no progress for 3 s with 1 transactions missing"):
                replicate_until(
                    server, lambda: through, goal, mysql.CatchupLimits(3), progress=lambda _: tunnel.swallow()
                )
            primary.execute(one_more)
            tunnel.heal()
            assert (
                replicate_until(server, lambda: through, goal, mysql.CatchupLimits(60), progress=ignore).position
                == goal
            )
    assert caught.transactions == 1
    assert caught.moves == 0
    assert any("denied" in detail.lower() for detail in seen)


def after(primary: Primary) -> str:
    """The position that the primary will have after one more transaction."""
    if primary.flavour == "mysql":
        uuid, _, last = primary.position().rpartition(":1-")
        return f"{uuid}:1-{int(last) + 1}"
    domain, server, number = primary.position().split("-")
    return f"{domain}-{server}-{int(number) + 1}"


def make_replica(heir: Primary, endpoint: mysql.Endpoint) -> None:
    login = f"_HOST='{endpoint.host}', {{0}}_PORT={endpoint.port}, {{0}}_USER='{endpoint.user}', "
    login += f"{{0}}_PASSWORD='{endpoint.password}', {{0}}_SSL=1, "
    if heir.flavour == "mysql":
        heir.execute(f"CHANGE REPLICATION SOURCE TO {{0}}{login}SOURCE_AUTO_POSITION=1".format("SOURCE"))
    else:
        heir.execute(f"CHANGE MASTER TO {{0}}{login}MASTER_USE_GTID=slave_pos".format("MASTER"))
    heir.execute("START REPLICA")


@pytest.mark.parametrize("flavour", ["mariadb"])  # CLONE waits five minutes for a donor that is gone: not here
def test_a_source_that_dies_in_the_middle_of_a_copy_fails_it(primary: Primary, tmp_path: Path) -> None:
    fill(primary, 60)
    endpoint = endpoint_of(primary)

    def strike(progress: Progress) -> None:
        if progress.phase in {"copying", "cloning"} and progress.done and primary.running:
            primary.kill()

    with home(primary, tmp_path / "run") as place:
        server = place.started(endpoint)
        with pytest.raises(SourceError) as caught:
            copy_source(server, endpoint, strike)
        assert str(endpoint) in caught.value.message
        assert not (place.folder / "server" / "source.cnf").exists()
        server.kill()
    primary.start()


def test_a_copy_that_is_interrupted_leaves_no_process(primary: Primary, tmp_path: Path) -> None:
    class Interrupted(Exception):
        pass

    def strike(progress: Progress) -> None:
        if progress.phase in {"copying", "cloning"}:
            raise Interrupted

    endpoint = endpoint_of(primary)
    with home(primary, tmp_path / "run") as place:
        server = place.started(endpoint)
        with pytest.raises(Interrupted):
            copy_source(server, endpoint, strike)
        assert not (place.folder / "server" / "source.cnf").exists()
        server.kill()
        assert place.processes() == []


def test_a_table_that_is_kept_elsewhere_on_the_primary_stays_inside_the_copy(primary: Primary, tmp_path: Path) -> None:
    elsewhere = tmp_path / "primary" / "elsewhere"
    elsewhere.mkdir()
    with home(primary, tmp_path / "run") as place:
        endpoint = endpoint_of(primary)
        server = place.started(endpoint)
        directory = f"DATA DIRECTORY = '{elsewhere}'"
        if primary.flavour == "mysql":
            primary.stop()
            primary.options["innodb-directories"] = str(elsewhere)  # MySQL asks for this
            primary.start()
        primary.execute(f"CREATE TABLE ledger.far (id INT PRIMARY KEY) ENGINE=InnoDB {directory}")
        primary.execute("INSERT INTO ledger.far VALUES (1), (2)")
        before = sorted(path for path in elsewhere.rglob("*") if path.is_file())
        place.catch_up(server, endpoint)
        server.stop(upgrade_safe=False, progress=ignore)
        assert "ledger/far.ibd" in select_files(server.data, place.flavour.name).files
        assert sorted(path for path in elsewhere.rglob("*") if path.is_file()) == before


def test_the_line_for_a_person_starts_a_stock_server(primary: Primary, tmp_path: Path) -> None:
    with home(primary, tmp_path / "run") as place:
        endpoint = endpoint_of(primary)
        server = place.started(endpoint)
        place.catch_up(server, endpoint)
        server.stop(upgrade_safe=False, progress=ignore)
        line = place.flavour.start_command(server.data, place.variables | {"innodb_page_size": "16384"})
    assert re.search(rf"mysqld|mariadbd.* --datadir={server.data}", line)
    assert "page-size" not in line
    assert "--innodb-page-size=8192" in place.flavour.start_command(server.data, {"innodb_page_size": "8192"})
    assert os.sep in line.split()[0]


def test_a_small_page_size_and_lower_case_names_are_shared_with_the_primary(flavour: Flavour, tmp_path: Path) -> None:
    data = tmp_path / "own"
    with Primary(tmp_path / "primary", flavour) as first:
        variables = {"innodb_page_size": "8192", "innodb_data_file_path": "ibdata1:16M:autoextend"}
        with home(first, tmp_path / "seed") as seed:
            seed.variables = variables
            server = seed.started()
            server.stop(upgrade_safe=False, progress=ignore)
            server.data.rename(data)
    options: dict[str, str | None] = {name.replace("_", "-"): value for name, value in variables.items()}
    with Primary(tmp_path / "small", flavour, data=data, options=options) as primary:
        fill(primary, 1)
        endpoint = endpoint_of(primary)
        with home(primary, tmp_path / "run") as place:
            server = place.started(endpoint)
            assert place.variables.items() >= variables.items()
            copy_source(server, endpoint, ignore)
            assert server.session().value("SELECT @@innodb_page_size") == "8192"
            copied = server.session().rows("CHECKSUM TABLE ledger.entry_1")[0]["Checksum"]
            assert copied == checksums(primary)["ledger.entry_1"]
