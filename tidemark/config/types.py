"""What a value of the configuration can be: durations, sizes, paths, names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo
from pydantic_core import PydanticCustomError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhd])+")
_SIZES = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SIZE = re.compile(r"(\d+)([KMGT])")
_HOST = re.compile(r"(?:\[([^][\s]+)\]|([^][\s:]+))(?::(\d{1,5}))?")
_NAME_PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,62}")
_RESERVED_KEYSPACES = frozenset({"keys"})


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    """A name, or an address without brackets."""
    port: int

    def __str__(self) -> str:
        """As ``hosts`` takes it: an IPv6 address stands in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_duration(text: object) -> object:
    """``"12h"``, ``"90s"`` or ``"1d12h"`` as a timedelta."""
    if not isinstance(text, str):
        if isinstance(text, timedelta):
            return text
        raise ValueError('a duration is a text such as "90s", "30m", "12h" or "1d12h"')
    if not _DURATION.fullmatch(text):
        raise ValueError('a duration is a number and a unit, such as "90s", "30m", "12h" or "1d12h"')
    seconds = sum(float(n) * _UNITS[unit] for n, unit in re.findall(r"(\d+(?:\.\d+)?)([smhd])", text))
    return timedelta(seconds=seconds)


def parse_size(text: object) -> object:
    """``"512M"`` as a number of bytes; plain numbers are bytes already."""
    if isinstance(text, str):
        match = _SIZE.fullmatch(text)
        if match is None:
            raise ValueError('a size is a number and a unit, such as "512M" or "4G"')
        return int(match[1]) * _SIZES[match[2]]
    return text


def _below_config(path: Path, info: ValidationInfo) -> Path:
    """Relative paths are meant from the configuration file's folder, wherever the program is started."""
    folder = (info.context or {}).get("folder", Path.cwd())
    return Path(folder) / path.expanduser()


def _shard_name(name: str) -> str:
    parts = name.split("/")
    if len(parts) != 2 or not all(_NAME_PART.fullmatch(part) for part in parts):
        raise ValueError(
            'a shard is named "keyspace/shard", each part of letters, digits, "_", "-" and "." (not at its start)'
        )
    if parts[0] in _RESERVED_KEYSPACES:
        raise ValueError(f'the keyspace "{parts[0]}" is a name that the repository uses itself')
    return name


def _variable(name: str) -> str:
    # The name is shown in messages: whoever writes the key itself here must be told without showing it.
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", name):
        raise PydanticCustomError("variable", "this is the name of an environment variable, not a key")
    return name


def parse_address(text: str, port: int) -> Address:
    """``"host"``, ``"host:port"`` or ``"[v6 address]:port"`` as an address; ``port`` is that of one without."""
    match = _HOST.fullmatch(text)
    if match is None or not 1 <= int(match[3] or port) <= 65535:
        raise ValueError(f'"{text}" is not a server: give "host", "host:port" or "[address]:port"')
    return Address(match[1] or match[2], int(match[3] or port))


def _host(text: str) -> str:
    parse_address(text, 1)
    return text


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Size = Annotated[int, BeforeValidator(parse_size), Field(gt=0)]
Room = Annotated[int, BeforeValidator(parse_size), Field(ge=0)]
Host = Annotated[str, AfterValidator(_host)]
Variable = Annotated[str, AfterValidator(_variable)]
ConfigPath = Annotated[Path, AfterValidator(_below_config)]
ShardName = Annotated[str, AfterValidator(_shard_name)]


class Section(BaseModel):
    """A table of the file: no key that is not known, frozen once loaded."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
