"""The primary's troubles, met by whole steps: failover, restarts, new passwords, purged logs, and replicas instead."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.ports import free_port
from sandbox.primary import Primary
from sandbox.programs import Flavour
from sandbox.workload import fill
from tests.contract.flavours import endpoint_of
from tests.integration.test_mysql_sources import make_replica, purge
from tests.support.needs import need_flavour
from tests.support.project import Project
from tests.support.waiting import wait_until
from tidemark import mysql, steps
from tidemark.errors import (
    BinlogsPurged,
    DiskFull,
    ErrantTransactions,
    PrimaryUnclear,
    SourceDenied,
    SourceUnfit,
    SourceUnreachable,
)
from tidemark.progress import Progress
from tidemark.shards import topology
from tidemark.steps import Run, sources

pytestmark = pytest.mark.integration

SHARD = "commerce/-80"


@dataclass
class Pair:
    """A primary and its replica, as a static fleet has them."""

    primary: Primary
    replica: Primary
    account: mysql.Endpoint

    def write(self, count: int = 1) -> str:
        """Transactions on the primary that the replica gets too; gives the position after them."""
        for _ in range(count):
            self.primary.execute("INSERT INTO ledger.entry_1 SELECT NULL, 1, 1, UUID(), 'more', NOW()")
        return self.primary.position()

    def level(self, *, connect: bool = False) -> None:
        """Returns when the replica has everything; ``connect`` spares it the wait until it tries again by itself."""
        if connect:
            self.replica.execute("STOP REPLICA")
            self.replica.execute("START REPLICA")
        wait_until(lambda: self.replica.position() == self.primary.position(), 60, "the replica has everything")

    @property
    def hosts(self) -> list[str]:
        return [f"127.0.0.1:{server.port}" for server in (self.primary, self.replica)]


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    flavour: Flavour = request.param
    need_flavour(flavour)
    folder = tmp_path_factory.mktemp(flavour)
    name = "log-slave-updates" if flavour == "mariadb" else "log-replica-updates"
    with Primary(folder / "p", flavour) as primary, Primary(folder / "r", flavour, options={name: "ON"}) as replica:
        fill(primary, 1)
        account = endpoint_of(primary)
        status = "SLAVE MONITOR" if flavour == "mariadb" else "REPLICATION CLIENT"
        primary.execute(f"GRANT {status} ON *.* TO tidemark@'%'")
        make_replica(replica, account)
        pair = Pair(primary, replica, account)
        pair.level()
        replica.execute("SET GLOBAL read_only = ON")
        yield pair
        replica.execute("STOP REPLICA")


@pytest.fixture(scope="module")
def seed(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The shard with one backup, made once for all tests."""
    project = Project(tmp_path_factory.mktemp("seed"))
    project.add(SHARD, port=pair.primary.port, user=pair.account.user, password=pair.account.password)
    back_up(project)
    return project


def back_up(project: Project) -> None:
    steps.alone.run(project.settings(), project.path, SHARD, steps.alone.Audience(finished=print))


@pytest.fixture
def project(pair: Pair, seed: Project, tmp_path: Path) -> Iterator[Project]:
    """The same in a repository of the test's own."""
    project = Project(tmp_path)
    shutil.copy(seed.folder / "master.key", project.folder / "master.key")
    shutil.copytree(seed.repository, project.repository)
    project.add(SHARD, port=pair.primary.port, user=pair.account.user, password=pair.account.password)
    project.shards[SHARD].pop("host")
    project.set_shard(SHARD, hosts=pair.hosts, stall_timeout="60s")
    yield project
    for folder, _ in steps.runs_on_disk(project.settings()):
        steps.cleanup.run(folder)
    assert project.leftovers() == []


def new_run(project: Project, **keys: object) -> Run:
    if keys:
        project.set_shard(SHARD, **keys)
    return Run.create(project.settings(), project.path, SHARD)


def restored(project: Project, **keys: object) -> Run:
    run = new_run(project, **keys)
    steps.restore.run(run)
    return run


@contextlib.contextmanager
def replica_with(pair: Pair, before: str, after: str) -> Iterator[None]:
    pair.replica.execute(before)
    try:
        yield
    finally:
        pair.replica.execute(after)
        pair.level()


