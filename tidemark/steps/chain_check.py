"""Is the newest backup still the one that was seen there before?"""

from __future__ import annotations

from tidemark.errors import ChainBroken
from tidemark.repository import History
from tidemark.steps.run import Known, Run, Seen


def check(run: Run, history: History, known: Known, seen: Seen | None = None) -> None:
    """``ChainBroken`` when the backup that is remembered as the newest has vanished without a newer one, or another
    one stands under its number. ``known`` is what this node remembers, ``seen`` what somebody else does. Older ones may
    go: that is pruning. A repository without any backup is the first-backup policy's matter."""
    if here := known.seen():
        _check(run, history, here, "this node", f"remove {known.path}")
    if seen:
        _check(run, history, seen, "the fleet", "tidemark status --rescan")


def _check(run: Run, history: History, seen: Seen, who: str, accept: str) -> None:
    numbers = {*history.unreadable, *(backup.number for backup in history.backups)}
    if not numbers:
        return
    url = run.settings.repository.url
    hint = f"see who has changed the repository, and look at its mirrors; to go on with what is there: {accept}"
    if max(numbers) < seen.number:
        raise ChainBroken(
            f"{run.shard.name}: {who} has seen backup {seen.number} in {url}, and the newest there is {max(numbers)}",
            hint,
        )
    for backup in history.backups:
        if backup.number == seen.number and seen.digest and backup.digest != seen.digest:
            raise ChainBroken(
                f"{run.shard.name}: backup {seen.number} in {url} is another one than {who} has seen: its manifest's "
                f"digest was {seen.digest[:16]} and is {backup.digest[:16]}",
                hint,
            )
