"""A stock server on a restored data folder, for as long as a block runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from sandbox.programs import Flavour
from sandbox.stock import StockServer


@contextlib.contextmanager
def stock_server(flavour: Flavour, data: Path, folder: Path) -> Iterator[StockServer]:
    """Starts a stock server on ``data``; its own files are in ``folder``."""
    with StockServer(folder, flavour, data=data, tls="off") as server:
        yield server
