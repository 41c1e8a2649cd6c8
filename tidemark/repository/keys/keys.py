"""Keys: a master key outside the repository wraps the data key in it; everything else is derived from the data key.

A master key is anything that can wrap and unwrap (``WrappingKey``): 32 bytes in a file or an environment variable
(``MasterKey``), or a key that never leaves its service (``kms.KmsKey``).
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import BaseModel, ConfigDict, ValidationError

from tidemark import files
from tidemark.errors import Damaged, KeyUnavailable

KEYS = "keys/"
"""The prefix of the key objects."""
KEY_BYTES = 32
NONCE_BYTES = 12
_PREFIX = "tidemark-master-key-1:"
_MAX_FILE = 4096
_FORMAT = 1

Bound = Mapping[str, str | int]
"""What a wrapping vouches for beside the data key: the key object's other fields."""


def derive(key: bytes, purpose: str, *parts: bytes, length: int = KEY_BYTES) -> bytes:
    """HKDF-SHA256 without a salt; the info is ``tidemark-1``, the purpose and the parts, each after its length."""
    info = b"".join(len(part).to_bytes(2, "little") + part for part in (b"tidemark-1", purpose.encode(), *parts))
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(key)


class WrappingKey(Protocol):
    """A master key: wraps data keys, and unwraps those that it has wrapped."""

    @property
    def id(self) -> str:
        """16 hex digits that name the key and tell nothing about it."""

    @property
    def algorithm(self) -> str:
        """How it wraps, as the key object says it."""

    @property
    def nonce_bytes(self) -> int:
        """Bytes of nonce that a wrapping takes; 0 when the key needs none from us."""

    @property
    def service_key(self) -> str | None:
        """The service's own name of the key, which the key object tells; None for a key without a service."""

    def wrap(self, secret: bytes, nonce: bytes, bound: Bound) -> bytes:
        """The secret, wrapped."""

    def unwrap(self, wrapped: bytes, nonce: bytes, bound: Bound) -> bytes:
        """What was wrapped; ``ValueError`` when it is not exactly that, or bound to something else."""


@dataclass(frozen=True, slots=True)
class MasterKey:
    """A master key that we hold ourselves. Who has it can read every backup; without it nobody can."""

    secret: bytes = field(repr=False)
    """32 bytes."""

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise KeyUnavailable(f"a master key has {KEY_BYTES} bytes, this one has {len(self.secret)}")

    @property
    def id(self) -> str:
        """16 hex digits that name the key and tell nothing about it."""
        return derive(self.secret, "key-id", length=8).hex()

    @property
    def algorithm(self) -> str:
        return "AES-256-GCM"

    @property
    def nonce_bytes(self) -> int:
        return NONCE_BYTES

    @property
    def service_key(self) -> str | None:
        return None

    def wrap(self, secret: bytes, nonce: bytes, bound: Bound) -> bytes:
        return AESGCM(derive(self.secret, "wrap")).encrypt(nonce, secret, _canonical(bound))

    def unwrap(self, wrapped: bytes, nonce: bytes, bound: Bound) -> bytes:
        try:
            return AESGCM(derive(self.secret, "wrap")).decrypt(nonce, wrapped, _canonical(bound))
        except InvalidTag:
            raise ValueError("the seal does not hold") from None

    @classmethod
    def generate(cls) -> MasterKey:
        """A new random key."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def load(cls, path: Path) -> MasterKey:
        """Reads a key file. ``KeyUnavailable`` when it is missing, readable by others or not a key file."""
        try:
            # Not blocking: a FIFO in the file's place must not hang us.
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                found = os.fstat(descriptor)
                if not stat.S_ISREG(found.st_mode):
                    raise KeyUnavailable(f"the master key {path} is not a regular file")
                if mode := stat.S_IMODE(found.st_mode) & 0o077:
                    full = stat.S_IMODE(found.st_mode)
                    raise KeyUnavailable(
                        f"the master key {path} has mode {full:04o}: others could use it ({mode:04o})",
                        f"chmod 600 {path}",
                    )
                content = os.read(descriptor, _MAX_FILE)
            finally:
                os.close(descriptor)
        except FileNotFoundError:
            raise KeyUnavailable(
                f"there is no master key {path}", "make one with `tidemark keys new`, or name the one that you have"
            ) from None
        except OSError as error:
            raise KeyUnavailable(f"the master key {path} cannot be read: {error.strerror}") from error
        return cls(_parse(f"{path}", content))

    @classmethod
    def from_environment(cls, variable: str) -> MasterKey:
        """Takes the key from an environment variable that holds a key file's line. ``KeyUnavailable`` when it is not
        set or holds anything else."""
        value = os.environ.get(variable)
        if not value:
            raise KeyUnavailable(
                f"the environment variable {variable}, which holds the master key, is not set",
                "its value is the line of a key file, as `tidemark keys new --file FILE` writes it",
            )
        return cls(_parse(f"the environment variable {variable}", value.encode("utf-8", "replace")))

    @property
    def line(self) -> str:
        """What a key file or an environment variable holds. A secret."""
        return _PREFIX + base64.b64encode(self.secret).decode()

    def write(self, path: Path) -> None:
        """Writes a key file of mode 0600, on disk when this returns. Never replaces a file."""
        content = f"{self.line}\n".encode()
        made = False
        try:
            files.make_private(path.parent)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            made = True
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            if made:
                path.unlink(missing_ok=True)
            elif os.path.lexists(path):
                raise KeyUnavailable(
                    f"{path} exists already; a master key is never overwritten",
                    "write to another file; backups that need the old key stay unreadable without it",
                ) from None
            raise KeyUnavailable(f"the master key {path} cannot be written: {error.strerror}") from error


def _parse(what: str, content: bytes) -> bytes:
    lines = content.decode("ascii", "replace").split("\n")
    hint = f'a master key is one line, "{_PREFIX}" and 44 letters'
    if len(content) >= _MAX_FILE or not lines[0].startswith(_PREFIX) or any(line.strip() for line in lines[1:]):
        raise KeyUnavailable(f"{what} does not hold a master key", hint)
    try:
        secret = base64.b64decode(lines[0].removeprefix(_PREFIX).strip(), validate=True)
    except (binascii.Error, ValueError):
        raise KeyUnavailable(f"the master key in {what} is not valid base64", hint) from None
    if len(secret) != KEY_BYTES:
        raise KeyUnavailable(f"the master key in {what} has {len(secret)} bytes instead of {KEY_BYTES}", hint)
    return secret


@dataclass(frozen=True, slots=True)
class DataKey:
    """What a repository is encrypted with."""

    repository: bytes
    """16 random bytes that name the repository; not secret."""
    secret: bytes = field(repr=False)
    """32 bytes."""

    @classmethod
    def generate(cls) -> DataKey:
        """The key of a new repository."""
        return cls(secrets.token_bytes(16), secrets.token_bytes(KEY_BYTES))

    def digest_key(self, shard: str) -> bytes:
        """The key of the shard's block digests."""
        return derive(self.secret, "digest", self.repository, shard.encode())

    def frame_key(self, shard: str, run_id: str) -> bytes:
        """The key of the frames that one run stores."""
        return derive(self.secret, "frame", self.repository, shard.encode(), run_id.encode())

    def manifest_key(self, shard: str) -> bytes:
        """The key of the shard's manifests."""
        return derive(self.secret, "manifest", self.repository, shard.encode())


