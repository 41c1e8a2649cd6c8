"""``[[shard]]``: where a primary is and how its backup is made."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from tidemark.config.fleet import RetentionSettings
from tidemark.config.types import ConfigPath, Duration, Section, ShardName


class ShardSettings(Section):
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
        """The first part of the name."""
        return self.name.split("/")[0]
