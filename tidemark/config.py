"""The configuration: one TOML file, validated as a whole. Frozen once loaded; never holds a secret itself."""

from __future__ import annotations

import os
import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from tidemark.errors import ConfigError, UnknownShard

FALLBACK_PATH = Path("tidemark.toml")
ENVIRONMENT_VARIABLE = "TIDEMARK_CONFIG"

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhd])+")
_SIZES = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SIZE = re.compile(r"(\d+)([KMGT])")
_NAME_PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,62}")
_KEY_KEYS = ("key", "old_key")
"""How the keys of ``[repository]`` start that say what opens it."""
_CLOUD_KEYS = (
    "endpoint_url",
    "region",
    "profile",
    "storage_class",
    "server_side_encryption",
    "server_side_kms_key",
)
"""The keys of ``[repository]`` that only a cloud has a use for."""
_SLOW_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_RESERVED_KEYSPACES = frozenset({"keys"})


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


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Size = Annotated[int, BeforeValidator(parse_size), Field(gt=0)]
Variable = Annotated[str, AfterValidator(_variable)]
ConfigPath = Annotated[Path, AfterValidator(_below_config)]
ShardName = Annotated[str, AfterValidator(_shard_name)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class RepositorySettings(_Section):
    """Where backups are kept, and the master keys that open them: exactly one of ``key_file``, ``key_env`` and
    ``key_kms`` is today's key; the ``old_`` ones still open what today's key does not open yet."""

    url: str
    """Where: ``file:///folder``, ``s3://bucket/prefix`` or ``gs://bucket/prefix``. Credentials are found by the cloud's
    own SDK, never here."""
    endpoint_url: str | None = None
    """Where the service answers, when it is not the cloud's own: ``https://host:port``."""
    region: str | None = Field(None, min_length=1)
    """S3: the bucket's region; without it, what the SDK's own chain says."""
    profile: str | None = Field(None, min_length=1)
    """S3: a profile of ``~/.aws``; without it, what the SDK's own chain says."""
    storage_class: str | None = Field(None, min_length=1)
    """The class of new objects; each run reads the newest backup, so one that answers at once."""
    server_side_encryption: Literal["AES256", "aws:kms"] | None = None
    """S3: encryption at rest, besides Tidemark's own; without it, the bucket's default."""
    server_side_kms_key: str | None = Field(None, min_length=1)
    """The cloud's KMS key for that (S3: with ``aws:kms``), by its ARN or resource name; not a master key."""
    key_file: ConfigPath | None = None
    """Today's master key: a file of mode 0600; ``tidemark keys new`` makes one."""
    key_env: Variable | None = None
    """Today's master key: the name of an environment variable that holds a key file's line."""
    key_kms: str | None = Field(None, min_length=1)
    """Today's master key: a symmetric key in AWS KMS, by its ARN or ``alias/NAME``. It never leaves KMS."""
    old_key_files: tuple[ConfigPath, ...] = ()
    """Key files that are tried after today's key."""
    old_key_envs: tuple[Variable, ...] = ()
    """Environment variables that are tried after these."""
    old_key_kms: tuple[str, ...] = ()
    """Keys in AWS KMS that are tried last."""
    compression_level: int = Field(1, ge=1, le=19)
    """The zstd level."""
    block_size: Size = Field(65536, ge=16384, le=1 << 20)
    """Bytes that are compared, and stored anew, as one; a power of two. Only a new shard's first backup uses it."""
    pack_size: Size = Field(64 << 20, ge=1 << 20, le=1 << 30)
    """Bytes of one stored object at most."""

    @model_validator(mode="after")
    def _check(self) -> RepositorySettings:
        if self.block_size & (self.block_size - 1):
            raise ValueError(f"block_size is {self.block_size}, which is not a power of two")
        given = [name for name in ("key_file", "key_env", "key_kms") if getattr(self, name) is not None]
        if not given:
            raise ValueError("no master key is given: set key_file, key_env or key_kms")
        if len(given) > 1:
            raise ValueError(
                f"{' and '.join(given)} are given; one of them is today's key, name the others in old_key_files, "
                "old_key_envs or old_key_kms"
            )
        self._check_place()
        return self

    def _check_place(self) -> None:
        parts, given = urlsplit(self.url), [name for name in _CLOUD_KEYS if getattr(self, name) is not None]
        match parts.scheme:
            case "file":
                if parts.netloc or not parts.path.startswith("/") or parts.path == "/":
                    raise ValueError(
                        f'url is "{self.url}"; a folder is given with three slashes: "file:///var/backups"'
                    )
                if given:
                    raise ValueError(f'{given[0]} means nothing for a folder; url is "{self.url}"')
            case "s3" | "gs":
                if not parts.netloc or "@" in parts.netloc:
                    raise ValueError(
                        f'url is given as "{parts.scheme}://bucket/prefix"; credentials never belong into it'
                    )
            case _:
                raise ValueError(
                    f'url is "{self.url}"; a repository is given as "file:///folder", "s3://bucket/prefix" or '
                    '"gs://bucket/prefix"'
                )
        if self.endpoint_url is not None:
            endpoint = urlsplit(self.endpoint_url)
            if endpoint.scheme not in {"http", "https"} or not endpoint.hostname or "@" in endpoint.netloc:
                raise ValueError('endpoint_url is given as "https://host:port"; credentials never belong into it')
        if self.storage_class in _SLOW_CLASSES:
            raise ValueError(f"storage_class is {self.storage_class}, which cannot be read at once; every run has to")
        if parts.scheme == "gs":
            for name in ("region", "profile", "server_side_encryption"):
                if name in given:
                    raise ValueError(f'{name} means nothing for Google Cloud Storage; url is "{self.url}"')
        elif self.server_side_kms_key is not None and self.server_side_encryption != "aws:kms":
            raise ValueError('server_side_kms_key needs server_side_encryption = "aws:kms"')


class NodeSettings(_Section):
    """This machine as a node: where runs work and how much of the machine they may take."""

    scratch: ConfigPath
    """The folder that holds the runs' folders; on a disk with room for the largest shard."""
    mysql_bin: ConfigPath | None = None
    """The folder of MySQL's programs; without it they are looked up on PATH."""
    mariadb_bin: ConfigPath | None = None
    """The folder of MariaDB's programs; without it they are looked up on PATH."""
    threads: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=256)
    """Threads that hash, compress and seal."""
    buffer_pool: Size = Field(256 << 20, ge=5 << 20)
    """The private server's InnoDB buffer pool, bytes."""
    start_timeout: Duration = timedelta(minutes=5)
    """How long the private server may take to answer."""
    stop_timeout: Duration = timedelta(hours=1)
    """How long the private server may take to shut down; a slow flush is not a failure."""


