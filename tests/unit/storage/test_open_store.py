"""Addresses of stores."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidemark.errors import ConfigError
from tidemark.storage import FileStore, open_store

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
