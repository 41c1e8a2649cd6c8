"""Whether a store really creates an object only where there is none: asked once, before anything relies on it."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable

from tidemark.errors import ObjectExists, StorageError
from tidemark.storage.names import RESERVED_PREFIX

PROBE_PREFIX = f"{RESERVED_PREFIX}probe-"
"""How the names of probes start, directly below the store's root; no ``list`` shows them."""

_honoured: set[str] = set()
_lock = threading.Lock()


def require_conditional_create(
    place: str, url: str, create: Callable[[str], None], delete: Callable[[str], None]
) -> None:
    """Returns at once for a ``place`` that was found good in this process. Otherwise creates a probe twice.

    ``StorageError`` when the second creation is not refused with ``ObjectExists``: two runs could then both commit
    the same backup. Whatever else ``create`` raises goes through, and the question is asked again next time.
    """
    with _lock:
        if place in _honoured:
            return
        name = f"{PROBE_PREFIX}{secrets.token_hex(8)}"
        try:
            create(name)
            try:
                create(name)
            except ObjectExists:
                _honoured.add(place)
                return
        finally:
            delete(name)
    raise StorageError(
        f"{url} overwrites what it was asked to create only if absent: two runs could both commit the same backup",
        "use an endpoint that honours If-None-Match: * on PUT (AWS S3 does, and current versions of most servers)",
    )
