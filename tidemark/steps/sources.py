"""Where a run's transactions come from: the primary of this moment, or a replica that stands in for it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tidemark import files, mysql, shards
from tidemark.config import ShardSettings
from tidemark.errors import ErrantTransactions, PrimaryUnclear, SourceUnfit, SourceUnreachable, TidemarkError
from tidemark.progress import Guard, Progress, ProgressCallback
from tidemark.shards import Address, Topology
from tidemark.steps.run import Run

log = logging.getLogger(__name__)

ASK_AGAIN = 2.0
"""Seconds between two questions while there is no source."""


@dataclass(frozen=True, slots=True)
class Found:
    """A source that can be asked."""

    endpoint: mysql.Endpoint
    lag: float | None = None
    """Seconds behind the primary; None when it is the primary."""

    @property
    def replica(self) -> bool:
        return self.lag is not None


def primary(shard: ShardSettings, config_path: Path) -> mysql.Endpoint:
    """Where the shard's primary is at this moment, with the account as it is at this moment: the configuration and
    the password's file are read again. Raises ``PrimaryUnclear``."""
    return _primary(shards.current(config_path), shard.name)


def find(shard: ShardSettings, config_path: Path) -> Found:
    """The source that the configuration asks for at this moment. Raises ``SourceUnfit`` when that is a replica and
    none replicates closely enough."""
    topology = shards.current(config_path)
    now, servers = topology.find(shard.name), topology.servers(shard.name)
    if now.source == "primary":
        return Found(_primary(topology, shard.name))
    replicas = _endpoints(now, servers.sources(now.source))
    if not servers.replicas and (known := _primary_if_known(shard, config_path)):
        replicas = [endpoint for endpoint in replicas if str(endpoint) != str(known)]
    found = mysql.find_replica(replicas, now.max_replica_lag.total_seconds(), now.flavour)
    return Found(found.endpoint, found.lag)


def wait(run: Run, progress: ProgressCallback, guard: Guard) -> Found:
    """The same, once it answers: a primary that restarts, or a failover, is no reason to throw a restored backup away.
    Waits for ``stall_timeout`` at most, then raises what stood in the way; what waiting does not mend is raised at
    once."""
    patience, began = run.shard.stall_timeout.total_seconds(), time.monotonic()
    while True:
        guard()
        try:
            found = find(run.shard, run.config_path)
            with mysql.connect(found.endpoint, run.shard.flavour):
                return found
        except (SourceUnreachable, PrimaryUnclear) as error:
            waited = time.monotonic() - began
            if waited + ASK_AGAIN > patience:
                raise type(error)(f"{error.message} (waited {waited:.0f} s for it)", error.hint) from error
            detail = error.message.splitlines()[0][:160]
            progress(Progress("waiting for the source", int(waited), None, "seconds", detail))
            time.sleep(ASK_AGAIN)


def find_again(run: Run, position: str) -> mysql.Endpoint:
    """The source once more, in the middle of a catch-up that stands at ``position``. Another replica may just not have
    got there yet: raises ``SourceUnfit`` for such a one, worth waiting for, unless the primary lacks it too."""
    found = find(run.shard, run.config_path)
    if not found.replica:
        return found.endpoint
    with mysql.connect(found.endpoint, run.shard.flavour) as source:
        try:
            source.check_not_errant(position, "the copy")
        except ErrantTransactions as error:
            known = _primary_if_known(run.shard, run.config_path)
            if known is not None and _has(known, run.shard.flavour, position):
                raise SourceUnfit(
                    f"the replica {found.endpoint} is not as far yet as the copy, which is at {position}",
                    "wait until it has caught up",
                ) from error
    return found.endpoint


def _has(endpoint: mysql.Endpoint, flavour: str, position: str) -> bool:
    try:
        with mysql.connect(endpoint, flavour) as source:
            source.check_not_errant(position, "the copy")
    except TidemarkError:
        return False
    return True


def check_not_errant(run: Run, found: Found, position: str) -> None:
    """That a replica holds nothing of its own: the backup would hold it too, and could follow nobody else. A primary
    that cannot be asked is no reason to have no backup. Raises ``ErrantTransactions``."""
    if not found.replica:
        return
    known = _primary_if_known(run.shard, run.config_path)
    if known is None:
        return
    try:
        source = mysql.connect(known, run.shard.flavour)
    except TidemarkError as error:
        log.warning(
            "%s: nobody can say whether %s holds errant transactions: %s", run.shard.name, found.endpoint, error
        )
        return
    with source:
        source.check_not_errant(position, f"the replica {found.endpoint}")


def _primary(topology: Topology, name: str) -> mysql.Endpoint:
    shard = topology.find(name)
    return mysql.find_primary(_endpoints(shard, topology.servers(name).candidates), shard.flavour)


def _primary_if_known(shard: ShardSettings, config_path: Path) -> mysql.Endpoint | None:
    try:
        return primary(shard, config_path)
    except TidemarkError as error:
        log.warning("%s: the primary is not known at this moment: %s", shard.name, error)
        return None


def _endpoints(shard: ShardSettings, addresses: Sequence[Address]) -> list[mysql.Endpoint]:
    password = files.read_secret(shard.password_file, f"{shard.name}: password_file")
    return [
        mysql.Endpoint(address.host, address.port, shard.user, password, shard.tls, shard.tls_ca)
        for address in addresses
    ]
