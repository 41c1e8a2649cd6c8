"""What a run does, step by step: restore, catchup, stop, upload. No Celery and no Redis in here.

Each step is a module with a ``run(run, progress=..., guard=...)`` that returns a frozen result. A step that is asked
twice does its work once: its result stands in the run's folder.

::

    alone         the four steps in one process, without a broker
    bounds        room on the node's disk, before and while a step works
    bridges       will the next runs still find the binary logs they need?
    catchup       the second step: the private server reaches the checkpoint
    chain_check   is the newest backup still the one that was seen before?
    cleanup       after a run, however it ended
    restore       the first step: a data folder at a known position
    run           one attempt at a shard's next backup, and its folder
    sources       where a run's transactions come from
    stop          the third step: a cold data folder and its exact position
    tools         what a step opens once, at its top
    upload        the fourth step: a committed full backup
    warm_folders  ``[node] keep``: data folders that stay for the next run
"""

from tidemark.progress import Guard, always
from tidemark.results import CatchupResult, MirrorResult, RestoreResult, StopResult, UploadResult
from tidemark.steps import alone, catchup, cleanup, restore, stop, upload
from tidemark.steps.cleanup import clear_strays, discard, runs_on_disk
from tidemark.steps.run import Run, RunId, RunOnDisk, Seen

__all__ = [
    "CatchupResult",
    "Guard",
    "MirrorResult",
    "RestoreResult",
    "Run",
    "RunId",
    "RunOnDisk",
    "Seen",
    "StopResult",
    "UploadResult",
    "alone",
    "always",
    "catchup",
    "cleanup",
    "clear_strays",
    "discard",
    "restore",
    "runs_on_disk",
    "stop",
    "upload",
]
