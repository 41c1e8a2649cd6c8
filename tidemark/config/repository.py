"""``[repository]``: where backups are kept, and what opens them."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from tidemark.config.types import ConfigPath, Section, Size, Variable

KEY_KEYS = ("key", "old_key")
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


class RepositorySettings(Section):
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
