"""Stores in a cloud whose network and service misbehave: what is repeated, what is said, and what is never claimed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import boto3
import pytest

from sandbox.faults import Fault, FaultyProxy
from sandbox.object_servers import ACCESS_KEY, REGION, SECRET_KEY, MotoServer
from tidemark.errors import AccessDenied, ObjectExists, StorageError, StorageUnavailable
from tidemark.storage import S3Store, StoreOptions, conditional, s3

pytestmark = pytest.mark.integration

CONTENT = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoServer]:
    with MotoServer(tmp_path_factory.mktemp("moto")) as started:
        started.make_bucket("bucket")
        yield started


@pytest.fixture
def proxy(server: MotoServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FaultyProxy]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setattr(s3, "READ_SECONDS", 1)
    with FaultyProxy(server.url) as started:
        yield started


@pytest.fixture
def store(proxy: FaultyProxy, request: pytest.FixtureRequest) -> S3Store:
    made = S3Store("bucket", request.node.name, StoreOptions(endpoint_url=proxy.url, region=REGION))
    made.put_if_absent("warm", [b"the probe is over"])
    return made


@pytest.mark.parametrize("fault", ["slow down", "reset", "lose answer", "stall"])
def test_a_put_that_meets_a_fault_is_repeated(store: S3Store, proxy: FaultyProxy, fault: Fault) -> None:
    proxy.inject("PUT", fault)

    store.put("a", [CONTENT[:100], CONTENT[100:]])

    assert proxy.met == [("PUT", fault)]
    assert store.get("a") == CONTENT


@pytest.mark.parametrize("fault", ["slow down", "reset", "lose answer", "stall", "truncate"])
def test_a_get_that_meets_a_fault_is_repeated(store: S3Store, proxy: FaultyProxy, fault: Fault) -> None:
    store.put("a", [CONTENT])
    proxy.inject("GET", fault)

    assert store.get("a", 100, 5000) == CONTENT[100:5100]
    assert proxy.met == [("GET", fault)]


def test_a_create_whose_answer_was_lost_knows_its_own(store: S3Store, proxy: FaultyProxy) -> None:
    proxy.inject("PUT", "lose answer")

    store.put_if_absent("a", [CONTENT])

    assert proxy.met == [("PUT", "lose answer")]
    assert store.get("a") == CONTENT


def test_a_create_whose_answer_was_lost_takes_no_other_for_its_own(store: S3Store, proxy: FaultyProxy) -> None:
    store.put_if_absent("a", [CONTENT])
    proxy.inject("PUT", "lose answer")

    with pytest.raises(ObjectExists):
        store.put_if_absent("a", [CONTENT])  # the same bytes, and yet another's


def test_a_service_that_stays_busy_is_unavailable(store: S3Store, proxy: FaultyProxy) -> None:
    proxy.inject("HEAD", "slow down", times=50)

    with pytest.raises(StorageUnavailable, match="cannot serve a now"):
        store.stat("a")
    assert len(proxy.met) == 6


def test_what_is_denied_is_said_with_the_right_that_it_takes(store: S3Store, proxy: FaultyProxy) -> None:
    proxy.inject("PUT", "deny")

    with pytest.raises(AccessDenied) as caught:
        store.put("a", [b"x"])
    assert "s3:PutObject" in caught.value.hint
    assert len(proxy.met) == 1


def test_a_flipped_bit_on_the_way_is_never_handed_out(store: S3Store, proxy: FaultyProxy) -> None:
    store.put("a", [CONTENT])
    proxy.inject("GET", "flip")

    with pytest.raises(StorageError, match="checksum"):
        store.get("a")
    assert store.get("a") == CONTENT


def test_an_endpoint_that_overwrites_is_refused(server: MotoServer, proxy: FaultyProxy) -> None:
    store = S3Store("bucket", "overwrites", StoreOptions(endpoint_url=proxy.url, region=REGION))
    # What an old server does: it has never heard of the header.
    store._client.meta.events.register(
        "before-send.s3.PutObject", lambda request, **_: request.headers.__delitem__("If-None-Match")
    )

    with pytest.raises(StorageError, match="overwrites") as caught:
        store.put_if_absent("a", [b"x"])

    assert "If-None-Match" in caught.value.hint
    assert store._place not in conditional._honoured
    client = boto3.client("s3", endpoint_url=server.url, region_name=REGION)
    assert client.list_objects_v2(Bucket="bucket", Prefix="overwrites/")["KeyCount"] == 0


def test_what_is_sent_in_parts_is_whole_or_nothing_is_left(
    store: S3Store, server: MotoServer, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "SINGLE_PUT", 6 << 20)
    monkeypatch.setattr(s3, "PART_SIZE", 5 << 20)
    body = [CONTENT * 512, CONTENT * 1024, CONTENT]
    client = boto3.client("s3", endpoint_url=server.url, region_name=REGION)

    store.put_if_absent("large", body)
    with pytest.raises(ObjectExists):
        store.put_if_absent("large", body)
    proxy.inject("PUT", "deny")
    with pytest.raises(AccessDenied):
        store.put("other", body)

    assert store.get("large") == b"".join(body)
    assert [info.name for info in store.list()] == ["large", "warm"]
    assert client.list_multipart_uploads(Bucket="bucket").get("Uploads", []) == []


def test_a_sweep_takes_the_parts_of_a_killed_writer(store: S3Store, server: MotoServer) -> None:
    client = boto3.client("s3", endpoint_url=server.url, region_name=REGION)
    root = store.url.removeprefix("s3://bucket/")
    mine = client.create_multipart_upload(Bucket="bucket", Key=f"{root}/shard/a")["UploadId"]
    other = client.create_multipart_upload(Bucket="bucket", Key=f"{root}/other/a")["UploadId"]
    client.upload_part(Bucket="bucket", Key=f"{root}/shard/a", UploadId=mine, PartNumber=1, Body=b"x")

    assert store.sweep("shard/", timedelta(0)) == 1

    left = client.list_multipart_uploads(Bucket="bucket").get("Uploads", [])
    assert [upload["UploadId"] for upload in left] == [other]
    assert store.sweep("", timedelta(0)) == 1


def test_a_bucket_that_is_not_there_is_no_empty_store(proxy: FaultyProxy) -> None:
    store = S3Store("no-such-bucket", "prefix", StoreOptions(endpoint_url=proxy.url, region=REGION))

    for operation in (lambda: list(store.list()), lambda: store.put("a", [b"x"]), lambda: store.put_if_absent("a", [])):
        with pytest.raises(StorageError, match="no such bucket"):
            operation()
