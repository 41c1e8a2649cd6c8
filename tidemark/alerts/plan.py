"""What is to be told of a shard, given what is wrong with it now and what was told before. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tidemark.fleet.health import Trouble
from tidemark.fleet.incidents import Incident

Word = Literal["problem", "worse", "still", "recovered", "test"]


class Event(BaseModel):
    """One thing to tell of one shard."""

    model_config = ConfigDict(frozen=True)

    event: Word
    """``problem``: something is wrong. ``worse``: something else as well. ``still``: it is not over. ``recovered``."""
    shard: str
    since: datetime
    """When this trouble was first seen, UTC."""
    troubles: tuple[Trouble, ...] = ()
    """What is wrong now; what was wrong, for ``recovered``."""
    run: str = ""
    """The run that failed, if one did."""
    hint: str = ""
    """What to try, if the error said so."""

    @property
    def text(self) -> str:
        """The event in one line."""
        what = "; ".join(trouble.message for trouble in self.troubles)
        match self.event:
            case "recovered":
                return f"{self.shard} has recovered (was: {what})"
            case "still":
                return f"{self.shard} still: {what}"
            case "test":
                return "This is a test message of Tidemark. Nothing is wrong."
        return f"{self.shard}: {what}"


@dataclass(frozen=True, slots=True)
class Findings:
    """How a shard is now."""

    troubles: tuple[Trouble, ...] = ()
    """What is wrong; nothing when all is well."""
    run: str = ""
    """The run that failed, if one did."""
    hint: str = ""
    """What to try, if the error said so."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How often people want to hear of it."""

    repeat_every: timedelta
    """After which a trouble that lasts is told again."""
    patience: timedelta
    """How long a shard may have no backup at all: a new one has to wait for its first run."""


def plan(
    shard: str, known: Incident | None, found: Findings, now: datetime, habits: Habits
) -> tuple[Event | None, Incident | None]:
    """The event to tell, if any, and what to remember once it has been told; None when there is nothing to remember.

    A trouble is told once, something worse at once, the same again in its time, and that it is over once.
    """
    troubles = found.troubles
    if not troubles:
        if known is None or known.told is None:
            return None, None
        return Event(event="recovered", shard=shard, since=known.since, troubles=known.troubles), None
    since = known.since if known else now
    kinds = frozenset(trouble.kind for trouble in troubles)
    if known is None or known.told is None:
        waiting = Incident(since=since, troubles=troubles, kinds=kinds)
        if kinds == {"no-backup"} and now - since < habits.patience:
            return None, waiting
        word: Word = "problem"
    elif kinds - known.kinds:
        word = "worse"
    elif now - known.told >= habits.repeat_every:
        word = "still"
    else:
        # Told already; a part of it may be over, and comes back without being told anew.
        return None, known
    event = Event(event=word, shard=shard, since=since, troubles=troubles, run=found.run, hint=found.hint)
    before = known.kinds if known and known.told else frozenset()
    return event, Incident(since=since, troubles=troubles, kinds=kinds | before, told=now)
