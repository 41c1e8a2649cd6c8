"""The manifest: the object that makes a backup. A small head that listings read, and a body with every file."""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tidemark.errors import Damaged, NewerFormat
from tidemark.holdings import Count, Inventory
from tidemark.repository.format.backup import PHYSICAL, Backup
from tidemark.repository.format.block_map import MAX_SEGMENT_BLOCKS, FrameRef
from tidemark.repository.format.names import PackName, ShardNames, is_run_id
from tidemark.repository.format.sealing import (
    MAX_FRAME,
    OVERHEAD,
    Compressor,
    Kind,
    decompress,
    manifest_aad,
    max_sealed,
    seal,
    unseal,
)
from tidemark.repository.keys.keys import DataKey

MAGIC = b"TIDEMARK"
VERSION = 2
"""What is written."""
READABLE = frozenset({1, 2})
"""What is read. Version 1 had no engine, no sections and no list of what a reader must know."""
KNOWN = frozenset[str]()
"""What this reader knows of that which a manifest can require of its reader."""
HEAD_READ = 8192
"""Bytes that a listing reads of each manifest; a longer head costs a second read."""

_HEADER = struct.Struct("<8sI16sIIQQ")
_MAX_HEAD = 16 << 20
_MAX_BODY = 1 << 30
_LEVEL = 3


class _Model(BaseModel):
    """Fields that this version does not know are let pass: a manifest says in ``requires`` what must be known."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class PackUse(_Model):
    """A pack that the backup refers to, and how much of it."""

    run_id: str
    """The run that stored it."""
    number: Count
    """Its number in the run."""
    size: Count
    """Bytes of the object."""
    raw: Count
    """Bytes of the content of all its frames."""
    live: Count
    """Bytes of content that this backup refers to."""

    @property
    def name(self) -> PackName:
        return PackName(self.run_id, self.number)


class File(_Model):
    """A file of the backup."""

    path: str
    """Relative to the data folder, with ``/``."""
    mode: Annotated[int, Field(ge=0, le=0o7777)]
    """Permission bits."""
    length: Annotated[int, Field(ge=0, lt=2**63)]
    """Bytes."""
    map: tuple[tuple[Count, Count, Count, Count, Count], ...]
    """Where its map segments are: index in ``packs``, frame number, offset, sealed length, raw length."""


class Directory(_Model):
    """A folder of the backup."""

    path: str
    mode: Annotated[int, Field(ge=0, le=0o7777)]


class Body(_Model):
    """Everything that a restore needs beside the packs."""

    segment_blocks: Annotated[int, Field(ge=1, le=MAX_SEGMENT_BLOCKS)]
    """Blocks of every map segment but a file's last."""
    packs: tuple[PackUse, ...]
    """All packs that this backup refers to; no others are needed to restore it."""
    files: tuple[File, ...]
    directories: tuple[Directory, ...]
    inventory: Inventory | None = None
    """What the server said that it holds; None in a backup that does not say. Not in the head: of a shard with many
    tables it is long, and listings read the head."""

    def segments(self, file: File) -> list[FrameRef]:
        """Where the file's map segments are."""
        return [
            FrameRef(self.packs[pack].name, number, offset, length, raw)
            for pack, number, offset, length, raw in file.map
        ]


class _Packs(_Model):
    """The body for those who only want to know its packs."""

    packs: tuple[PackUse, ...]


class _Head(_Model):
    """The head: the backup's facts, and the digest of the sealed body."""

    backup: Backup
    body: str
    requires: tuple[str, ...] = ()
    """What a reader must know to make sense of this backup; one that does not know all of it refuses."""