class RedisSettings(_Section):
    """The fleet's broker and view."""

    url: str = "redis://localhost:6379/0"
    """``redis://`` or, with TLS, ``rediss://``. A password belongs into ``password_file``, not here."""
    password_file: ConfigPath | None = None
    """A file of mode 0600 that holds the password of Redis."""

    @model_validator(mode="after")
    def _check(self) -> RedisSettings:
        parts = urlsplit(self.url)
        if parts.scheme not in {"redis", "rediss"}:
            raise ValueError('url starts with "redis://" or "rediss://"')
        if parts.password:
            raise ValueError("url holds a password; put it into a file of mode 0600 and name that as password_file")
        return self


class CycleSettings(_Section):
    """How often every shard is backed up."""

    every: Duration = timedelta(hours=12)
    """The time from one backup of a shard to its next one."""
    min_interval: Duration = timedelta(0)
    """A run has nothing to do while the newest backup is younger than this."""
    window: Duration | None = None
    """The shards' starts are spread over this part of a cycle; without it, over the whole cycle."""

    @model_validator(mode="after")
    def _check(self) -> CycleSettings:
        if self.every < timedelta(seconds=1):
            raise ValueError("every is shorter than a second")
        if self.min_interval > self.every:
            raise ValueError("min_interval is longer than every: each second cycle would do nothing")
        if self.window is not None and self.window > self.every:
            raise ValueError("window is longer than every")
        return self


class RetentionSettings(_Section):
    """Which backups are kept; what no rule asks for is pruned after the next success. The newest backup, the newest
    proven one and the one that proves it are kept whatever the rules say. Days, weeks and so on are those of UTC."""

    keep_last: int = Field(1, ge=1)
    """The newest this many."""
    keep_within: Duration = timedelta(0)
    """And all that are less than this much older than the newest."""
    keep_hourly: int = Field(0, ge=0)
    """And the last backup of each of the newest this many hours that have one."""
    keep_daily: int = Field(0, ge=0)
    """The same for days."""
    keep_weekly: int = Field(0, ge=0)
    """The same for weeks, from Monday on."""
    keep_monthly: int = Field(0, ge=0)
    """The same for months."""
    keep_yearly: int = Field(0, ge=0)
    """The same for years."""


