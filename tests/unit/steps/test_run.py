"""A run's folder is its memory."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from tidemark import config, files
from tidemark.errors import DiskFull, RunError, UnknownShard
from tidemark.holdings import Inventory
from tidemark.steps import RestoreResult, Run, cleanup, runs_on_disk
from tidemark.steps.run import InventoryNote, Known, Seen

pytestmark = pytest.mark.unit


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    path = tmp_path / "tidemark.toml"
    path.write_text(
        f"""
[repository]
url = "file://{tmp_path}/repository"
key_file = "master.key"
[node]
scratch = "scratch"
[[shard]]
name = "commerce/-80"
host = "127.0.0.1"
user = "tidemark"
password_file = "password"
"""
    )
    return path


@pytest.fixture
def settings(config_path: Path) -> config.Settings:
    return config.load(config_path)


@pytest.fixture
def run(settings: config.Settings, config_path: Path) -> Run:
    return Run.create(settings, config_path, "commerce/-80", node_id="node1@here", first_backup="clone")


def test_a_run_is_found_again_by_its_id(run: Run, settings: config.Settings, config_path: Path) -> None:
    again = Run.load(settings, config_path, run.id)

    assert again == run
    assert again.on_disk.node_id == "node1@here"
    assert again.on_disk.first_backup == "clone"


def test_a_runs_folder_is_private(run: Run) -> None:
    assert run.folder.stat().st_mode & 0o777 == 0o700
    assert (run.folder / "run.json").stat().st_mode & 0o777 == 0o600


def test_what_a_step_returned_is_recalled(run: Run) -> None:
    assert run.recall(RestoreResult) is None
    result = RestoreResult(run=run.id, shard="commerce/-80", flavour="mysql", backup=3, position="a:1-9")

    run.record(result)

    assert run.recall(RestoreResult) == result
    assert run.expect(RestoreResult) == result


def test_a_step_that_was_forgotten_is_missed(run: Run) -> None:
    run.record(RestoreResult(run=run.id, shard="commerce/-80"))
    run.forget(RestoreResult)

    with pytest.raises(RunError, match="has not done its restore step"):
        run.expect(RestoreResult)


def test_a_damaged_result_is_an_error_and_not_a_step_undone(run: Run) -> None:
    (run.folder / "restore.json").write_text('{"run": 1}')

    with pytest.raises(RunError, match=r"restore\.json in .* is damaged"):
        run.recall(RestoreResult)


@pytest.mark.parametrize("run_id", ["../../etc", "20261123T210713Z-1a2b3c4", "", "20261123T210713Z-1a2b3c4d/.."])
def test_an_id_is_never_a_path(settings: config.Settings, config_path: Path, run_id: str) -> None:
    with pytest.raises(RunError, match="is not the id of a run"):
        Run.load(settings, config_path, run_id)


def test_a_run_that_has_ended_is_not_found(run: Run, settings: config.Settings, config_path: Path) -> None:
    cleanup.run(run.folder)
    cleanup.run(run.folder)  # once more does no harm

    with pytest.raises(RunError, match="there is no run in"):
        Run.load(settings, config_path, run.id)


def test_an_unknown_shard_makes_no_folder(settings: config.Settings, config_path: Path) -> None:
    with pytest.raises(UnknownShard):
        Run.create(settings, config_path, "commerce/80-")

    assert not settings.node.scratch.exists()


def test_an_unusable_scratch_folder_is_told(settings: config.Settings, config_path: Path) -> None:
    settings.node.scratch.write_text("a file")

    with pytest.raises(RunError, match=r"the scratch folder .* cannot be written"):
        Run.create(settings, config_path, "commerce/-80")


def test_folders_that_are_no_runs_are_listed_as_such(run: Run, settings: config.Settings) -> None:
    stray = run.folder.parent / "stray"
    stray.mkdir()

    assert dict(runs_on_disk(settings)) == {run.folder: run.on_disk, stray: None}


def test_a_node_remembers_a_shards_newest_backup(settings: config.Settings) -> None:
    known = Known(settings, "commerce/-80")
    assert known.newest() is None

    known.remember(Seen(7, "d1"))

    assert Known(settings, "commerce/-80").newest() == 7
    assert Known(settings, "commerce/-80").seen() == Seen(7, "d1")
    assert Known(settings, "commerce/80-").newest() is None


def test_run_json_holds_no_secret(run: Run) -> None:
    assert set(json.loads((run.folder / "run.json").read_text())) == {
        "run_id", "shard", "node_id", "started_at", "first_backup", "force",
    }  # fmt: skip


def test_an_inventory_is_kept_for_a_later_step_until_it_is_taken_back(run: Run) -> None:
    note = InventoryNote(server_version="9.7.4", inventory=Inventory(schemas=("shop",)))
    assert run.noted_inventory("stopped") is None

    run.note_inventory("stopped", note)

    assert run.noted_inventory("stopped") == note
    assert run.noted_inventory("restored") is None
    run.note_inventory("stopped", None)
    run.note_inventory("stopped", None)
    assert run.noted_inventory("stopped") is None


def test_a_damaged_note_is_an_error_and_not_no_note(run: Run) -> None:
    (run.folder / "inventory-stopped.json").write_text('{"server_version": 1}')
    (run.folder / "went-on-from").write_text("seven")

    with pytest.raises(RunError, match=r"inventory-stopped\.json is damaged"):
        run.noted_inventory("stopped")
    with pytest.raises(RunError, match="went-on-from is damaged"):
        run.noted_kept()


def test_a_run_knows_whose_folder_it_went_on_from(run: Run) -> None:
    assert run.noted_kept() is None
    run.note_kept(7)
    assert run.noted_kept() == 7
    run.note_kept(None)
    run.note_kept(None)
    assert run.noted_kept() is None


def test_a_full_disk_is_told_as_such(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "write_atomically", refuse)

    note = InventoryNote(server_version="9.7.4", inventory=Inventory())
    for write in (
        lambda: run.note_kept(7),
        lambda: run.note_inventory("stopped", note),
        lambda: run.record(RestoreResult(run=run.id, shard="commerce/-80")),
    ):
        with pytest.raises(DiskFull):
            write()
