"""``tidemark keys`` and ``tidemark prune`` as a person calls them, on a repository in a folder and a real Redis."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandbox.ports import free_port
from sandbox.redis import RedisServer
from tests.support.backups import FailingStore, facts, next_run, noise, upload, write_folder
from tests.support.needs import need_program
from tests.support.project import Project
from tidemark import fleet
from tidemark.errors import StorageUnavailable
from tidemark.fleet import RunRecord, records
from tidemark.repository import MasterKey, Repository
from tidemark.results import Failure
from tidemark.storage import FileStore

pytestmark = pytest.mark.integration

SHARD, OTHER = "commerce/-80", "commerce/80-"


def back_up(project: Project, shard: str, count: int) -> None:
    """Backups without a server: what is in them does not matter here."""
    key = MasterKey.load(project.folder / "master.key")
    opened = Repository.open(FileStore(project.repository), key, create=True).shard(shard)
    for number in range(count):
        write_folder(project.folder / "data", {"t": noise((shard, number), 5000)})
        newest = opened.catalog.newest()
        upload(opened, project.folder / "data", facts=facts(restored_from=newest.number if newest else None))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path, redis={"url": f"redis://127.0.0.1:{free_port()}/0"})
    for shard in (SHARD, OTHER):
        project.add(shard, port=1, user="tidemark", password="secret")
    back_up(project, SHARD, 3)
    back_up(project, OTHER, 2)
    return project


def run(project: Project, *words: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = project.tidemark(*words)
    assert done.returncode == status, done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    return done


def key_ids(project: Project) -> list[str]:
    return sorted(path.name for path in (project.repository / "keys").iterdir())


def test_the_master_key_is_changed_step_by_step(project: Project) -> None:
    old = MasterKey.load(project.folder / "master.key")
    assert "yes" in run(project, "keys", "check").stdout
    run(project, "keys", "new", "--file", str(project.folder / "new.key"))
    new = MasterKey.load(project.folder / "new.key")

    project.set("repository", key_file="new.key")
    refused = run(project, "backups", SHARD, status=1)
    assert f"{new.id}; it knows {old.id}" in refused.stderr
    assert "nothing else opens them" in refused.stderr

    project.set("repository", old_key_files=["master.key"])
    run(project, "backups", SHARD)
    not_yet = run(project, "keys", "check", status=1)
    assert "today's key" in not_yet.stderr
    assert "does not open the repository" in not_yet.stderr
    run(project, "keys", "retire", old.id, status=1)
    listed = project.json("keys", "list")
    assert [(key["id"], key["today"], key["opens"]) for key in listed] == [(new.id, True, False), (old.id, False, True)]

    assert project.json("keys", "rotate") == {"key_id": new.id, "written": True, "others": [old.id]}
    assert project.json("keys", "rotate")["written"] is False
    assert key_ids(project) == sorted([old.id, new.id])
    assert project.json("keys", "check") == [
        {"shard": SHARD, "backup": 3, "problem": ""},
        {"shard": OTHER, "backup": 2, "problem": ""},
    ]

    run(project, "keys", "retire", new.id, status=1)
    run(project, "keys", "retire", old.id)
    assert key_ids(project) == [new.id]
    project.set("repository", old_key_files=[])
    run(project, "keys", "check")
    project.set("repository", key_file="master.key")
    assert old.id in run(project, "backups", SHARD, status=1).stderr


def test_a_key_in_the_environment_opens_the_backups_and_is_never_shown(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = MasterKey.load(project.folder / "master.key").line
    del project.sections["repository"]["key_file"]
    project.set("repository", key_env="TIDEMARK_TEST_KEY")
    missing = run(project, "keys", "check", status=1)
    assert "environment variable TIDEMARK_TEST_KEY" in missing.stderr

    monkeypatch.setenv("TIDEMARK_TEST_KEY", line)
    for words in (["keys", "check"], ["keys", "list"], ["backups", SHARD], ["--debug", "keys", "rotate"]):
        done = run(project, *words)
        assert line.partition(":")[2] not in done.stdout + done.stderr
    nowhere = run(project, "keys", "new", status=1)
    assert "--file" in nowhere.stderr


def test_keys_check_names_the_shard_whose_newest_backup_is_not_opened(project: Project) -> None:
    for pack in (project.repository / OTHER / "packs").glob("*/*"):
        content = bytearray(pack.read_bytes())
        content[20] ^= 1
        pack.write_bytes(content)

    done = run(project, "keys", "check", status=1)

    assert f"1 of 2 shards: {OTHER}" in done.stderr
    assert f"{OTHER}/packs/" in done.stdout


def test_a_plan_is_printed_and_then_done(project: Project) -> None:
    project.set("retention", keep_last=1)
    project.set_shard(SHARD, **{"retention.keep_last": 3})
    assert "deleting 0 of 3 backups" in run(project, "prune", SHARD).stdout
    project.set_shard(SHARD, **{"retention.keep_last": 1})
    dry = run(project, "prune", SHARD, "--dry-run")
    assert "would delete 1 of 3 backups" in dry.stdout
    assert "the newest that a later run has fetched and started" in dry.stdout
    assert "no rule asks for it" in dry.stdout
    assert "Redis was not asked" in dry.stderr
    assert len(project.json("backups", SHARD)) == 3

    done = run(project, "prune", SHARD)

    assert "deleting 1 of 3 backups" in done.stdout
    assert [backup["number"] for backup in project.json("backups", SHARD)] == [2, 3]
    assert "deleting 0 of 2 backups and 0 packs" in run(project, "prune", SHARD).stdout


def test_all_shards_are_pruned_and_one_that_fails_is_named(project: Project) -> None:
    manifest = project.repository / SHARD / "backups" / f"{3:012d}"
    manifest.write_bytes(manifest.read_bytes()[:-1])

    done = run(project, "prune", "--all", "--json", status=1)

    lines = {line["shard"]: line for line in json.loads(done.stdout)}
    assert manifest.name in lines[SHARD]["error"]
    assert (lines[OTHER]["error"], lines[OTHER]["backups"]) == ("", [])
    assert [(v["number"], v["keep"], v["rules"]) for v in lines[OTHER]["plan"]] == [
        (1, True, ["proven"]),
        (2, True, ["newest", "proof", "keep_last"]),
    ]
    assert f"1 of 2 shards could not be pruned: {SHARD}" in done.stderr


def test_a_shard_or_all_must_be_named(project: Project) -> None:
    for words in ([], [SHARD, "--all"]):
        assert "Name one SHARD, or give --all" in run(project, "prune", *words, status=2).stderr
    assert "there is no shard" in run(project, "prune", "nobody/0", status=1).stderr


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    need_program("redis-server")
    (tmp_path / "redis").mkdir()
    with RedisServer(tmp_path / "redis") as server:
        yield server


def test_packs_of_runs_that_redis_knows_to_have_ended_go_at_once(project: Project, server: RedisServer) -> None:
    project.set("redis", url=server.url)
    living, dead, unknown = (f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{next_run()[-8:]}" for _ in range(3))
    key = MasterKey.load(project.folder / "master.key")
    for run_id in (living, dead, unknown):
        failing = FailingStore(FileStore(project.repository), 2)
        write_folder(project.folder / "data", {"t": noise(run_id, 60_000)})
        with pytest.raises(StorageUnavailable):
            upload(Repository.open(failing, key).shard(SHARD), project.folder / "data", run_id=run_id)
    with fleet.connect(project.settings().redis) as client:
        for run_id in (living, dead):
            now = datetime.now(UTC)
            record = RunRecord(run=run_id, shard=SHARD, node="n1", root=run_id, fence=1, started=now, updated=now)
            records.start(client, record)
        records.close(client, dead, "failed", failure=Failure(message="for the test"))

    done = run(project, "prune", SHARD)

    assert "Redis was not asked" not in done.stderr
    left = {path.name for path in (project.repository / SHARD / "packs").iterdir()}
    assert {living, unknown} <= left
    assert dead not in left
