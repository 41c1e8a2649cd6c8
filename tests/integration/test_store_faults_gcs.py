"""Google Cloud Storage behind a network and a service that misbehave."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.faults import Fault, FaultyProxy
from sandbox.object_servers import GcsServer, find_gcs_server
from tidemark.errors import AccessDenied, ObjectExists, StorageError
from tidemark.storage import GcsStore, StoreOptions, gcs

pytestmark = [
    pytest.mark.integration,
    # The SDK leaves the connection of an answer that broke off to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

CONTENT = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GcsServer]:
    with find_gcs_server(tmp_path_factory.mktemp("gcs")) as started:
        started.make_bucket("bucket")
        yield started


@pytest.fixture
def proxy(server: GcsServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FaultyProxy]:
    for name in [name for name in os.environ if name.startswith(("GOOGLE_", "STORAGE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(gcs, "READ_SECONDS", 1)
    with FaultyProxy(server.url) as started:
        yield started


@pytest.fixture
def store(proxy: FaultyProxy, request: pytest.FixtureRequest) -> GcsStore:
    made = GcsStore("bucket", request.node.name, StoreOptions(endpoint_url=proxy.url))
    made.put_if_absent("warm", [b"the probe is over"])
    return made


@pytest.mark.parametrize("fault", ["slow down", "reset", "lose answer", "stall"])
def test_a_put_that_meets_a_fault_is_repeated(store: GcsStore, proxy: FaultyProxy, fault: Fault) -> None:
    proxy.inject("POST", fault)

    store.put("a", [CONTENT[:100], CONTENT[100:]])

    assert proxy.met == [("POST", fault)]
    assert store.get("a") == CONTENT


@pytest.mark.parametrize("fault", ["slow down", "reset", "lose answer", "stall", "truncate"])
def test_a_get_that_meets_a_fault_is_repeated(store: GcsStore, proxy: FaultyProxy, fault: Fault) -> None:
    store.put("a", [CONTENT])
    proxy.inject("GET", fault)

    assert store.get("a", 100, 5000) == CONTENT[100:5100]
    assert proxy.met == [("GET", fault)]


def test_a_create_whose_answer_was_lost_knows_its_own(store: GcsStore, proxy: FaultyProxy) -> None:
    proxy.inject("POST", "lose answer")

    store.put_if_absent("a", [CONTENT])

    assert proxy.met == [("POST", "lose answer")]
    assert store.get("a") == CONTENT
    with pytest.raises(ObjectExists):
        store.put_if_absent("a", [CONTENT])


def test_what_is_denied_is_said_with_the_right_that_it_takes(store: GcsStore, proxy: FaultyProxy) -> None:
    proxy.inject("POST", "deny")

    with pytest.raises(AccessDenied) as caught:
        store.put("a", [b"x"])
    assert "storage.objects.create" in caught.value.hint
    assert len(proxy.met) == 1


def test_a_flipped_bit_on_the_way_is_never_handed_out(store: GcsStore, proxy: FaultyProxy) -> None:
    store.put("a", [CONTENT])
    proxy.inject("GET", "flip")

    with pytest.raises(StorageError, match="checksum"):
        store.get("a")
    assert store.get("a") == CONTENT


def test_a_bucket_that_is_not_there_is_no_empty_store(proxy: FaultyProxy) -> None:
    store = GcsStore("no-such-bucket", "prefix", StoreOptions(endpoint_url=proxy.url))

    for operation in (lambda: list(store.list()), lambda: store.put("a", [b"x"]), lambda: store.put_if_absent("a", [])):
        with pytest.raises(StorageError, match="no such bucket"):
            operation()
