"""A source that does not have everything, does not say everything, or is not the server that was meant."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.primary import Primary
from sandbox.programs import Flavour
from tests.contract.flavours import endpoint_of
from tests.integration.test_mysql_sources import make_replica
from tests.support.needs import need_flavour
from tests.support.project import Project
from tests.support.waiting import wait_until
from tidemark import mysql
from tidemark.errors import SourceUnfit

pytestmark = pytest.mark.integration

SHARD = "commerce/-80"


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def flavour(request: pytest.FixtureRequest) -> Flavour:
    wanted: Flavour = request.param
    need_flavour(wanted)
    return wanted


@pytest.fixture(scope="module")
def primary(flavour: Flavour, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Primary]:
    with Primary(tmp_path_factory.mktemp(flavour), flavour) as primary:
        primary.execute("CREATE DATABASE d")
        primary.execute("CREATE TABLE d.t (id INT PRIMARY KEY)")
        yield primary


@pytest.fixture(scope="module")
def account(primary: Primary) -> mysql.Endpoint:
    """The primary with its one account."""
    endpoint = endpoint_of(primary)
    status = "SLAVE MONITOR" if primary.flavour == "mariadb" else "REPLICATION CLIENT"
    primary.execute(f"GRANT {status} ON *.* TO tidemark@'%'")
    return endpoint


@pytest.fixture
def project(account: mysql.Endpoint, tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.add(SHARD, port=account.port, user=account.user, password=account.password)
    return project


# ---- filters


@dataclass
class Follower:
    """A replica, and how it is asked."""

    server: Primary
    endpoint: mysql.Endpoint

    def change(self, *statements: str) -> None:
        for statement in ("STOP REPLICA", *statements, "START REPLICA"):
            self.server.execute(statement)

    def set_filter(self, name: str, value: str) -> None:
        if self.server.flavour == "mysql":
            self.change(f"CHANGE REPLICATION FILTER {name} = {value}")
        else:
            self.change(f"SET GLOBAL {name} = '{value}'")

    def look(self) -> None:
        """What a run does before it takes the replica for its source."""

        def running() -> bool:
            with mysql.connect(self.endpoint) as source:
                return all(upstream.running for upstream in source.upstreams())

        wait_until(running, 30, "the replica replicates")
        mysql.find_replica([self.endpoint], 60)


@pytest.fixture(scope="module")
def replica(primary: Primary, account: mysql.Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Follower]:
    """Logs what it replicates, and leaves nothing out."""
    name = "log-slave-updates" if primary.flavour == "mariadb" else "log-replica-updates"
    with Primary(tmp_path_factory.mktemp("replica"), primary.flavour, options={name: "ON"}) as replica:
        make_replica(replica, account)
        wait_until(lambda: replica.position() == primary.position(), 60, "the replica has everything")
        yield Follower(replica, mysql.Endpoint("127.0.0.1", replica.port, account.user, account.password))


RUNTIME_FILTERS = {
    "mariadb": {
        "replicate_do_db": "d",
        "replicate_ignore_db": "d",
        "replicate_do_table": "d.t",
        "replicate_ignore_table": "d.t",
        "replicate_wild_do_table": "d.%",
        "replicate_wild_ignore_table": "d.t%",
        "replicate_events_marked_for_skip": "FILTER_ON_SLAVE",
    },
    "mysql": {
        "REPLICATE_DO_DB": "(d)",
        "REPLICATE_IGNORE_DB": "(d)",
        "REPLICATE_DO_TABLE": "(d.t)",
        "REPLICATE_IGNORE_TABLE": "(d.t)",
        "REPLICATE_WILD_DO_TABLE": "('d.%')",
        "REPLICATE_WILD_IGNORE_TABLE": "('d.t%')",
        "REPLICATE_REWRITE_DB": "((d, e))",
    },
}
OFF = {"replicate_events_marked_for_skip": "REPLICATE"}


def test_a_replica_that_leaves_something_out_is_refused_by_its_filter(primary: Primary, replica: Follower) -> None:
    for name, value in RUNTIME_FILTERS[primary.flavour].items():
        replica.set_filter(name, value)
        with pytest.raises(SourceUnfit, match=rf"(?i)does not apply all that it replicates.*{name}"):
            replica.look()
        replica.set_filter(name, "()" if primary.flavour == "mysql" else OFF.get(name, ""))
        replica.look()


@pytest.mark.parametrize("what", ["DOMAIN", "SERVER"])
def test_a_replica_that_leaves_a_domain_or_a_server_out_is_refused(
    primary: Primary, replica: Follower, what: str
) -> None:
    if primary.flavour == "mysql":
        return  # it has no domains, and refuses IGNORE_SERVER_IDS while transactions have GTIDs
    replica.change(f"CHANGE MASTER TO IGNORE_{what}_IDS = (7)")
    try:
        with pytest.raises(SourceUnfit, match=f"Replicate_Ignore_{what.title()}_Ids = 7"):
            replica.look()
    finally:
        replica.change(f"CHANGE MASTER TO IGNORE_{what}_IDS = ()")
    replica.look()


@pytest.mark.parametrize("option", ["binlog-do-db", "binlog-ignore-db"])
def test_a_primary_that_does_not_log_all_is_refused_by_the_check_and_by_a_run(
    flavour: Flavour, tmp_path: Path, option: str
) -> None:
    with Primary(tmp_path / "primary", flavour, options={option: "shop"}) as primary:
        project = Project(tmp_path)
        project.add_shard(SHARD, primary)
        for words in (("shards", "--check", "--json"), ("backup", SHARD)):
            done = project.tidemark(*words)
            assert done.returncode == 1
            assert f"Binlog_{'Do' if 'do' in option else 'Ignore'}_DB = shop" in " ".join(
                (done.stdout + done.stderr).split()
            ), done
        assert project.leftovers() == []


# ---- statements as text


def test_a_primary_that_logs_statements_is_refused_and_one_that_mixes_is_warned_of(
    primary: Primary, project: Project
) -> None:
    before = primary.execute("SELECT @@GLOBAL.binlog_format")[0][0]
    try:
        primary.execute("SET GLOBAL binlog_format = STATEMENT")
        refused = project.tidemark("backup", SHARD)
        primary.execute("SET GLOBAL binlog_format = MIXED")
        warned, checked = project.tidemark("backup", SHARD), project.json("shards", "--check")
        primary.execute("SET GLOBAL binlog_format = ROW")
        good = project.json("shards", "--check")
    finally:
        primary.execute(f"SET GLOBAL binlog_format = {before}")

    assert refused.returncode == 1
    assert "binlog_format = STATEMENT" in refused.stderr
    assert "SET GLOBAL binlog_format = ROW" in " ".join(refused.stderr.split())
    assert warned.returncode == 0, warned.stderr
    assert "binlog_format = MIXED" in warned.stderr
    assert "binlog_format = MIXED" in checked[0]["warnings"][0]
    assert good[0]["warnings"] == []


# ---- localhost


def test_localhost_is_the_server_at_the_port_and_not_the_one_at_some_socket(
    primary: Primary, account: mysql.Endpoint, project: Project, tmp_path: Path
) -> None:
    with Primary(tmp_path / "decoy", primary.flavour) as decoy:
        project.set_shard(SHARD, host="localhost")
        decoy.execute(f"CREATE USER '{account.user}'@'%' IDENTIFIED BY '{account.password}'")
        decoy.execute(f"GRANT ALL PRIVILEGES ON *.* TO '{account.user}'@'%'")
        decoy.execute("CREATE DATABASE decoy")
        environment = project.environment() | {"MYSQL_UNIX_PORT": str(decoy.socket)}

        def call(*words: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                project.command(*words), env=environment, capture_output=True, text=True, timeout=120, check=False
            )

        for number in (1, 2):
            done = call("backup", SHARD)
            assert done.returncode == 0, done.stderr
            backup = project.json("backups", SHARD)[-1]
            assert backup["number"] == number
            assert "".join(backup["position"].split()) == "".join(primary.position().split())
            primary.execute(f"INSERT INTO d.t VALUES ({number})")
        schemas = project.json("restore", SHARD, "--stdout-manifest")["inventory"]["schemas"]
        assert ("d" in schemas, "decoy" in schemas) == (True, False)
