"""Every metric there is: its name, kind, labels and meaning. docs/metrics.md is made from this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["gauge", "counter", "histogram"]
SHARD = ("keyspace", "shard")


@dataclass(frozen=True, slots=True)
class Family:
    """One metric."""

    name: str
    """As a query names it; a counter's ends in ``_total``."""
    kind: Kind
    labels: tuple[str, ...]
    help: str
    group: str
    """The heading that docs/metrics.md puts it under."""


def _group(group: str, *rows: tuple[str, Kind, tuple[str, ...], str]) -> tuple[Family, ...]:
    return tuple(Family(f"tidemark_{name}", kind, labels, text, group) for name, kind, labels, text in rows)


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        *_group(
            "The exporter itself",
            ("up", "gauge", (), "1 when Redis could be read at this scrape, else 0 and most of the rest is missing."),
            ("scrape_seconds", "gauge", (), "Seconds that reading Redis took at this scrape."),
            ("scrape_failures_total", "counter", (), "Scrapes of this process at which Redis could not be read."),
            ("config_valid", "gauge", (), "1 when the configuration file is valid, 0 when an older one still counts."),
            ("build_info", "gauge", ("version",), "Always 1; the version of Tidemark."),
        ),
        *_group(
            "The configuration",
            ("shards", "gauge", ("keyspace",), "Shards in the configuration."),
            ("cycle_seconds", "gauge", (), "[cycle] every: seconds from one backup of a shard to its next one."),
            ("backup_age_limit_seconds", "gauge", (), "How old a shard's newest backup may be: [alert] max_age."),
            (
                "proven_backup_age_limit_seconds",
                "gauge",
                (),
                "How old a shard's newest proven backup may be: [alert] max_proven_age.",
            ),
        ),
        *_group(
            "Is every shard safe?",
            ("backup_exists", "gauge", SHARD, "1 when the shard has a complete backup, else 0."),
            ("backup_age_seconds", "gauge", SHARD, "Seconds since the newest complete backup was finished."),
            (
                "proven_backup_age_seconds",
                "gauge",
                SHARD,
                "Seconds since the newest backup was finished that a later run has fetched, started and gone on from.",
            ),
            ("backup_number", "gauge", SHARD, "The number of the newest complete backup."),
            ("backup_size_bytes", "gauge", SHARD, "Bytes of database files that the newest backup holds."),
            ("backup_stored_bytes", "gauge", SHARD, "Bytes that the newest backup added to the repository."),
            ("damaged_backups", "gauge", SHARD, "Newer backups that the last run found damaged and passed over."),
            (
                "mirror_missing_backups",
                "gauge",
                (*SHARD, "mirror"),
                "Backups that a mirror does not have; missing while it could not be reached.",
            ),
            ("mirror_failing", "gauge", (*SHARD, "mirror"), "1 when a mirror could not be brought level, else 0."),
        ),
        *_group(
            "Runs",
            (
                "runs_total",
                "counter",
                (*SHARD, "outcome"),
                "Runs that ended: succeeded, skipped, failed, revoked, lost.",
            ),
            ("run_failures_total", "counter", (*SHARD, "step"), "Failed runs by the step that they ended at."),
            ("consecutive_failures", "gauge", SHARD, "Runs that failed since the last one that ended well."),
            (
                "last_success_timestamp_seconds",
                "gauge",
                SHARD,
                "When a run last ended well; one with nothing to do counts.",
            ),
            ("open_runs", "gauge", (), "Runs that have not ended."),
            (
                "running_step_seconds",
                "gauge",
                (*SHARD, "step", "node"),
                "Seconds since the step began that a run of the shard is at; missing while none runs.",
            ),
            ("running_step_progress_ratio", "gauge", (*SHARD, "step"), "How much of the running step's phase is done."),
            ("running_step_left_seconds", "gauge", (*SHARD, "step"), "Seconds until the running step's phase is done."),
            ("step_duration_seconds", "histogram", ("keyspace", "step"), "How long steps took that ended well."),
            (
                "last_step_duration_seconds",
                "gauge",
                (*SHARD, "step"),
                "How long the step took when it last ended well.",
            ),
            ("storage_retries_total", "counter", (*SHARD, "step"), "Steps that were tried again: the store was away."),
            ("lease_losses_total", "counter", SHARD, "Steps that ended because their run had lost the shard's lease."),
        ),
        *_group(
            "Bytes and transactions",
            ("read_bytes_total", "counter", SHARD, "Bytes of database files that uploads went through."),
            ("stored_bytes_total", "counter", SHARD, "Bytes that runs added to the repository."),
            ("fetched_bytes_total", "counter", SHARD, "Bytes that restores took from the repository."),
            ("replicated_transactions_total", "counter", SHARD, "Transactions that catch-ups applied."),
            ("last_catchup_transactions", "gauge", SHARD, "Transactions that the last catch-up applied."),
        ),
        *_group(
            "The primaries",
            (
                "catchup_lag_seconds",
                "gauge",
                SHARD,
                "How old the restored data was when the last catch-up began: what it had to catch up with.",
            ),
            (
                "catchup_missing_transactions",
                "gauge",
                SHARD,
                "Transactions that the running catch-up has yet to apply.",
            ),
            (
                "source_lag_seconds",
                "gauge",
                SHARD,
                "How far the replica was behind that the last catch-up read in the primary's stead.",
            ),
            ("source_failovers_total", "counter", SHARD, "How often a catch-up went on with another source."),
            (
                "binlog_bridge_seconds",
                "gauge",
                SHARD,
                "How much older the restored backup could have been for the source to still have all that follows it.",
            ),
            ("binlog_bridge_bytes", "gauge", SHARD, "Bytes of binary logs older than the first one that was needed."),
            ("binlog_bridge_warning", "gauge", SHARD, "1 when the next run may find binary logs purged, else 0."),
            ("binlog_retention_seconds", "gauge", SHARD, "For how long the source keeps binary logs; 0: for ever."),
            ("binlog_size_bytes", "gauge", SHARD, "Bytes of all binary logs that the source has."),
        ),
        *_group(
            "The fleet",
            ("nodes", "gauge", (), "Nodes that are there."),
            ("node_uptime_seconds", "gauge", ("node",), "Seconds that a node has been there."),
            (
                "queue_length",
                "gauge",
                ("queue",),
                "Messages that wait: shared queues, and those of nodes that are there.",
            ),
            ("beat_up", "gauge", (), "1 while a beat emits the cycles' runs, else 0."),
        ),
    )
}
