"""What may be an object's name: the same for every store, so that a repository can move from one to another."""

from __future__ import annotations

RESERVED_PREFIX = ".tidemark-"
"""No part of a name starts with this: stores use it for what they are still writing."""
MAX_PART = 255
"""Bytes of one part, in UTF-8: what a file name may have."""
MAX_NAME = 1024
"""Bytes of a whole name, in UTF-8: what S3 allows."""


def check_name(name: str) -> None:
    """Raises ``ValueError`` for what is not a legal name."""
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name!r} is not a name: it cannot be written in UTF-8") from None
    if len(encoded) > MAX_NAME:
        raise ValueError(f"{name[:40]!r}... is not a name: it has {len(encoded)} bytes, {MAX_NAME} are allowed")
    for part in name.split("/"):
        if part in {"", ".", ".."}:
            raise ValueError(f'{name!r} is not a name: it has the part "{part}"')
        if part.startswith(RESERVED_PREFIX):
            raise ValueError(f'{name!r} is not a name: "{RESERVED_PREFIX}" is reserved')
        if len(part.encode()) > MAX_PART:
            raise ValueError(f"{name[:40]!r}... is not a name: a part has more than {MAX_PART} bytes")
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in part):
            raise ValueError(f"{name!r} is not a name: it has a control character")


def is_name(name: str) -> bool:
    """Whether ``check_name`` has nothing against it."""
    try:
        check_name(name)
    except ValueError:
        return False
    return True
