"""How large a private server's buffer pool is, when the configuration leaves that to the machine."""

from __future__ import annotations

from pathlib import Path

import psutil

LEAST = 256 << 20
"""Bytes of a buffer pool that no catch-up is without."""
_CGROUP = Path("/sys/fs/cgroup/memory.max")


def size(data_bytes: int, memory: int) -> int:
    """A buffer pool for this many bytes of data on a machine with this much memory: all of the data and a quarter
    more, but no more than a quarter of the memory."""
    return max(LEAST, min(data_bytes * 5 // 4, memory // 4)) & ~((16 << 20) - 1)


def memory() -> int:
    """The machine's memory, or what the container may have of it; bytes."""
    total = int(psutil.virtual_memory().total)
    try:
        return min(total, int(_CGROUP.read_text()))
    except (OSError, ValueError):
        return total
