"""``[[shard]]``: where a primary is and how its backup is made."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from tidemark.config.fleet import RetentionSettings
from tidemark.config.types import Address, ConfigPath, Duration, Host, Room, Section, ShardName, parse_address


class ShardSettings(Section):
    """One shard: where its primary is and how its backup is made."""

    name: ShardName
    """``keyspace/shard``."""
    host: str = ""
    """The primary's name or address, when no other server can be the primary; this or ``hosts`` is needed."""
    hosts: tuple[Host, ...] = ()
    """Instead of ``host``: every server that can be the primary, ``"host"`` or ``"host:port"``. The one that takes
    writes (``read_only = OFF``) is the primary; with none or two of them a run waits, and then fails."""
    port: int = Field(3306, ge=1, le=65535)
    """The port of every server that is given without one."""
    source: Literal["primary", "replica"] = "primary"
    """Where transactions come from; the primary is then only asked whether the replica holds anything of its own."""
    replica_hosts: tuple[Host, ...] = ()
    """The replicas that ``source = "replica"`` may use; without it those of ``hosts`` that are not the primary."""
    max_replica_lag: Duration = timedelta(minutes=5)
    """A replica that is further behind is not used."""
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
    plugins: tuple[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_=.-]+$")], ...] = ()
    """Plugins that the private server loads, as ``plugin_load_add`` takes them: ``ha_archive`` (MariaDB),
    ``mysql_no_login.so`` or ``name=library.so``; for tables of other storage engines, compression providers and the
    like. The node's server must have them."""
    time_zone: str = ""
    """The time zone of the primary's machine, e.g. ``Europe/Berlin``. Without it the primary is asked for its local
    time over the years, and the private server gets a zone that gives the same."""
    stall_timeout: Duration = timedelta(minutes=5)
    """The catch-up gives up when it has made no progress for this long, or waited this long for its source."""
    catchup_room: Room | None = None
    """Bytes of disk for what a catch-up adds to a backup (relay logs, growth); without it a tenth of the backup, at
    least 256M. A run that finds less, besides the backup and ``[node] min_free``, fails before it restores."""
    min_bridge: Duration | None = None
    """A run warns when the source's binary logs begin less than this before the backup; without it ``[cycle]
    every``: one missed cycle would then end the chain of backups."""
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
        if self.host and self.hosts:
            raise ValueError("host and hosts are given; leave one out")
        if not self.host and not self.hosts:
            raise ValueError("no primary is given: set host, or hosts")
        if twice := [address for address in self.candidates if self.candidates.count(address) > 1]:
            raise ValueError(f"hosts names {twice[0]} twice")
        if self.source == "replica" and not self.replica_hosts and len(self.hosts) < 2:
            raise ValueError('source is "replica", which needs replica_hosts, or hosts with two servers or more')
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
    def candidates(self) -> tuple[Address, ...]:
        """Where every server listens that can be the primary, whichever of ``host`` and ``hosts`` names it."""
        if self.host:
            return (Address(self.host, self.port),)
        return tuple(parse_address(text, self.port) for text in self.hosts)

    @property
    def replicas(self) -> tuple[Address, ...]:
        """Where every replica listens that may be a source; empty when it is one of the candidates."""
        return tuple(parse_address(text, self.port) for text in self.replica_hosts)

    @property
    def keyspace(self) -> str:
        """The first part of the name."""
        return self.name.split("/")[0]