class ShardSettings(_Section):
    """One shard: where its primary is and how its backup is made."""

    name: ShardName
    """``keyspace/shard``."""
    host: str = Field(min_length=1)
    """The primary's name or address."""
    port: int = Field(3306, ge=1, le=65535)
    """The primary's port."""
    user: str = Field(min_length=1)
    """The account on the primary; docs/operations.md lists the rights that it needs."""
    password_file: ConfigPath
    """A file of mode 0600 that holds the account's password."""
    tls: Literal["disabled", "preferred", "required", "verify"] = "preferred"
    """How the primary is talked to; ``verify`` checks its certificate and name against ``tls_ca``."""
    tls_ca: ConfigPath | None = None
    """The certificate authority of ``tls = "verify"``, a PEM file."""
    flavour: Literal["auto", "mysql", "mariadb"] = "auto"
    """What the primary is; ``auto`` asks it."""
    first_backup: Literal["clone", "replay", "empty", "refuse"] = "refuse"
    """What a run does when the repository has no backup of the shard."""
    init_sql_file: ConfigPath | None = None
    """The statements of ``first_backup = "empty"``."""
    stall_timeout: Duration = timedelta(minutes=5)
    """The catch-up gives up when it has made no progress for this long."""
    disable_redo_log: bool = True
    """MySQL only: no redo log during the catch-up. The copy is disposable, so this risks nothing but a retry."""
    sql_before_stop: tuple[str, ...] = ()
    """Statements for the private server after the catch-up, e.g. ``OPTIMIZE TABLE``."""
    sql_timeout: Duration = timedelta(hours=1)
    """How long each of these may take."""
    sql_fail_on_error: bool = True
    """Whether one that fails fails the run."""
    upgrade_safe: bool = False
    """Shut down with ``innodb_fast_shutdown=0``, so that a newer server can open the backup."""
    restart_before_backup: bool = False
    """Start and stop the server cleanly once more before the upload."""
    retention: RetentionSettings | None = None
    """Keys of ``[retention]`` that are others for this shard, e.g. ``retention = { keep_daily = 30 }``."""

    @model_validator(mode="after")
    def _check(self) -> ShardSettings:
        if self.first_backup == "empty":
            if self.init_sql_file is None:
                raise ValueError('first_backup is "empty", which needs init_sql_file')
            if self.flavour == "auto":
                raise ValueError(
                    'first_backup is "empty": say flavour = "mysql" or "mariadb", there is no primary to ask'
                )
        if self.tls == "verify" and self.tls_ca is None:
            raise ValueError('tls is "verify", which needs tls_ca')
        return self

    @property
    def keyspace(self) -> str:
        return self.name.split("/")[0]


class Settings(_Section):
    """The whole file."""

    repository: RepositorySettings
    mirrors: tuple[RepositorySettings, ...] = ()
    node: NodeSettings
    redis: RedisSettings = RedisSettings()
    cycle: CycleSettings = CycleSettings()
    retention: RetentionSettings = RetentionSettings()
    shard: tuple[ShardSettings, ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _part_repositories(cls, data: Any) -> Any:
        """``[[repository]]`` more than once: the first counts, the others mirror it and are opened with its keys."""
        if not isinstance(data, dict) or isinstance(data.get("mirrors"), tuple):
            return data
        if "mirrors" in data:
            raise ValueError("there is no section mirrors; give [[repository]] once more for each mirror")
        given = data.get("repository")
        if not isinstance(given, list) or not given or not all(isinstance(entry, dict) for entry in given):
            return data
        first, *others = given
        keys = {key: value for key, value in first.items() if key.startswith(_KEY_KEYS)}
        mirrors = []
        for other in others:
            if own := sorted(key for key in other if key.startswith(_KEY_KEYS)):
                raise ValueError(
                    f"{own[0]} stands in a second [[repository]]; all are opened with the keys of the first"
                )
            mirrors.append(keys | other)
        return data | {"repository": first, "mirrors": tuple(mirrors)}

    @model_validator(mode="before")
    @classmethod
    def _apply_defaults(cls, data: Any) -> Any:
        """``[defaults]`` gives every shard the keys that it does not set itself."""
        if isinstance(data, dict) and isinstance(data.get("defaults"), dict):
            data = dict(data)
            defaults = data.pop("defaults")
            if "name" in defaults:
                raise ValueError("[defaults] cannot give a name")
            shards = data.get("shard", [])
            if isinstance(shards, list):
                data["shard"] = [defaults | entry if isinstance(entry, dict) else entry for entry in shards]
        return data

    @model_validator(mode="after")
    def _check(self) -> Settings:
        names = [shard.name for shard in self.shard]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"the shard {twice[0]} is configured twice")
        urls = [repository.url.rstrip("/") for repository in self.repositories]
        if twice := sorted({url for url in urls if urls.count(url) > 1}):
            raise ValueError(f"the repository {twice[0]} is configured twice")
        return self

    @property
    def repositories(self) -> tuple[RepositorySettings, ...]:
        """All of them: the one that counts first, then its mirrors."""
        return (self.repository, *self.mirrors)

    def find_repository(self, text: str) -> RepositorySettings:
        """The repository with this url or number (from 1, in the file's order), or ``ConfigError``."""
        for number, repository in enumerate(self.repositories, 1):
            if text in {str(number), repository.url, repository.url.rstrip("/")}:
                return repository
        known = ", ".join(f"{number} ({place.url})" for number, place in enumerate(self.repositories, 1))
        raise ConfigError(f'there is no repository "{text}" in the configuration', f"the repositories are: {known}")

    def retention_of(self, shard: ShardSettings) -> RetentionSettings:
        """``[retention]`` with what the shard says otherwise."""
        if shard.retention is None:
            return self.retention
        own = {name: getattr(shard.retention, name) for name in shard.retention.model_fields_set}
        return self.retention.model_copy(update=own)

    def find_shard(self, name: str) -> ShardSettings:
        """The shard of this name, or ``UnknownShard``."""
        for shard in self.shard:
            if shard.name == name:
                return shard
        known = ", ".join(shard.name for shard in self.shard[:8]) + (", ..." if len(self.shard) > 8 else "")
        raise UnknownShard(f'there is no shard "{name}" in the configuration', f"the configured shards are: {known}")


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
