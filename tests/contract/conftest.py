"""Every store that the contract suite runs over. A new one joins by an entry in ``STORES``."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sandbox.object_servers import (
    ACCESS_KEY,
    REGION,
    SECRET_KEY,
    FakeGcsServer,
    GcsServer,
    MotoServer,
    ObjectServer,
    VersityGateway,
)
from tests.support.needs import need_program
from tidemark.storage import FileStore, GcsStore, MemoryStore, S3Store, Store, StoreOptions


@dataclass
class Servers:
    """The object servers of this test run, each started when a test first needs it."""

    folder: Path
    running: dict[str, ObjectServer] = field(default_factory=dict)

    def find(self, kind: str) -> ObjectServer:
        if kind not in self.running:
            folder = self.folder / kind
            match kind:
                case "s3-moto":
                    server: ObjectServer = MotoServer(folder)
                case "s3-versitygw":
                    server = VersityGateway(folder, need_program("versitygw"))
                case "gcs-sandbox":
                    server = GcsServer(folder)
                case _:
                    server = FakeGcsServer(folder, need_program("fake-gcs-server"))
            self.running[kind] = server.start()
        return self.running[kind]


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    found = Servers(tmp_path_factory.mktemp("object-servers"))
    try:
        yield found
    finally:
        for server in found.running.values():
            server.stop()


def _open(kind: str) -> Callable[[Path, Servers], Store]:
    def make(folder: Path, servers: Servers) -> Store:
        server, bucket = servers.find(kind), f"b-{secrets.token_hex(6)}"
        server.make_bucket(bucket)
        if kind.startswith("s3"):
            return S3Store(bucket, "some/prefix", StoreOptions(endpoint_url=server.url, region=REGION))
        return GcsStore(bucket, "some/prefix", StoreOptions(endpoint_url=server.url))

    return make


STORES: dict[str, Callable[[Path, Servers], Store]] = {
    "memory": lambda folder, servers: MemoryStore(),
    "file": lambda folder, servers: FileStore(folder / "store"),
    "s3-moto": _open("s3-moto"),
    "s3-versitygw": _open("s3-versitygw"),
    "gcs-sandbox": _open("gcs-sandbox"),
    "gcs-fake": _open("gcs-fake"),
}


# versitygw keeps objects as files: it needs room in a file name for its own additions, and stumbles (409) when a
# folder that it makes for one object is taken away with another.
_BEYOND_VERSITYGW = (
    "test_a_name_may_be_odd[s3-versitygw-name4]",
    "test_a_name_may_be_odd[s3-versitygw-name6]",
    "test_puts_and_deletes_in_one_folder_do_not_hinder_each_other[s3-versitygw]",
)


@pytest.fixture(params=sorted(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path, servers: Servers, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty store."""
    if request.node.name in _BEYOND_VERSITYGW:
        pytest.skip("versitygw over a folder cannot do this")
    for name in [name for name in os.environ if name.startswith(("AWS_", "GOOGLE_", "STORAGE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    return STORES[request.param](tmp_path, servers)
