"""Addresses of stores."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidemark.errors import ConfigError
from tidemark.storage import FileStore, StoreOptions, open_store

pytestmark = pytest.mark.unit


def test_a_folder_is_opened_by_its_address(tmp_path: Path) -> None:
    folder = tmp_path / "with space é#1"

    store = open_store(folder.as_uri())
    store.put("a", [b"x"])

    assert isinstance(store, FileStore)
    assert store.url == folder.as_uri()
    assert (folder / "a").read_bytes() == b"x"


@pytest.mark.parametrize(
    "url",
    ["", "/var/backups", "ftp://host/x", "s4://x", "file://host/x", "file://", "file:///", "file:x", "file:///x?y"],
)
def test_what_is_no_address_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_store(url)
    assert f'"{url}"' in caught.value.message
    assert caught.value.hint


def test_a_bucket_is_opened_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    assert open_store("s3://bucket/a/prefix/", StoreOptions(region="eu-central-1")).url == "s3://bucket/a/prefix"
    assert open_store("s3://bucket", StoreOptions(endpoint_url="http://127.0.0.1:1")).url == "s3://bucket"


@pytest.mark.parametrize("url", ["s3://", "s3:///x", "s3://key:secret@bucket/x", "s3://bucket/a//b", "s3://bucket/?x"])
def test_what_names_no_bucket_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigError, match="bucket") as caught:
        open_store(url)
    assert caught.value.hint
    assert "secret" not in str(caught.value)


def test_a_folder_has_no_region(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="region means nothing there"):
        open_store(tmp_path.as_uri(), StoreOptions(region="eu-central-1"))
