"""Writing past the page cache (``O_DIRECT``): for large pieces that nobody on this machine reads again soon.

It spares the copy into the cache, which costs a first upload a fifth of its CPU time, and leaves in the cache what was
there. It is a matter of speed only: where the file system cannot do it, or the bytes do not lie as it needs them,
nothing is written here and the caller writes in the ordinary way. ``fsync`` is needed as ever.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os

ALIGNED = 4096
"""What addresses, offsets and lengths are multiples of; no disk in use asks for more."""
LEAST = 256 << 10
"""Bytes from which on it pays."""


def room(size: int) -> memoryview:
    """Memory that lies as ``write`` needs it; its pages are taken when they are first written to."""
    memory = mmap.mmap(-1, size)
    with contextlib.suppress(OSError):  # a kernel without huge pages
        memory.madvise(mmap.MADV_HUGEPAGE)
    return memoryview(memory)


def write(descriptor: int, content: memoryview, offset: int) -> int:
    """Writes the start of ``content`` to the file's ``offset`` (bytes), as much of it as can go past the cache, and
    gives how much that was: 0 where it is not possible. Raises ``OSError`` as ``os.pwrite`` does."""
    whole = len(content) - len(content) % ALIGNED
    if whole < LEAST or offset % ALIGNED:
        return 0
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_DIRECT)
    except OSError:
        return 0
    done = 0
    try:
        while done < whole and done % ALIGNED == 0:
            done += os.pwrite(descriptor, content[done:whole], offset + done)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags)
    return done
