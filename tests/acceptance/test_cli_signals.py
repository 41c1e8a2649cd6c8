"""``tidemark backup`` that is interrupted, terminated or killed: nothing is left behind, and the next one works."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.primary import Account, Primary
from sandbox.programs import Flavour
from sandbox.workload import fill
from tests.support.needs import need_flavour
from tests.support.project import Project
from tests.support.waiting import wait_until

pytestmark = pytest.mark.acceptance

SHARD = "commerce/-80"


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def primary(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Primary]:
    flavour: Flavour = request.param
    need_flavour(flavour)
    with Primary(tmp_path_factory.mktemp(flavour), flavour) as primary:
        fill(primary, 20)
        yield primary


@pytest.fixture
def project(tmp_path: Path, primary: Primary, account: Account) -> Project:
    project = Project(tmp_path)
    project.add(SHARD, port=primary.port, user=account.user, password=account.password)
    return project


def start_backup(project: Project) -> subprocess.Popen[bytes]:
    """Starts a backup, its messages in ``said.txt``, and waits until its private server is there."""
    with (project.folder / "said.txt").open("wb") as said:
        # A test run in the background ignores Ctrl-C, and so would what it starts.
        command = ["env", "--default-signal=INT", *project.command("backup", SHARD)]
        process = subprocess.Popen(command, env=project.environment(), stderr=said)
    wait_until(lambda: list(project.scratch.glob("runs/*/server/mysqld.pid")), 60, "a private server")
    return process


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_and_leaves_nothing(project: Project, sent: signal.Signals, status: int) -> None:
    process = start_backup(project)

    process.send_signal(sent)

    assert process.wait(60) == status
    assert "Traceback" not in (project.folder / "said.txt").read_text()
    assert project.leftovers() == []
    assert project.json("backup", SHARD)["number"] == 1


def test_after_a_kill_no_server_lives_and_the_next_run_clears_the_rest(project: Project) -> None:
    process = start_backup(project)

    process.kill()
    process.wait(30)

    wait_until(lambda: not [left for left in project.leftovers() if "server.cnf" in left], 30, "the server's end")
    assert project.json("backup", SHARD)["number"] == 1
    assert project.leftovers() == []


def test_a_second_backup_of_the_same_shard_on_this_machine_is_refused(project: Project) -> None:
    process = start_backup(project)

    second = project.tidemark("backup", SHARD)

    assert second.returncode == 1
    assert "is being backed up by another `tidemark backup`" in second.stderr
    assert process.wait(120) == 0
    assert project.json("backups", SHARD)[-1]["number"] == 1