def test_of_several_hosts_the_one_that_takes_writes_is_the_primary(pair: Pair, project: Project) -> None:
    shard, path = topology(project.settings()).find(SHARD), project.path
    assert sources.primary(shard, path).port == pair.primary.port

    with replica_with(pair, "SET GLOBAL read_only = OFF", "SET GLOBAL read_only = ON"):
        with pytest.raises(PrimaryUnclear, match=r"all take writes; only one") as caught:
            sources.primary(shard, path)
        assert all(host in caught.value.message for host in pair.hosts)
        assert "read_only = ON" in caught.value.hint
    pair.primary.execute("SET GLOBAL read_only = ON")
    try:
        with pytest.raises(PrimaryUnclear, match=r"no host of the shard takes writes: .* is read-only") as caught:
            sources.wait(new_run(project, stall_timeout="1s"), lambda _: None, steps.always)
        assert "failover" in caught.value.hint
    finally:
        pair.primary.execute("SET GLOBAL read_only = OFF")
    # A host that is dead does not matter, as long as there is a primary; with all of them dead it does.
    project.set_shard(SHARD, hosts=[f"127.0.0.1:{free_port()}", *pair.hosts])
    assert sources.primary(shard, path).port == pair.primary.port
    project.set_shard(SHARD, hosts=[f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"])
    with pytest.raises(SourceUnreachable, match="no host of the shard can be asked"):
        sources.primary(shard, path)
    project.set_shard(SHARD, hosts=pair.hosts, user="stranger")
    with pytest.raises(SourceDenied, match="no host of the shard can be asked"):
        sources.primary(shard, path)


def test_a_primary_that_restarts_and_an_account_that_changes_are_waited_for(pair: Pair, project: Project) -> None:
    """Restarted before the catch-up asks it; then, while it replicates, the connection breaks and the password is
    another one, first on the primary and a moment later in the file."""
    run = restored(project)
    pair.write(5)
    pair.primary.stop()
    seen: list[Progress] = []
    new_password = "Another-1-password"

    def watch(progress: Progress) -> None:
        seen.append(progress)
        if progress.phase == "waiting for the source" and not pair.primary.running:
            pair.primary.start()
        elif progress.phase == "replicating" and "denied" in progress.detail.lower():
            Path(project.folder / "commerce_-80.password").write_text(new_password)
        elif progress.phase == "starting the private server" and pair.primary.running:
            # The checkpoint is taken, nothing is replicated yet.
            pair.primary.execute(f"ALTER USER tidemark@'%' IDENTIFIED BY '{new_password}'")

    try:
        caught = steps.catchup.run(run, progress=watch)
    finally:
        if not pair.primary.running:
            pair.primary.start()
        pair.primary.execute(f"ALTER USER tidemark@'%' IDENTIFIED BY '{pair.account.password}'")
        pair.level(connect=True)

    assert caught.transactions >= 5
    assert caught.position == caught.checkpoint
    assert any(progress.phase == "waiting for the source" for progress in seen)


def test_the_source_tells_how_far_its_binary_logs_reach_back(pair: Pair, project: Project) -> None:
    pair.primary.execute("FLUSH BINARY LOGS")
    logs = pair.primary.execute("SHOW BINARY LOGS")
    before = sum(int(row[1]) for row in logs[:-1])
    pair.write(3)
    back_up(project)
    run = restored(project)
    pair.write(3)

    caught = steps.catchup.run(run)

    assert caught.oldest_binlog == logs[0][0]
    assert caught.bridge_bytes == before
    assert caught.binlog_bytes is not None
    assert caught.binlog_bytes > before
    assert caught.binlog_retention_seconds == 0
    assert caught.oldest_binlog_at is not None
    assert caught.oldest_binlog_at < run.on_disk.started_at
    assert (caught.bridge_seconds, caught.bridge_warning) == (None, ""), "nothing was ever removed, and nothing will be"

    # Once something is kept for a limited time, or was removed, there is an end to see.
    pair.primary.execute("SET GLOBAL binlog_expire_logs_seconds = 7200")
    try:
        again = steps.catchup.run(restored(project))
        patient = steps.catchup.run(restored(project, min_bridge="1s"))
    finally:
        pair.primary.execute("SET GLOBAL binlog_expire_logs_seconds = 0")
    assert again.bridge_seconds is not None
    assert 0 < again.bridge_seconds < 7200
    assert "(min_bridge): raise binlog_expire_logs_seconds" in again.bridge_warning
    assert patient.bridge_seconds is not None
    assert patient.bridge_warning == ""


def test_a_replica_is_the_source_while_it_is_fit(pair: Pair, project: Project) -> None:
    run = restored(project, source="replica")
    pair.write(3)
    pair.level()

    caught = steps.catchup.run(run)

    assert caught.source == f"127.0.0.1:{pair.replica.port}"
    assert caught.replica
    assert caught.source_lag_seconds is not None
    assert caught.source_lag_seconds <= 5, "servers round it to whole seconds, each in its own way"
    assert caught.position == pair.primary.position()

    shard, path = topology(project.settings()).find(SHARD), project.path
    with (
        replica_with(pair, "STOP REPLICA", "START REPLICA"),
        pytest.raises(SourceUnfit, match=r"no replica can be the source: .* has stopped to replicate from") as stopped,
    ):
        steps.catchup.run(restored(project))
    assert "START REPLICA" in stopped.value.hint
    project.set_shard(SHARD, max_replica_lag="1s")
    with contextlib.closing(pair.replica.root()) as session, session.cursor() as cursor:
        cursor.execute("FLUSH TABLES WITH READ LOCK")
        pair.write(1)

        def is_told() -> bool:
            with pytest.raises(SourceUnfit, match=r"s behind .*, and max_replica_lag is 1 s") as behind:
                sources.find(shard, path)
            return "raise max_replica_lag" in behind.value.hint

        def lags() -> bool:
            try:
                sources.find(shard, path)
            except SourceUnfit:
                return True
            return False

        wait_until(lags, 60, "the replica is behind")
        assert is_told()
        cursor.execute("UNLOCK TABLES")
    pair.level()
    project.set_shard(SHARD, hosts=[], host="127.0.0.1", replica_hosts=[pair.hosts[0]])
    with pytest.raises(SourceUnfit, match="replicates from nobody"):
        sources.find(shard, path)


def test_a_failover_in_the_middle_is_followed_without_anybody_editing_a_file(pair: Pair, project: Project) -> None:
    run = restored(project)
    fill(pair.primary, 16)  # more than what sockets hold for a server that is gone
    pair.level()
    pair.replica.execute("STOP REPLICA")
    seen: list[Progress] = []

    def fail_over(progress: Progress) -> None:
        if progress.phase != "replicating":
            return
        seen.append(progress)
        if len(seen) == 1:
            pair.primary.kill()
        elif len(seen) == 8:
            pair.replica.execute("SET GLOBAL read_only = OFF")

    try:
        caught = steps.catchup.run(run, progress=fail_over)
    finally:
        pair.replica.execute("SET GLOBAL read_only = ON")
        pair.primary.start()
        pair.level(connect=True)

    assert caught.position == caught.checkpoint == pair.primary.position()
    assert caught.source == f"127.0.0.1:{pair.replica.port}"
    assert caught.moves == 1
    assert len(seen) > 8


def test_a_run_stops_before_it_fills_the_nodes_disk(pair: Pair, project: Project) -> None:
    run = restored(project)
    pair.write(1)
    project.set("node", min_free="9000T")

    with pytest.raises(DiskFull, match="the catch-up: stopped, because the disk of"):
        steps.catchup.run(Run.load(project.settings(), project.path, run.id))
    full = new_run(project)
    with pytest.raises(DiskFull, match=r"backup 1 takes .* \(catchup_room\)") as caught:
        steps.restore.run(full)
    assert "nothing was fetched" in caught.value.hint
    assert not (full.folder / "data").exists()


def test_a_replica_with_transactions_of_its_own_is_refused(pair: Pair, project: Project) -> None:
    """Last but one, because the replica is spoilt by it: what it alone has would be in the backup."""
    run = restored(project, source="replica")
    pair.replica.execute("CREATE DATABASE errant")
    try:
        with pytest.raises(ErrantTransactions, match=rf"the replica 127\.0\.0\.1:{pair.replica.port} "):
            steps.catchup.run(run)
    finally:
        pair.replica.execute("DROP DATABASE errant")


def test_purged_logs_fail_a_run_before_it_restores_and_name_the_retention(pair: Pair, project: Project) -> None:
    pair.write(1)
    purge(pair.primary)
    run = new_run(project)

    with pytest.raises(BinlogsPurged) as caught:
        steps.restore.run(run)

    assert "binlog_expire_logs_seconds would have had to be more than" in caught.value.hint
    assert "(it is 0: something else removes them)" in caught.value.hint
    assert "--first-backup clone" in caught.value.hint
    assert not (run.folder / "data").exists()
