"""Sealing: zstd, then AES-256-GCM under a random nonce. What a seal is bound to cannot be moved or swapped."""

from __future__ import annotations

import secrets
import threading
from enum import IntEnum

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tidemark.errors import Damaged
from tidemark.repository.format.names import PackName
from tidemark.repository.keys.keys import NONCE_BYTES, DataKey
from tidemark.storage import Buffer

OVERHEAD = NONCE_BYTES + 16
"""Bytes that sealing adds: the nonce before, the tag behind."""
MAX_FRAME = 4 << 20
"""Bytes of a frame at most, before compression."""


class Kind(IntEnum):
    """What is sealed; part of what a seal is bound to."""

    DATA = 1
    MAP = 2
    HEAD = 3
    BODY = 4
    LOG_HEAD = 5
    """Kept free: what a stored binary log is."""
    LOG_FRAME = 6
    """Kept free: a piece of its content."""


def max_sealed(raw: int) -> int:
    """Sealed bytes that ``raw`` bytes can come to, with zstd's worst case."""
    return raw + raw // 128 + 512 + OVERHEAD


def _text(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2, "little") + encoded


def manifest_aad(repository: bytes, shard: str, number: int, kind: Kind, prefix: bytes = b"") -> bytes:
    """What the two parts of a manifest are bound to; ``prefix`` is the object's plain header (for the head)."""
    return b"tidemark-1" + bytes([kind]) + repository + _text(shard) + number.to_bytes(8, "little") + prefix


class Compressor:
    """zstd, one context per thread: contexts are costly to make and not for sharing."""

    def __init__(self, level: int) -> None:
        self._level = level
        self._local = threading.local()

    def compress(self, data: Buffer) -> bytes:
        """One zstd frame that says how long the content is."""
        try:
            context = self._local.context
        except AttributeError:
            context = self._local.context = zstandard.ZstdCompressor(level=self._level, write_content_size=True)
        return bytes(context.compress(data))


_decompressors = threading.local()


def decompress(data: Buffer, raw: int, what: str) -> bytes:
    """Exactly ``raw`` bytes, or ``Damaged``; never allocates more, whatever the data says."""
    try:
        said = zstandard.get_frame_parameters(data).content_size
        if said != raw:
            raise Damaged(f"{what} says it holds {said} bytes instead of {raw}")
        context = getattr(_decompressors, "context", None)
        if context is None:
            context = _decompressors.context = zstandard.ZstdDecompressor()
        content = bytes(context.decompress(data, max_output_size=raw, allow_extra_data=False))
    except zstandard.ZstdError as error:
        raise Damaged(f"{what} cannot be decompressed: {error}") from None
    if len(content) != raw:
        raise Damaged(f"{what} holds {len(content)} bytes instead of {raw}")
    return content


def seal_into(place: memoryview, key: AESGCM, content: Buffer, aad: bytes) -> None:
    """Writes the sealed data to ``place``, which has exactly ``OVERHEAD`` bytes more than the content: the nonce, then
    the ciphertext with its tag."""
    place[:NONCE_BYTES] = nonce = secrets.token_bytes(NONCE_BYTES)
    key.encrypt_into(nonce, content, aad, place[NONCE_BYTES:])


def seal(key: AESGCM, content: Buffer, aad: bytes) -> bytes:
    """The same in memory of its own."""
    sealed = bytearray(len(content) + OVERHEAD)
    seal_into(memoryview(sealed), key, content, aad)
    return bytes(sealed)


def unseal(key: AESGCM, sealed: Buffer, aad: bytes, what: str) -> bytes:
    """What was sealed; ``Damaged`` when a bit of it or of what it is bound to differs."""
    view = memoryview(sealed)
    if len(view) < OVERHEAD:
        raise Damaged(f"{what} is cut off")
    try:
        return key.decrypt(view[:NONCE_BYTES], view[NONCE_BYTES:], aad)
    except InvalidTag:
        raise Damaged(f"{what} is not what was stored: its seal does not hold") from None


class FrameSealer:
    """Seals and opens the frames of one shard."""

    def __init__(self, key: DataKey, shard: str) -> None:
        self._key = key
        self._shard = shard
        self._keys: dict[str, AESGCM] = {}

    def _find_key(self, run_id: str) -> AESGCM:
        key = self._keys.get(run_id)
        if key is None:
            key = self._keys[run_id] = AESGCM(self._key.frame_key(self._shard, run_id))
        return key

    def _aad(self, kind: Kind, pack: PackName, frame: int, raw: int) -> bytes:
        return b"".join(
            (
                b"tidemark-1",
                bytes([kind]),
                self._key.repository,
                _text(self._shard),
                _text(pack.run_id),
                pack.number.to_bytes(8, "little"),
                frame.to_bytes(4, "little"),
                raw.to_bytes(4, "little"),
            )
        )

    def seal(self, place: memoryview, kind: Kind, pack: PackName, frame: int, raw: int, compressed: bytes) -> None:
        """Seals compressed content into its place: frame number ``frame`` of ``pack``."""
        seal_into(place, self._find_key(pack.run_id), compressed, self._aad(kind, pack, frame, raw))

    def open(self, kind: Kind, pack: PackName, frame: int, raw: int, sealed: Buffer, name: str) -> bytes:
        """The frame's content; ``Damaged`` names the pack's object ``name``."""
        what = f"{name}, frame {frame}"
        compressed = unseal(self._find_key(pack.run_id), sealed, self._aad(kind, pack, frame, raw), what)
        return decompress(compressed, raw, what)
