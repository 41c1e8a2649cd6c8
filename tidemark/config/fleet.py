"""The sections that the whole fleet shares: the node, Redis, the cycle, retention."""

from __future__ import annotations

import os
from datetime import timedelta
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from tidemark.config.types import ConfigPath, Duration, Room, Section, Size


class NodeSettings(Section):
    """This machine as a node: where runs work and how much of the machine they may take."""

    scratch: ConfigPath
    """The folder that holds the runs' folders; on a disk with room for the largest shard."""
    mysql_bin: ConfigPath | None = None
    """The folder of MySQL's programs; without it they are looked up on PATH."""
    mariadb_bin: ConfigPath | None = None
    """The folder of MariaDB's programs; without it they are looked up on PATH."""
    threads: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=256)
    """Threads that hash, compress and seal."""
    buffer_pool: Size | None = Field(None, ge=5 << 20)
    """The private server's InnoDB buffer pool, bytes. Without it, what the shard's data needs: at least 256 MiB, and no
    more than a quarter of the machine's memory."""
    keep: bool = False
    """Whether data folders stay in the scratch folder after their upload, so that a shard's next run on this node
    fetches only what has changed. Every block is checked all the same. When several shards wait, the node begins with
    one that it has kept, unless another is staler by more than a quarter of a cycle. Kept folders go, the oldest first,
    as soon as a run needs their room, and all of them when this is false again."""
    prove_every: Duration = timedelta(days=7)
    """With ``keep``: how long a shard may go on from kept folders alone. A run that does proves nothing about what the
    repository has; the second run of a shard, and one whenever the last proof is older than this, fetches everything
    and proves the newest backup."""
    start_timeout: Duration = timedelta(minutes=5)
    """How long a private server that starts may do nothing: neither read nor write nor compute."""
    stop_timeout: Duration = timedelta(hours=1)
    """The same for one that shuts down; a slow flush is not a failure, however long it takes."""
    stall_timeout: Duration = timedelta(minutes=30)
    """A restore or an upload that has moved nothing at all for this long fails; ``"0s"``: it waits for ever. A slow
    one is not meant: with a ``pack_size`` of many hundred megabytes and a thin line raise this."""
    min_free: Room = 512 << 20
    """Bytes of the scratch folder's disk that a run leaves free: it stops, with its reason, before the private server
    fills the disk. 0: it does not look."""
    restore_rate: Size | None = None
    """Bytes per second that a run's restore may fetch, all threads together; without it, no limit. A recovery
    (``tidemark restore``, ``tidemark drill``) is never held back."""
    upload_rate: Size | None = None
    """Bytes per second that an upload, or copying to a mirror, may store, all threads together."""


class RedisSettings(Section):
    """The fleet's broker and view."""

    url: str = "redis://localhost:6379/0"
    """``redis://`` or, with TLS, ``rediss://``. A password belongs into ``password_file``, not here."""
    password_file: ConfigPath | None = None
    """A file of mode 0600 that holds the password of Redis."""
    tls_ca: ConfigPath | None = None
    """With ``rediss://``: the authority of the certificate of Redis, a PEM file; without it, those that the system
    trusts. The certificate and its name are always checked."""
    tls_cert: ConfigPath | None = None
    """With ``rediss://``: our own certificate, a PEM file, when Redis asks its clients for one."""
    tls_key: ConfigPath | None = None
    """That certificate's private key, a PEM file."""

    @model_validator(mode="after")
    def _check(self) -> RedisSettings:
        parts = urlsplit(self.url)
        if parts.scheme not in {"redis", "rediss"}:
            raise ValueError('url starts with "redis://" or "rediss://"')
        if parts.password:
            raise ValueError("url holds a password; put it into a file of mode 0600 and name that as password_file")
        if parts.query:
            raise ValueError("url ends in options (?...); what can be said about TLS has keys of its own")
        if parts.scheme != "rediss" and (self.tls_ca or self.tls_cert or self.tls_key):
            raise ValueError('tls_ca, tls_cert and tls_key need a url that starts with "rediss://"')
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key are given together or not at all")
        return self


class CycleSettings(Section):
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


class RetentionSettings(Section):
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
