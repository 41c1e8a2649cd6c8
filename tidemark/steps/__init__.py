"""What a run does, step by step: restore, catchup, stop, upload. No Celery and no Redis in here.

Each step is a module with a ``run(run, progress=..., guard=...)`` that returns a frozen result. A step that is asked
twice does its work once: its result stands in the run's folder.
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
