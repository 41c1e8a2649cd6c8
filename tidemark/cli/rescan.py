"""``--rescan``: makes what Redis knows agree with the repository, which is the truth."""

from __future__ import annotations

from collections.abc import Sequence

from tidemark import fleet, wiring
from tidemark.config import Settings
from tidemark.fleet.metrics import MirrorState, NewestBackup, ProvenBackup, set_mirrors, set_newest, set_proven
from tidemark.maintenance import mirror
from tidemark.repository import Backup
from tidemark.steps import MirrorResult


def rescan(settings: Settings, shards: Sequence[str]) -> None:
    """Reads every backup's manifest head and every mirror's list, and writes the shards' views."""
    repository = wiring.open_repository(settings)
    with fleet.connect(settings.redis) as client:
        for shard in shards:
            backups = repository.shard(shard).backups()
            set_mirrors(client, shard, [_mirror(found) for found in mirror.look(settings, shard)])
            set_newest(client, shard, _newest(backups[-1]) if backups else None)
            if proofs := [backup for backup in backups if backup.restored_from is not None]:
                set_proven(client, shard, _proven(backups, proofs[-1]))


def _mirror(found: MirrorResult) -> MirrorState:
    return MirrorState(url=found.url, newest=found.newest, missing=found.missing, error=found.error)


def _proven(backups: Sequence[Backup], proof: Backup) -> ProvenBackup:
    number = proof.restored_from or 0
    made = next((backup.finished_at for backup in backups if backup.number == number), None)
    return ProvenBackup(number=number, proven_at=proof.finished_at, finished_at=made)


def _newest(backup: Backup) -> NewestBackup:
    return NewestBackup(
        number=backup.number,
        position=backup.position,
        finished_at=backup.finished_at,
        bytes=backup.bytes,
        stored_bytes=backup.stored_bytes,
        digest=backup.digest,
    )