class _Requires(_Model):
    """The head for those who do not know yet whether they can read it."""

    requires: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest that was read whole."""

    backup: Backup
    body: Body

    @property
    def needed_bytes(self) -> int:
        """What the files take on a disk: holes take nothing."""
        maps = sum(segment.raw for file in self.body.files for segment in self.body.segments(file))
        return sum(pack.live for pack in self.body.packs) - maps

    def part(self, wanted: Callable[[str], bool]) -> Manifest:
        """The same with those files only whose paths are wanted, and all folders."""
        files = tuple(file for file in self.body.files if wanted(file.path))
        backup = dataclasses.replace(self.backup, files=len(files), bytes=sum(file.length for file in files))
        return Manifest(backup, self.body.model_copy(update={"files": files}))


class ManifestCodec:
    """Writes and reads the manifests of one shard."""

    def __init__(self, key: DataKey, shard: str) -> None:
        self._repository = key.repository
        self._shard = shard
        self._names = ShardNames(shard)
        self._key = AESGCM(key.manifest_key(shard))

    def encode_body(self, number: int, body: Body) -> tuple[bytes, int]:
        """The sealed body of backup ``number``, and its raw length."""
        content = json.dumps(body.model_dump(mode="json"), separators=(",", ":")).encode()
        aad = manifest_aad(self._repository, self._shard, number, Kind.BODY)
        return seal(self._key, Compressor(_LEVEL).compress(content), aad), len(content)

    def encode(self, backup: Backup, sealed_body: bytes, raw_body: int) -> bytes:
        """The whole object. The backup's own ``digest`` is not part of it."""
        digest = blake3(sealed_body).hexdigest()
        head = _Head(backup=dataclasses.replace(backup, digest=""), body=digest, requires=_requires(backup))
        content = head.model_dump_json(exclude={"backup": {"digest"}}).encode()
        compressed = Compressor(_LEVEL).compress(content)
        length = OVERHEAD + len(compressed)
        header = _HEADER.pack(MAGIC, VERSION, self._repository, length, len(content), len(sealed_body), raw_body)
        aad = manifest_aad(self._repository, self._shard, backup.number, Kind.HEAD, header)
        return b"".join((header, seal(self._key, compressed, aad), sealed_body))

    def head_length(self, number: int, start: bytes, size: int) -> int:
        """How many bytes from the object's start hold the head, by its first bytes; ``size`` is the whole object's."""
        return self._header(number, start, size)[0]

    def decode_head(self, number: int, start: bytes, size: int) -> Backup:
        """The backup's facts, from at least ``head_length`` bytes of the object."""
        return self._decode_head(number, start, size)[0]

    def decode(self, number: int, content: bytes) -> Manifest:
        """The whole manifest, every part of it checked."""
        name = self._names.manifest(number)
        backup, plain = self._open(number, content)
        try:
            body = Body.model_validate_json(plain)
        except ValidationError as error:
            raise _misshapen(name, error) from None
        _check(body, backup, name)
        return Manifest(backup, body)

    def decode_packs(self, number: int, content: bytes) -> tuple[Backup, tuple[PackUse, ...]]:
        """The facts and the packs. Every seal is checked, but nothing is made of the table of files: of a shard with
        many tables that is most of the work."""
        name = self._names.manifest(number)
        backup, plain = self._open(number, content)
        try:
            packs = _Packs.model_validate_json(plain).packs
        except ValidationError as error:
            raise _misshapen(name, error) from None
        _check_packs(packs, name)
        return backup, packs

    def _open(self, number: int, content: bytes) -> tuple[Backup, bytes]:
        """The facts, and the body's content."""
        name = self._names.manifest(number)
        backup, digest = self._decode_head(number, content, len(content))
        end, _, raw_body = self._header(number, content, len(content))
        sealed = memoryview(content)[end:]
        if blake3(sealed).hexdigest() != digest:
            raise Damaged(f"{name}: its body is not the one that its head names")
        aad = manifest_aad(self._repository, self._shard, number, Kind.BODY)
        what = f"the body of {name}"
        return backup, decompress(unseal(self._key, sealed, aad, what), raw_body, what)

    def _header(self, number: int, start: bytes, size: int) -> tuple[int, int, int]:
        """Where the head ends, its raw length, the body's raw length."""
        name = self._names.manifest(number)
        if len(start) < _HEADER.size:
            raise Damaged(f"{name} is cut off: it has {size} bytes")
        magic, version, repository, head, raw_head, body, raw_body = _HEADER.unpack_from(start)
        if magic != MAGIC:
            raise Damaged(f"{name} is not a manifest")
        if version not in READABLE:
            self._check_not_flipped(number, start, version)
            raise NewerFormat(
                f"{name} has the format {version}, this Tidemark reads {', '.join(map(str, sorted(READABLE)))}",
                "a newer Tidemark has written it: use that one here, too",
            )
        if repository != self._repository:
            raise Damaged(f"{name} belongs to the repository {repository.hex()}, this is {self._repository.hex()}")
        if raw_head > _MAX_HEAD or raw_body > _MAX_BODY or head > max_sealed(raw_head) or body > max_sealed(raw_body):
            raise Damaged(f"{name} says impossible lengths")
        end: int = _HEADER.size + head
        if size != end + body:
            raise Damaged(f"{name} has {size} bytes instead of {end + body}")
        return end, raw_head, raw_body

    def _check_not_flipped(self, number: int, start: bytes, version: int) -> None:
        """``Damaged`` when the seal holds with another version than the one that the header says: then no newer program
        has written it, but a bit of it was lost."""
        name = self._names.manifest(number)
        if not version:
            raise Damaged(f"{name} says that it has the format 0")
        head = int(_HEADER.unpack_from(start)[3])
        for known in READABLE:
            header = start[: len(MAGIC)] + known.to_bytes(4, "little") + start[len(MAGIC) + 4 : _HEADER.size]
            aad = manifest_aad(self._repository, self._shard, number, Kind.HEAD, header)
            try:
                unseal(self._key, start[_HEADER.size : _HEADER.size + head], aad, name)
            except Damaged:
                continue
            raise Damaged(f"{name} says that it has the format {version}, and was sealed as format {known}")

    def _decode_head(self, number: int, start: bytes, size: int) -> tuple[Backup, str]:
        name = self._names.manifest(number)
        end, raw, _ = self._header(number, start, size)
        if len(start) < end:
            raise Damaged(f"{name} is cut off")
        aad = manifest_aad(self._repository, self._shard, number, Kind.HEAD, start[: _HEADER.size])
        what = f"the head of {name}"
        content = decompress(unseal(self._key, start[_HEADER.size : end], aad, what), raw, what)
        try:
            if unknown := sorted(set(_Requires.model_validate_json(content).requires) - KNOWN):
                raise NewerFormat(
                    f"to read {name} one must know {', '.join(unknown)}, and this Tidemark does not",
                    "a newer Tidemark has written it: use that one here, too",
                )
            head = _Head.model_validate_json(content)
        except ValidationError as error:
            raise Damaged(f"{what} does not hold what a manifest holds: {_first(error)}") from None
        if head.backup.number != number:
            raise Damaged(f"{name} says that it is number {head.backup.number}")
        return dataclasses.replace(head.backup, digest=blake3(start[:end]).hexdigest()), head.body


