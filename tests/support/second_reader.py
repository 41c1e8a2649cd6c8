"""A second implementation of reading, written from ``docs/format.md`` alone: it imports nothing of Tidemark's."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import zstandard
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def text(value: str | bytes) -> bytes:
    encoded = value.encode() if isinstance(value, str) else value
    return struct.pack("<H", len(encoded)) + encoded


def derive(key: bytes, purpose: str, *parts: str | bytes, length: int = 32) -> bytes:
    info = b"".join(map(text, ("tidemark-1", purpose, *parts)))
    return HKDF(SHA256(), length, None, info).derive(key)


def unseal(key: bytes, sealed: bytes, aad: bytes, raw: int) -> bytes:
    content = AESGCM(key).decrypt(sealed[:12], sealed[12:], aad)
    return zstandard.ZstdDecompressor().decompress(content, max_output_size=raw)


class Reader:
    def __init__(self, objects: Mapping[str, bytes], master: bytes, shard: str) -> None:
        self.objects, self.shard = objects, shard
        key_id = derive(master, "key-id", length=8).hex()
        fields = json.loads(objects[f"keys/{key_id}"])
        nonce, wrapped = bytes.fromhex(fields.pop("nonce")), bytes.fromhex(fields.pop("wrapped"))
        bound = json.dumps(fields, sort_keys=True).encode()
        self.data = AESGCM(derive(master, "wrap")).decrypt(nonce, wrapped, bound)
        self.repository = bytes.fromhex(fields["repository"])

    def manifest(self, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
        content = self.objects[f"{self.shard}/backups/{number:012d}"]
        magic, version, repository, head, raw_head, body, raw_body = struct.unpack("<8sI16sIIQQ", content[:52])
        assert (magic, repository) == (b"TIDEMARK", self.repository)
        assert version in {1, 2}
        assert len(content) == 52 + head + body
        key = derive(self.data, "manifest", self.repository, self.shard)
        place = self.repository + text(self.shard) + struct.pack("<Q", number)
        opened = json.loads(unseal(key, content[52 : 52 + head], b"tidemark-1\3" + place + content[:52], raw_head))
        sealed = content[52 + head :]
        assert blake3(sealed).hexdigest() == opened["body"]
        assert opened["requires"] == [] if version == 2 else "requires" not in opened
        return opened["backup"], json.loads(unseal(key, sealed, b"tidemark-1\4" + place, raw_body))

    def frame(self, kind: int, run: str, pack: int, number: int, offset: int, length: int, raw: int) -> bytes:
        sealed = self.objects[f"{self.shard}/packs/{run}/{pack:012d}"][offset : offset + length]
        aad = b"tidemark-1" + bytes([kind]) + self.repository + text(self.shard) + text(run)
        aad += struct.pack("<QII", pack, number, raw)
        return unseal(derive(self.data, "frame", self.repository, self.shard, run), sealed, aad, raw)

    def files(self, number: int) -> dict[str, bytes]:
        """Every file of a backup."""
        backup, body = self.manifest(number)
        return {file["path"]: self.file(file, body["packs"], backup["block_size"]) for file in body["files"]}

    def file(self, file: dict[str, Any], packs: list[dict[str, Any]], size: int) -> bytes:
        key = derive(self.data, "digest", self.repository, self.shard)
        content, at = bytearray(file["length"]), 0
        for pack, frame_number, offset, length, raw in file["map"]:
            place = (packs[pack]["run_id"], packs[pack]["number"], frame_number, offset, length, raw)
            for digest, frame, index in self.segment(self.frame(2, *place)):
                if frame is not None:
                    block = frame[index * size : (index + 1) * size][: len(content) - at]
                    assert blake3(block, key=key).digest(16) == digest
                    content[at : at + len(block)] = block
                at = min(at + size, len(content))
        return bytes(content)

    def segment(self, content: bytes) -> list[tuple[bytes, bytes | None, int]]:
        """For each block its digest, its frame's content (None for a hole) and its index in it."""
        blocks, frame_count, run_count = struct.unpack_from("<IIH", content)
        at, runs, frames = 10, [], []
        for _ in range(run_count):
            runs.append(content[at + 1 : at + 1 + content[at]].decode("ascii"))
            at += 1 + content[at]
        for _ in range(frame_count):
            run, pack, number, offset, length, raw = struct.unpack_from("<HQIIII", content, at)
            frames.append(self.frame(1, runs[run], pack, number, offset, length, raw))
            at += 26
        digests = [content[at + 16 * i : at + 16 * i + 16] for i in range(blocks)]
        at += 16 * blocks
        frame_of = struct.unpack_from(f"<{blocks}H", content, at)
        index_of = struct.unpack_from(f"<{blocks}H", content, at + 2 * blocks)
        assert at + 4 * blocks == len(content)
        return [
            (digest, None if frame == 65535 else frames[frame], index)
            for digest, frame, index in zip(digests, frame_of, index_of, strict=True)
        ]
