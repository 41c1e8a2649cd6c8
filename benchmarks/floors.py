"""What the machine can do with the same bytes when nothing is stored: the floors that figures are compared with."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import zstandard
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

WINDOW = 4 << 20
BLOCK = 64 << 10
_KEY = b"k" * 32
_NONCE = b"n" * 12

Piece = tuple[Path, int]
"""A file, and where in it a window begins."""


def seconds_of(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def pieces(folder: Path, files: Iterable[str]) -> list[Piece]:
    """Every window of every file."""
    return [(folder / file, at) for file in files for at in range(0, (folder / file).stat().st_size, WINDOW)]


def in_threads(items: Iterable[object], threads: int, make: Callable[[], Callable[[object], None]]) -> None:
    """Lets threads take items until there are none; ``make`` gives each thread its own worker."""
    queue: Iterator[object] = iter(items)
    lock = threading.Lock()

    def loop() -> None:
        work = make()
        while True:
            with lock:
                item = next(queue, None)
            if item is None:
                return
            work(item)

    running = [threading.Thread(target=loop) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


class _Reader:
    """Reads windows into one buffer."""

    def __init__(self) -> None:
        self._buffer = memoryview(bytearray(WINDOW))

    def read(self, piece: Piece) -> memoryview:
        path, offset = piece
        descriptor = os.open(path, os.O_RDONLY)
        try:
            count = os.preadv(descriptor, [self._buffer], offset)
        finally:
            os.close(descriptor)
        return self._buffer[:count]


def _hash(content: memoryview) -> None:
    for start in range(0, len(content), BLOCK):
        blake3(content[start : start + BLOCK], key=_KEY).digest(16)


def hashing(folder: Path, files: Iterable[str], threads: int) -> float:
    """Seconds to read every byte and hash it by blocks."""

    def make() -> Callable[[object], None]:
        reader = _Reader()
        return lambda piece: _hash(reader.read(piece))  # type: ignore[arg-type]

    return seconds_of(lambda: in_threads(pieces(folder, files), threads, make))


def sealing(folder: Path, files: Iterable[str], threads: int) -> float:
    """Seconds to read, hash (BLAKE3), compress (zstd 1) and seal (AES-256-GCM) every byte, storing nothing."""

    def make() -> Callable[[object], None]:
        reader, zstd, key = _Reader(), zstandard.ZstdCompressor(level=1), AESGCM(_KEY)

        def work(piece: object) -> None:
            content = reader.read(piece)  # type: ignore[arg-type]
            _hash(content)
            key.encrypt(_NONCE, zstd.compress(content), b"")

        return work

    return seconds_of(lambda: in_threads(pieces(folder, files), threads, make))


def opening(folder: Path, files: Iterable[str], threads: int) -> tuple[float, float]:
    """Seconds, and CPU seconds, to decrypt and decompress every byte from memory, keeping nothing."""
    sealed: list[object] = []

    def prepare() -> Callable[[object], None]:
        reader, zstd, key = _Reader(), zstandard.ZstdCompressor(level=1), AESGCM(_KEY)
        return lambda piece: sealed.append(key.encrypt(_NONCE, zstd.compress(reader.read(piece)), b""))  # type: ignore[arg-type]

    in_threads(pieces(folder, files), threads, prepare)

    def make() -> Callable[[object], None]:
        zstd, key = zstandard.ZstdDecompressor(), AESGCM(_KEY)

        def work(frame: object) -> None:
            zstd.decompress(key.decrypt(_NONCE, frame, b""))  # type: ignore[arg-type]

        return work

    cpu = time.process_time()
    seconds = seconds_of(lambda: in_threads(sealed, threads, make))
    return seconds, time.process_time() - cpu


def writing(target: Path, size: int, threads: int, *, sync: bool) -> float:
    """Seconds to write as many bytes into new files of 256 MiB; with ``sync``, until they are on the disk."""
    content = os.urandom(WINDOW)
    target.mkdir()

    def make() -> Callable[[object], None]:
        def work(number: object) -> None:
            descriptor = os.open(target / str(number), os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                for at in range(0, 256 << 20, WINDOW):
                    os.pwrite(descriptor, content, at)
                if sync:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)

        return work

    count = -(-size // (256 << 20))
    taken = seconds_of(lambda: in_threads(range(count), threads, make))
    return taken * size / (count * (256 << 20))