class KeyObject(BaseModel):
    """``keys/<key-id>``: the data key, wrapped by one master key. Nothing in it is secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: int
    """1."""
    repository: str
    """The repository's id, hex."""
    key_id: str
    """The master key's id."""
    algorithm: str
    """How it is wrapped: ``AES-256-GCM`` or ``AWS-KMS``."""
    nonce: str
    """Hex; empty when the algorithm needs none from us."""
    wrapped: str
    """The wrapped data key, hex."""
    created_at: str
    """When it was written, UTC: ``2026-11-23T21:07:13Z``."""
    service_key: str | None = None
    """The key's name in the service that keeps it; not there for other keys."""

    @classmethod
    def parse(cls, content: bytes, name: str) -> KeyObject:
        """What the object ``name`` says; nothing of it is proven. ``Damaged`` when it has another form."""
        try:
            parsed = cls.model_validate_json(content)
            if parsed.encode() != content or parsed.format != _FORMAT:
                raise ValueError("another form")
        except (ValidationError, ValueError):
            raise _damaged(name) from None
        return parsed

    def encode(self) -> bytes:
        """The object's content."""
        return json.dumps(self.model_dump(exclude_none=True), indent=1, sort_keys=True).encode() + b"\n"

    def bound(self) -> Bound:
        """What the wrapping vouches for beside the key itself: everything else in the object."""
        return self.model_dump(exclude={"nonce", "wrapped"}, exclude_none=True)


def wrap(master: WrappingKey, data: DataKey, now: datetime | None = None, nonce: bytes | None = None) -> bytes:
    """The content of ``keys/<key-id>``."""
    nonce = nonce or secrets.token_bytes(master.nonce_bytes)
    draft = KeyObject(
        format=_FORMAT,
        repository=data.repository.hex(),
        key_id=master.id,
        algorithm=master.algorithm,
        nonce=nonce.hex(),
        wrapped="",
        created_at=(now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        service_key=master.service_key,
    )
    wrapped = master.wrap(data.secret, nonce, draft.bound())
    return draft.model_copy(update={"wrapped": wrapped.hex()}).encode()


def unwrap(master: WrappingKey, content: bytes, name: str) -> DataKey:
    """The data key in the object ``name``; ``Damaged`` when it is not exactly what was written. A service's key may
    raise ``KeyUnavailable`` or ``StorageUnavailable`` as well."""
    parsed = KeyObject.parse(content, name)
    try:
        nonce, wrapped, repository = (_hex(text) for text in (parsed.nonce, parsed.wrapped, parsed.repository))
        if (parsed.key_id, parsed.algorithm, parsed.service_key) != (master.id, master.algorithm, master.service_key):
            raise ValueError("another key's")
        if len(nonce) != master.nonce_bytes or len(repository) != 16:
            raise ValueError("other lengths")
        secret = master.unwrap(wrapped, nonce, parsed.bound())
    except ValueError:
        raise _damaged(name) from None
    if len(secret) != KEY_BYTES:
        raise Damaged(f"{name} wraps a key of {len(secret)} bytes")
    return DataKey(repository, secret)


def _damaged(name: str) -> Damaged:
    return Damaged(
        f"{name} is not a key object as Tidemark writes it, or has been changed",
        "bring it back from a copy, or `tidemark keys rotate` with another key that opens the repository: that writes "
        "it anew",
    )


def _canonical(bound: Bound) -> bytes:
    return json.dumps(dict(bound), sort_keys=True).encode()


def _hex(text: str) -> bytes:
    if not re.fullmatch(r"[0-9a-f]*", text):
        raise ValueError("not lower-case hex digits")
    return bytes.fromhex(text)
