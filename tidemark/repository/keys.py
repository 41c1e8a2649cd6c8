"""Keys: a master key outside the repository wraps the data key in it; everything else is derived from the data key."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import secrets
import stat
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import BaseModel, ConfigDict, ValidationError

from tidemark.errors import Damaged, KeyUnavailable

KEY_BYTES = 32
NONCE_BYTES = 12
_PREFIX = "tidemark-master-key-1:"
_MAX_FILE = 4096
_ALGORITHM = "AES-256-GCM"
_FORMAT = 1


def derive(key: bytes, purpose: str, *parts: bytes, length: int = KEY_BYTES) -> bytes:
    """HKDF-SHA256 without a salt; the info is ``tidemark-1``, the purpose and the parts, each after its length."""
    info = b"".join(len(part).to_bytes(2, "little") + part for part in (b"tidemark-1", purpose.encode(), *parts))
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(key)


@dataclass(frozen=True, slots=True)
class MasterKey:
    """The operator's key. Who has it can read every backup; without it nobody can."""

    secret: bytes = field(repr=False)
    """32 bytes."""

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise KeyUnavailable(f"a master key has {KEY_BYTES} bytes, this one has {len(self.secret)}")

    @property
    def id(self) -> str:
        """16 hex digits that name the key and tell nothing about it."""
        return derive(self.secret, "key-id", length=8).hex()

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
        return cls(_parse_key_file(path, content))

    def write(self, path: Path) -> None:
        """Writes a key file of mode 0600, on disk when this returns. Never replaces a file."""
        content = f"{_PREFIX}{base64.b64encode(self.secret).decode()}\n".encode()
        made = False
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
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


def _parse_key_file(path: Path, content: bytes) -> bytes:
    lines = content.decode("ascii", "replace").split("\n")
    hint = 'a master key file is one line, "tidemark-master-key-1:" and 44 letters'
    if len(content) >= _MAX_FILE or not lines[0].startswith(_PREFIX) or any(line.strip() for line in lines[1:]):
        raise KeyUnavailable(f"{path} is not a master key file", hint)
    try:
        secret = base64.b64decode(lines[0].removeprefix(_PREFIX).strip(), validate=True)
    except (binascii.Error, ValueError):
        raise KeyUnavailable(f"the master key in {path} is not valid base64", hint) from None
    if len(secret) != KEY_BYTES:
        raise KeyUnavailable(f"the master key in {path} has {len(secret)} bytes instead of {KEY_BYTES}", hint)
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


class _KeyObject(BaseModel):
    """``keys/<key-id>``: the data key, wrapped by one master key."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: int
    repository: str
    key_id: str
    algorithm: str
    nonce: str
    wrapped: str
    created_at: str

    def encode(self) -> bytes:
        return json.dumps(self.model_dump(), indent=1, sort_keys=True).encode() + b"\n"

    def bound(self) -> bytes:
        """What the wrapping vouches for beside the key itself: everything else in the object."""
        return json.dumps(self.model_dump(exclude={"nonce", "wrapped"}), sort_keys=True).encode()


def wrap(master: MasterKey, data: DataKey, now: datetime | None = None, nonce: bytes | None = None) -> bytes:
    """The content of ``keys/<key-id>``."""
    nonce = nonce or secrets.token_bytes(NONCE_BYTES)
    draft = _KeyObject(
        format=_FORMAT,
        repository=data.repository.hex(),
        key_id=master.id,
        algorithm=_ALGORITHM,
        nonce=nonce.hex(),
        wrapped="",
        created_at=(now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    sealed = AESGCM(derive(master.secret, "wrap")).encrypt(nonce, data.secret, draft.bound())
    return draft.model_copy(update={"wrapped": sealed.hex()}).encode()


def unwrap(master: MasterKey, content: bytes, name: str) -> DataKey:
    """The data key in the object ``name``; ``Damaged`` when it is not exactly what was written."""
    try:
        parsed = _KeyObject.model_validate_json(content)
        if parsed.encode() != content or parsed.format != _FORMAT or parsed.algorithm != _ALGORITHM:
            raise ValueError("another form")
        nonce, sealed, repository = (_hex(text) for text in (parsed.nonce, parsed.wrapped, parsed.repository))
        if len(nonce) != NONCE_BYTES or len(repository) != 16 or parsed.key_id != master.id:
            raise ValueError("other lengths")
        secret = AESGCM(derive(master.secret, "wrap")).decrypt(nonce, sealed, parsed.bound())
    except (ValidationError, ValueError, InvalidTag):
        raise Damaged(
            f"{name} is not a key object as Tidemark writes it, or has been changed",
            "bring it back from a copy; while another object in keys/ is whole, its master key still opens the backups",
        ) from None
    if len(secret) != KEY_BYTES:
        raise Damaged(f"{name} wraps a key of {len(secret)} bytes")
    return DataKey(repository, secret)


def _hex(text: str) -> bytes:
    if not re.fullmatch(r"[0-9a-f]*", text):
        raise ValueError("not lower-case hex digits")
    return bytes.fromhex(text)
