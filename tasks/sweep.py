"""``tasks.sweep``: on a node's own queue, so that none of its steps runs meanwhile: what is left over on its disk."""

from __future__ import annotations

import logging
from typing import Any

from tasks import app
from tasks.base import FleetTask
from tasks.worker.recovery import clean_up_after, to_be_continued
from tidemark import steps
from tidemark.queue import messages

log = logging.getLogger(__name__)


@app.task(name="tasks.sweep", base=FleetTask, bind=True, ignore_result=True)
def sweep(self: FleetTask) -> dict[str, Any]:
    """Ends servers whose run's folder is gone, and has those runs of this node cleared that no message continues. A
    node does one task at a time: what is not this one waits in its queue, or was never going to come."""
    strays = steps.clear_strays(self.settings())
    for stray in strays:
        log.warning("%s", stray)
    with messages.channel() as channel:
        continued = to_be_continued(channel, self.node)
    return {"strays": strays, "runs": clean_up_after(self.node, continued, "nobody continues the run")}
