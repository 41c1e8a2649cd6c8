"""A mirror on another kind of store: what a folder holds is copied to a bucket over HTTP, and restores from there."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.object_servers import MotoServer
from tests.support.backups import noise, read_folder, upload, write_folder
from tests.support.project import Project
from tidemark.maintenance import mirror
from tidemark.recovery import restore
from tidemark.repository import MasterKey, Repository
from tidemark.storage import FileStore

pytestmark = pytest.mark.integration

SHARD = "commerce/-80"


def test_a_folder_is_mirrored_to_a_bucket_and_restored_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    content = {"ibdata1": noise("system", 90_000), "shop/t.ibd": noise("t", 200_000)}
    with MotoServer(tmp_path / "moto") as server:
        server.make_bucket("mirror")
        project = Project(tmp_path)
        project.add(SHARD, port=1, user="nobody", password="none")
        project.add_mirror("s3://mirror/second", endpoint_url=server.url, region="us-east-1")
        key = MasterKey.load(tmp_path / "master.key")
        repository = Repository.open(FileStore(project.repository), key, create=True)
        shard = repository.shard(SHARD)
        write_folder(tmp_path / "data", content)
        upload(shard, tmp_path / "data")
        settings = project.settings()

        assert mirror.look_at_all(settings, SHARD)[0].missing == 1
        done = mirror.run_all(settings, repository, SHARD)[0]
        assert (done.copied, done.missing, done.error) == ((1,), 0, "")
        again = mirror.run_all(settings, repository, SHARD)[0]
        assert (again.bytes, again.error) == (0, "")

        project.repository.rename(tmp_path / "lost")
        restored = restore.run(
            settings, restore.find(settings, SHARD, place=settings.find_repository("2")), tmp_path / "restored"
        )
    assert restored.url == "s3://mirror/second"
    assert read_folder(tmp_path / "restored") == content
