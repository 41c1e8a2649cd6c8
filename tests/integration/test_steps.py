"""The steps on a real server: done once however often they are asked, and what they do when the server dies."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sandbox.checksums import checksums
from sandbox.primary import Primary
from sandbox.programs import Flavour
from sandbox.workload import fill
from tests.support.needs import need_flavour
from tests.support.project import Project
from tests.support.stock import stock_server
from tidemark import steps
from tidemark.errors import BackupConflict, LeaseLost, RunError
from tidemark.progress import Progress
from tidemark.recovery import restore
from tidemark.results import StepResult
from tidemark.steps import Run
from tidemark.steps.tools import ServerTools

pytestmark = pytest.mark.integration

SHARD = "commerce/-80"


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def primary(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Primary]:
    flavour: Flavour = request.param
    need_flavour(flavour)
    with Primary(tmp_path_factory.mktemp(flavour), flavour) as primary:
        fill(primary, megabytes=2)
        primary.create_backup_account()
        yield primary


@pytest.fixture
def project(primary: Primary, tmp_path: Path) -> Iterator[Project]:
    project = Project(tmp_path)
    primary.execute("CREATE USER IF NOT EXISTS copier@'%' IDENTIFIED BY 'copier'")
    primary.execute("GRANT ALL ON *.* TO copier@'%'")
    project.add(SHARD, port=primary.port, user="copier", password="copier")
    yield project
    for folder, _ in steps.runs_on_disk(project.settings()):
        steps.cleanup.run(folder)
    assert project.leftovers() == []


def new_run(project: Project) -> Run:
    return Run.create(project.settings(), project.path, SHARD, node_id="node@test")


def server_pid(run: Run) -> int:
    return int(json.loads((run.folder / "server" / "state.json").read_text())["pid"])


def kill_server(run: Run) -> None:
    process = psutil.Process(server_pid(run))
    os.kill(process.pid, signal.SIGKILL)
    process.wait(30)


def restored_equals(primary: Primary, project: Project, tmp_path: Path) -> bool:
    """Whether the newest backup, restored and started, holds what the (quiet) primary holds."""
    restore.run(project.settings(), restore.find(project.settings(), SHARD), tmp_path / "restored")
    with stock_server(primary.flavour, tmp_path / "restored", tmp_path / "stock") as server:
        return checksums(server) == checksums(primary)


def test_a_step_that_is_asked_twice_does_its_work_once(primary: Primary, project: Project) -> None:
    run = new_run(project)
    restored = steps.restore.run(run)
    pid = server_pid(run)
    assert steps.restore.run(run) == restored
    caught = steps.catchup.run(run)
    again = Run.load(project.settings(), project.path, run.id)  # as another process would
    assert steps.catchup.run(again) == caught
    assert server_pid(run) == pid, "the running server is taken over"
    stopped = steps.stop.run(again)
    assert steps.stop.run(run) == stopped
    uploaded = steps.upload.run(run)

    assert uploaded.number == 1
    assert uploaded.position == stopped.position == primary.position()
    assert steps.upload.run(again) == uploaded, "the folder stays until whoever called has noted the result"


def test_a_step_leaves_no_session_open_on_the_server_that_goes_on(project: Project) -> None:
    run = new_run(project)
    restored = steps.restore.run(run)
    steps.catchup.run(run)

    servers = ServerTools.open(run)
    with servers.server(servers.flavour(restored.flavour), restored.variables) as server:
        listed = server.session().rows("SHOW PROCESSLIST")
    ours = [row for row in listed if row["User"].startswith("tidemark_")]
    assert len(ours) == 1, "a shutdown would wait two seconds for each of the others to leave"


def test_a_step_that_comes_too_early_says_so(project: Project) -> None:
    run = new_run(project)

    with pytest.raises(RunError, match="has not done its restore step"):
        steps.catchup.run(run)


def test_a_server_that_dies_before_the_stop_sends_the_run_back_to_restore(
    primary: Primary, project: Project, tmp_path: Path
) -> None:
    steps.alone.run(project.settings(), project.path, SHARD, steps.alone.Audience(finished=print))
    run = new_run(project)
    steps.restore.run(run)
    primary.execute("CREATE TABLE IF NOT EXISTS ledger.more (id INT PRIMARY KEY)")
    steps.catchup.run(run)
    kill_server(run)

    stopped = steps.stop.run(run)

    assert stopped.position == primary.position()
    assert steps.upload.run(run).number == 2
    assert restored_equals(primary, project, tmp_path)


def test_a_server_that_is_killed_while_it_starts_sends_the_run_back_to_restore(
    primary: Primary, project: Project
) -> None:
    steps.alone.run(project.settings(), project.path, SHARD, steps.alone.Audience(finished=print))
    run = new_run(project)
    steps.restore.run(run)
    killed: list[int] = []

    def strike(progress: Progress) -> None:
        if progress.phase == "starting the private server" and not killed:
            killed.append(server_pid(run))
            kill_server(run)

    caught = steps.catchup.run(run, progress=strike)

    assert killed, "it was not there yet"
    assert caught.position == primary.position()
    steps.stop.run(run)
    assert steps.upload.run(run).number == 2


def test_a_first_copy_whose_server_died_is_made_anew(primary: Primary, project: Project, tmp_path: Path) -> None:
    run = new_run(project)
    steps.restore.run(run)
    kill_server(run)

    steps.catchup.run(run)
    steps.stop.run(run)

    assert steps.upload.run(run).number == 1
    assert restored_equals(primary, project, tmp_path)


def test_a_restore_that_was_cut_off_is_continued(primary: Primary, project: Project, tmp_path: Path) -> None:
    steps.alone.run(project.settings(), project.path, SHARD, steps.alone.Audience(finished=print))
    run = new_run(project)
    whole = steps.restore.run(run)
    files = sorted(
        (path for path in (run.folder / "data").rglob("*") if path.is_file()), key=lambda p: p.stat().st_size
    )
    os.truncate(files[-1], files[-1].stat().st_size // 2)
    files[-2].unlink()
    (run.folder / "data" / "rubbish").write_bytes(b"x")
    run.forget(steps.RestoreResult)

    again = steps.restore.run(run)

    assert 0 < again.fetched_bytes < whole.fetched_bytes
    assert not (run.folder / "data" / "rubbish").exists()
    steps.catchup.run(run)
    steps.stop.run(run)
    assert steps.upload.run(run).number == 2
    assert restored_equals(primary, project, tmp_path)


def test_of_two_runs_from_the_same_backup_one_commits(project: Project) -> None:
    quick, slow = new_run(project), new_run(project)
    for run in (quick, slow):
        steps.restore.run(run)
        steps.catchup.run(run)
        steps.stop.run(run)

    assert steps.upload.run(quick).number == 1
    with pytest.raises(BackupConflict, match="another run has committed backup 1"):
        steps.upload.run(slow)


def test_a_run_that_has_lost_its_lease_commits_nothing(project: Project) -> None:
    run = new_run(project)
    steps.restore.run(run)
    steps.catchup.run(run)
    steps.stop.run(run)

    def lost() -> None:
        raise LeaseLost("somebody else has the shard")

    with pytest.raises(LeaseLost):
        steps.upload.run(run, guard=lost)
    assert not list(project.repository.glob("*/*/backups/*"))


def test_a_repository_that_has_vanished_is_told(project: Project) -> None:
    steps.alone.run(project.settings(), project.path, SHARD, steps.alone.Audience(finished=print))
    project.repository.rename(project.folder / "elsewhere")

    with pytest.raises(RunError, match="holds no backup of it, though this node knows of backup 1"):
        steps.restore.run(new_run(project))


def test_an_empty_first_backup_is_made_from_a_file(primary: Primary, project: Project, tmp_path: Path) -> None:
    script = tmp_path / "init.sql"
    script.write_text(
        "CREATE DATABASE fresh;\nCREATE TABLE fresh.t (id INT PRIMARY KEY);\nINSERT INTO fresh.t VALUES (7);\n"
    )
    project.set_shard(SHARD, first_backup="empty", init_sql_file=str(script), flavour=primary.flavour)

    with pytest.raises(RunError, match='first_backup is "empty", but its primary is already at'):
        steps.restore.run(new_run(project))

    project.set_shard(SHARD, port=1)  # the new shard's primary is not there yet
    result = steps.alone.run(project.settings(), project.path, SHARD, steps.alone.Audience(finished=print))
    assert result.number == 1
    assert result.position == ""
    restore.run(project.settings(), restore.find(project.settings(), SHARD), tmp_path / "restored")
    with stock_server(primary.flavour, tmp_path / "restored", tmp_path / "stock") as server:
        assert server.execute("SELECT id FROM fresh.t") == [(7,)]


def test_replay_makes_a_first_backup_from_the_binary_logs(primary: Primary, project: Project, tmp_path: Path) -> None:
    project.set_shard(SHARD, first_backup="replay")

    result = steps.alone.run(project.settings(), project.path, SHARD, steps.alone.Audience(finished=print))

    assert result.position == primary.position()
    assert restored_equals(primary, project, tmp_path)


def test_a_kept_folder_spares_the_next_restore_and_is_not_trusted(
    primary: Primary, project: Project, tmp_path: Path
) -> None:
    project.set("node", keep=True)
    results: list[StepResult] = []
    for number in range(3):
        if number == 2:
            spoilt = project.scratch / "kept" / SHARD / "data" / "ledger" / "entry_1.ibd"
            with spoilt.open("r+b") as stream:
                stream.seek(5 * 16384)
                stream.write(b"not what it was")
            (spoilt.parent / "foreign.ibd").write_bytes(b"nor this")
        steps.alone.run(project.settings(), project.path, SHARD, steps.alone.Audience(finished=results.append))
        primary.execute("INSERT INTO ledger.entry_1 (account, amount, reference, text) VALUES (1, 1, 'kept', '')")
    restored = [result for result in results if isinstance(result, steps.RestoreResult)]

    assert [result.kept for result in restored] == [None, None, 2], "the second run proves the first backup"
    assert 0 < restored[2].fetched_bytes < restored[2].bytes / 4, "the spoilt block, and maps"
    primary.execute("DELETE FROM ledger.entry_1 WHERE reference = 'kept' ORDER BY id DESC LIMIT 1")
    assert restored_equals(primary, project, tmp_path)


def back_up(project: Project) -> steps.UploadResult:
    return steps.alone.run(project.settings(), project.path, SHARD, steps.alone.Audience(finished=print))


def test_a_pack_that_the_store_has_lost_behind_a_kept_folder_is_stored_again_and_told(
    primary: Primary, project: Project, tmp_path: Path
) -> None:
    project.set("node", keep=True)
    for _ in range(3):
        back_up(project)
    packs = sorted((project.repository / SHARD / "packs").rglob("0*"), key=lambda path: path.stat().st_size)
    packs[-1].unlink()

    fourth = back_up(project)

    assert "1 of its packs are gone from the repository" in fourth.damaged[3]
    assert packs[-1].name in fourth.damaged[3]
    assert restored_equals(primary, project, tmp_path)
    assert back_up(project).damaged == {}


def test_a_run_on_a_kept_folder_proves_nothing_until_a_proof_is_due(project: Project) -> None:
    project.set("node", keep=True)
    project.set("retention", keep_last=9)
    for _ in range(4):
        back_up(project)
    listed = project.json("backups", SHARD)
    assert [(backup["kept"], backup["proven"]) for backup in listed] == [
        (None, True),  # by the second run, which fetched everything
        (None, False),
        (2, False),
        (3, False),
    ]
    project.set("node", keep=True, prove_every="0s")

    results: list[StepResult] = []
    steps.alone.run(project.settings(), project.path, SHARD, steps.alone.Audience(finished=results.append))

    restored = next(result for result in results if isinstance(result, steps.RestoreResult))
    assert restored.kept is None
    assert restored.fetched_bytes > 1_000_000
    assert [backup["proven"] for backup in project.json("backups", SHARD)] == [True, False, False, True, False]
    assert (project.scratch / "kept" / SHARD).is_dir()


def test_a_restore_that_was_killed_on_a_kept_folder_still_knows_that(project: Project) -> None:
    project.set("node", keep=True)
    back_up(project)
    back_up(project)
    run = new_run(project)

    def die(progress: Progress) -> None:
        if run.data.exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        steps.restore.run(run, progress=die)

    assert steps.restore.run(run).kept == 2
    assert steps.restore.again(run).kept == 2
    steps.cleanup.run(run.folder)
