"""What the four steps share: the lease, the run's record, the shard's metrics, the log's context, and what an error
means."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn

from celery.exceptions import Ignore, SoftTimeLimitExceeded

from tasks.base import FleetTask, Value, fail_run, new_record
from tasks.worker import figures, logs
from tasks.worker.progress import Reporter
from tidemark import fleet, steps
from tidemark.errors import LimitExceeded, RunError, StorageUnavailable, TidemarkError
from tidemark.fleet import RunRecord, metrics, records
from tidemark.fleet.metrics import RunningStep
from tidemark.progress import Progress, ProgressCallback
from tidemark.queue import admission, messages
from tidemark.results import Failure, StepResult

log = logging.getLogger(__name__)

RETRIES = 3
"""How often a step is tried again while the repository's store is away."""
RETRY_AFTER = 15
"""Seconds before the first of these; doubled each time. Together they stay within the lease's life."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What a step is given."""

    run: steps.Run
    progress: ProgressCallback
    guard: steps.Guard
    living_runs: frozenset[str]
    """Ids of all runs that have not ended."""


class StepTask(FleetTask):
    """One of a run's four steps. The task's name ends in the step's."""

    abstract = True

    def perform(self, shard: str, run_id: str, work: Callable[[Stage], StepResult]) -> Value:
        """Does the step, once: a run that has ended well gives its result again, and one that has ended otherwise is
        left alone."""
        step = self.name.rpartition(".")[2]
        client = self.redis()
        record = fleet.persist(lambda: records.get(client, run_id))
        if record and record.state != "open":
            return self._ended(record)
        run = steps.Run.load(self.settings(), self.config_path(), run_id)
        if run.shard.name != shard:
            raise RunError(f"run {run_id} is one of {run.shard.name}, not of {shard}")
        if run.on_disk.node_id != self.node:
            raise RunError(
                f"{run.shard.name}: run {run_id} belongs to node {run.on_disk.node_id}, but its {step} step came to "
                f"{self.node}",
                "give every worker a name of its own (-n), and do not consume another node's queue",
            )
        with logs.about(run.shard.name, run_id, step):
            try:
                result = self._do(run, record, step, work)
            except StorageUnavailable as error:
                self._check_still_ours(run)
                if self.request.retries < RETRIES:
                    log.warning("%s; trying again", error.message)
                    figures.count(client, shard, step, error)
                    raise self.retry(
                        exc=error,
                        countdown=RETRY_AFTER * 2**self.request.retries,
                        max_retries=RETRIES,
                        queue=self.queue_here,
                        priority=0,
                    ) from error
                self._failed(run, step, error)
                raise
            except SoftTimeLimitExceeded as error:
                exceeded = self._over_the_limit(run, step)
                self._failed(run, step, exceeded)
                raise exceeded from error
            except Exception as error:
                self._check_still_ours(run)
                self._failed(run, step, error)
                raise
            return result

    def _over_the_limit(self, run: steps.Run, step: str) -> LimitExceeded:
        """What a step that took too long is told to be; says how far it was."""
        seconds = (self.request.timelimit or (None, None))[1]
        at = fleet.metrics.views(self.redis(), [run.shard.name])[0].progress
        seen = f" of {at.total}" if at and at.total is not None else ""
        where = f'; it was at "{at.phase}", {at.done}{seen} {at.unit}' if at else ""
        return LimitExceeded(
            f"{run.shard.name}: the {step} step took longer than {seconds} s ([limits] {step}){where}",
            f"raise [limits] {step} if it was still getting on; without it, only a step that does not get on is ended",
        )

    def _check_still_ours(self, run: steps.Run) -> None:
        """An error of a run that somebody else has ended (cancelled, or given up as lost) is nobody's news: its id
        says already what became of it, or belongs to the run that took its place."""
        try:
            record = records.get(self.redis(), run.id)
        except TidemarkError:
            return
        if record and record.state != "open":
            self._drop(record)

    def _do(self, run: steps.Run, record: RunRecord | None, step: str, work: Callable[[Stage], StepResult]) -> Value:
        client, shard = self.redis(), run.shard.name
        fence = record.fence if record else None
        with fleet.Lease(client, shard, fleet.leases.Owner(run.id, self.node, step), fence=fence) as lease:
            if record is None:
                record = self._record_again(run, lease.fence)
            fleet.persist(lambda: records.enter(client, run.id, step))
            running = RunningStep(run=run.id, node=self.node, step=step, started=datetime.now(UTC))
            fleet.persist(lambda: metrics.begin_step(client, shard, running))
            living = frozenset(other.run for other in fleet.persist(lambda: records.open_runs(client)))
            log.info("begins")
            with Reporter(self, client, shard=shard, run=run.id, step=step) as reporter:
                result = work(Stage(run, _watched(reporter, lease), lease.guard, living))
        return self._succeeded(run, record, step, result)

    def _record_again(self, run: steps.Run, fence: int) -> RunRecord:
        """Redis has lost its data; the run's folder has not."""
        record = new_record(run, node=self.node, root=self.root, fence=fence)
        fleet.persist(lambda: records.start(self.redis(), record))
        return record

    def _succeeded(self, run: steps.Run, record: RunRecord, step: str, result: StepResult) -> Value:
        client, shard = self.redis(), run.shard.name
        log.info("done in %.1f s%s", result.seconds, f": {result.skipped}" if result.skipped else "")
        facts = figures.of(run, result)
        fleet.persist(lambda: records.leave(client, run.id, step, result.seconds, facts))
        if not result.skipped:
            done = metrics.StepDone(
                result.seconds,
                bytes=getattr(result, "bytes", 0),
                transactions=getattr(result, "transactions", None),
                proven=figures.proven(run, result),
                caught=figures.caught(run, result),
            )
            fleet.persist(lambda: metrics.end_step(client, shard, step, done))
        if not isinstance(result, steps.UploadResult):
            return result.model_dump(mode="json")
        return self._end(record, result)

    def _end(self, record: RunRecord, result: steps.UploadResult) -> Value:
        """The last step is done: the run's result, its record, the shard's newest backup, and the lease."""
        client, shard, run_id = self.redis(), record.shard, record.run
        now = fleet.persist(lambda: records.get(client, run_id)) or record
        value: Value = {"shard": shard, "run": run_id, "node": self.node}
        if result.skipped:
            value["skipped"] = result.skipped
        else:
            value |= result.model_dump(
                mode="json",
                include={"number", "position", "finished_at", "bytes", "stored_bytes", "pruned", "mirrors", "damaged"},
            )
            value["seconds"] = now.seconds
            if result.number is None or result.finished_at is None:
                raise RunError(f"{shard}: the upload of run {run_id} names no backup")
            newest = metrics.NewestBackup.model_validate(result, from_attributes=True)
            fleet.persist(lambda: metrics.set_newest(client, shard, newest))
            fleet.persist(lambda: metrics.set_damaged(client, shard, result.damaged))
            fleet.persist(lambda: metrics.set_mirrors(client, shard, result.mirrors))
        fleet.persist(lambda: metrics.succeed(client, shard, skipped=result.skipped))
        state: records.EndState = "skipped" if result.skipped else "succeeded"
        fleet.persist(lambda: records.close(client, run_id, state, skipped=result.skipped, result=value))
        self._leave(record)
        admission.try_to_make_room(client, self.settings())
        self.tell_soon(over=shard)
        return value

    def _leave(self, record: RunRecord) -> None:
        """Last of all, when the run's record says how it ended: a node that is killed before it did that goes on with
        what the folder says, and one that is killed here comes here again."""
        fleet.persist(lambda: fleet.leases.release(self.redis(), record.shard, record.run, fence=record.fence))
        for folder, left in steps.runs_on_disk(self.settings()):
            if folder.name == record.run and (left is None or left.node_id == self.node):
                try:
                    steps.cleanup.run(folder)
                except RunError as error:
                    log.error("%s; the backup is complete", error)

    def _failed(self, run: steps.Run, step: str, error: Exception) -> None:
        """Notes what happened; the cleanup, which Celery calls next, does the rest."""
        log.error("failed: %s", error, exc_info=None if isinstance(error, TidemarkError) else error)
        if not isinstance(error, StorageUnavailable):
            figures.count(self.redis(), run.shard.name, step, error)
        try:
            fail_run(self.redis(), run.id, run.shard.name, step, Failure.of(error, figures.place(error)))
        except TidemarkError as trouble:
            log.warning("the failure could not be recorded: %s", trouble)

    def _ended(self, record: RunRecord) -> Value:
        if record.state not in records.ENDED_WELL:
            self._drop(record)
        log.info("%s: run %s has ended already; nothing to do", record.shard, record.run)
        self._leave(record)
        return record.result or {"shard": record.shard, "run": record.run}

    def _drop(self, record: RunRecord) -> NoReturn:
        log.warning("%s: run %s has ended as %s; dropping its step", record.shard, record.run, record.state)
        messages.send_cleanup(self.node, record.shard, record.run)
        raise Ignore(f"run {record.run} has ended as {record.state}")


def _watched(progress: ProgressCallback, lease: fleet.Lease) -> ProgressCallback:
    """Every loop that takes long tells its progress: there a step whose lease is lost stops at the latest."""

    def tell(newest: Progress) -> None:
        lease.check()
        progress(newest)

    return tell
