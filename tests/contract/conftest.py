"""Every store that the contract suite runs over. A new one joins by an entry in ``STORES``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tidemark.storage import FileStore, MemoryStore, Store

STORES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda folder: MemoryStore(),
    "file": lambda folder: FileStore(folder / "store"),
}


@pytest.fixture(params=sorted(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store."""
    return STORES[request.param](tmp_path)