def _requires(backup: Backup) -> tuple[str, ...]:
    """A reader that knows no other engine would take the content of one for the files of a data folder."""
    return () if backup.engine == PHYSICAL else (f"engine {backup.engine}",)


def is_safe_path(path: str) -> bool:
    """Whether a path stays below the folder that it is relative to."""
    return "\0" not in path and all(part not in {"", ".", ".."} for part in path.split("/"))


def segment_counts(length: int, block_size: int, segment_blocks: int) -> list[int]:
    """How many blocks each map segment of a file has."""
    blocks = -(-length // block_size)
    full, rest = divmod(blocks, segment_blocks)
    return [segment_blocks] * full + ([rest] if rest else [])


def _check(body: Body, backup: Backup, name: str) -> None:
    """What the seal cannot vouch for: that a restore of this stays in its folder and in bounds."""
    _check_paths([file.path for file in body.files], [folder.path for folder in body.directories], name)
    _check_packs(body.packs, name)
    for file in body.files:
        if len(file.map) != len(segment_counts(file.length, backup.block_size, body.segment_blocks)):
            raise Damaged(f"{name}: the map of {file.path} does not fit its length")
        for pack, _, offset, length, raw in file.map:
            if pack >= len(body.packs) or offset + length > body.packs[pack].size:
                raise Damaged(f"{name}: the map of {file.path} is beyond the packs")
            if not 0 < raw <= MAX_FRAME or length > max_sealed(raw):
                raise Damaged(f"{name}: the map of {file.path} has impossible lengths")


def _check_packs(packs: Sequence[PackUse], name: str) -> None:
    if any(not is_run_id(pack.run_id) for pack in packs):
        raise Damaged(f"{name} names a pack of something that is not a run")
    if len({pack.name for pack in packs}) != len(packs):
        raise Damaged(f"{name} names a pack twice")


def _check_paths(files: Sequence[str], directories: Sequence[str], name: str) -> None:
    every = set(files) | set(directories)
    if len(every) != len(files) + len(directories):
        raise Damaged(f"{name} names a path twice")
    known_files = set(files)
    for path in every:
        if not is_safe_path(path):
            raise Damaged(f"{name} names the path {path!r}, which leads out of the data folder")
        parents = path.split("/")[:-1]
        if any("/".join(parents[:depth]) in known_files for depth in range(1, len(parents) + 1)):
            raise Damaged(f"{name} names {path!r} below a file")


def _misshapen(name: str, error: ValidationError) -> Damaged:
    return Damaged(f"the body of {name} does not hold what a manifest holds: {_first(error)}")


def _first(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
