"""What a run does, step by step: restore, catchup, stop, upload. No Celery and no Redis in here.

Each step is a module with a ``run(run, progress=..., guard=...)`` that returns a frozen result. A step that is asked
twice does its work once: its result stands in the run's folder.
"""

from tidemark.steps import backup, catchup, cleanup, mirror, restore, stop, upload
from tidemark.steps.cleanup import clear_strays, discard, runs_on_disk
from tidemark.steps.results import CatchupResult, MirrorResult, RestoreResult, StopResult, UploadResult
from tidemark.steps.run import Guard, Run, RunId, RunOnDisk, Seen, always

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
    "always",
    "backup",
    "catchup",
    "cleanup",
    "clear_strays",
    "discard",
    "mirror",
    "restore",
    "runs_on_disk",
    "stop",
    "upload",
]
