"""The first copy in the way of the server's flavour."""

from __future__ import annotations

from tidemark.mysql.endpoint import Endpoint
from tidemark.mysql.first_copy import clone, dump
from tidemark.mysql.server.private import PrivateServer
from tidemark.progress import ProgressCallback

_WAYS = {"mysql": clone.copy, "mariadb": dump.copy}


def copy_source(server: PrivateServer, endpoint: Endpoint, progress: ProgressCallback) -> str:
    """Copies the source as a whole and leaves the server running on it; gives the position that the copy is at."""
    return _WAYS[server.flavour.name](server, endpoint, progress)
