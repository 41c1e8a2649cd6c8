"""``--rescan``: makes what Redis knows agree with the repository, which is the truth."""

from __future__ import annotations

from collections.abc import Sequence

from tidemark import fleet, wiring
from tidemark.config import Settings
from tidemark.fleet.metrics import NewestBackup, ProvenBackup, set_mirrors, set_newest, set_proven
from tidemark.maintenance import mirror
from tidemark.repository import Backup


def rescan(settings: Settings, shards: Sequence[str]) -> None:
    """Reads every backup's manifest head and every mirror's list, and writes the shards' views."""
    repository = wiring.open_repository(settings)
    with fleet.connect(settings.redis) as client:
        for shard in shards:
            backups = repository.shard(shard).catalog.backups()
            set_mirrors(client, shard, mirror.look_at_all(settings, shard))
            newest = NewestBackup.model_validate(backups[-1], from_attributes=True) if backups else None
            set_newest(client, shard, newest)
            if proofs := [backup for backup in backups if backup.proves is not None]:
                set_proven(client, shard, _proven(backups, proofs[-1]))


def _proven(backups: Sequence[Backup], proof: Backup) -> ProvenBackup:
    number = proof.proves or 0
    made = next((backup.finished_at for backup in backups if backup.number == number), None)
    return ProvenBackup(number=number, proven_at=proof.finished_at, finished_at=made)
