"""Finding, reading and validating the file, and saying what is wrong with it."""

from __future__ import annotations

import functools
import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from tidemark.config.settings import Settings
from tidemark.errors import ConfigError

FALLBACK_PATH = Path("tidemark.toml")
ENVIRONMENT_VARIABLE = "TIDEMARK_CONFIG"


def config_path(given: str | Path | None = None) -> Path:
    """Where the configuration is: what was given, else ``$TIDEMARK_CONFIG``, else ``./tidemark.toml``."""
    return Path(given or os.environ.get(ENVIRONMENT_VARIABLE) or FALLBACK_PATH).absolute()


def load(path: str | Path | None = None) -> Settings:
    """Reads and validates the configuration; ``ConfigError`` names the key, the value and what is allowed."""
    file = config_path(path)
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"there is no configuration file {file}",
            f"name one with --config or ${ENVIRONMENT_VARIABLE}, or start where a {FALLBACK_PATH} is",
        ) from None
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not valid TOML: {error}") from error
    try:
        return Settings.model_validate(data, context={"folder": file.parent})
    except ValidationError as error:
        raise ConfigError(_explain(file, data, error), "docs/configuration.md lists every key") from error


def current(path: Path) -> Settings:
    """The same for whoever asks again and again: read anew only when the file has changed, since validating a thousand
    shards takes a while."""
    try:
        seen = path.stat()
    except OSError:
        return load(path)  # says what is wrong with it
    return _load_once(path, (seen.st_mtime_ns, seen.st_size, seen.st_ino))


@functools.lru_cache(maxsize=1)
def _load_once(path: Path, stamp: tuple[int, ...]) -> Settings:
    return load(path)


def _explain(file: Path, data: dict[str, Any], error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_url=False, include_context=False):
        if problem["type"] == "too_short" and data.get("shard"):
            continue  # said of the list of shards because its entries have problems, which are named themselves
        match problem["type"]:
            case "extra_forbidden":
                message = "there is no such key"
            case "missing":
                message = "is missing"
            case "variable":
                message = problem["msg"]
            case _:
                message = problem["msg"].removeprefix("Value error, ") + _seen(problem)
        lines.append(f"  {_key(problem['loc'], data)}: {message}")
    return "\n".join([f"{file} has {len(lines)} problem{'s' if len(lines) > 1 else ''}:", *lines])


def _key(location: tuple[int | str, ...], data: dict[str, Any]) -> str:
    """``shard.0.port`` as ``[[shard]] commerce/-80: port``, so that a person finds it."""
    match location:
        case ("mirrors", int(index), *rest):
            return f"[[repository]] number {index + 2}" + (f": {'.'.join(map(str, rest))}" if rest else "")
        case ("shard", int(index), *rest):
            entry = data.get("shard", [{}])[index]
            name = entry.get("name", f"number {index + 1}") if isinstance(entry, dict) else f"number {index + 1}"
            return f"[[shard]] {name}" + (f": {'.'.join(map(str, rest))}" if rest else "")
        case (section, *rest):
            return f"[{section}]" + (f" {'.'.join(map(str, rest))}" if rest else "")
        case _:
            return "the file"


def _seen(problem: Any) -> str:
    value = problem.get("input")
    return "" if isinstance(value, dict | BaseModel) or value is None else f" (it is {value!r})"
