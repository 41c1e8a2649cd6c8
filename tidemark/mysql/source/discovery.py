"""Which of several servers is the primary, and which replica may stand in for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from tidemark.errors import PrimaryUnclear, SourceDenied, SourceUnfit, SourceUnreachable, TidemarkError
from tidemark.mysql.endpoint import Endpoint
from tidemark.mysql.source.base import Source
from tidemark.mysql.source.connect import connect

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Replica:
    """A replica that may be used as the source."""

    endpoint: Endpoint
    lag: float
    """Seconds behind, as it estimates itself."""


def find_primary(candidates: Sequence[Endpoint], flavour: str = "auto") -> Endpoint:
    """The one of them that takes writes; all are asked at once. A single candidate is not asked.

    Raises ``PrimaryUnclear`` when none or several take writes, ``SourceUnreachable`` or ``SourceDenied`` when all of
    them are that.
    """
    if len(candidates) == 1:
        return candidates[0]
    answers = _ask_all(candidates, flavour, lambda source: source.takes_writes())
    writable = [endpoint for endpoint, answer in answers if answer is True]
    if len(writable) == 1:
        return writable[0]
    if len(writable) > 1:
        raise PrimaryUnclear(
            f"{' and '.join(map(str, writable))} all take writes; only one can be the primary",
            "set read_only = ON (and super_read_only on MySQL) on those that are not; Tidemark does not guess",
        )
    said = "; ".join(_describe(endpoint, answer) for endpoint, answer in answers)
    for kind in (SourceUnreachable, SourceDenied):
        if all(isinstance(answer, kind) for _, answer in answers):
            raise kind(f"no host of the shard can be asked: {said}", "see hosts, user and password_file of the shard")
    raise PrimaryUnclear(
        f"no host of the shard takes writes: {said}",
        "if a failover is under way, wait for its end; else set read_only = OFF on the primary, and list it in hosts",
    )


def _describe(endpoint: Endpoint, answer: bool | TidemarkError) -> str:
    return answer.message if isinstance(answer, TidemarkError) else f"{endpoint} is read-only"


def find_replica(candidates: Sequence[Endpoint], max_lag: float, flavour: str = "auto") -> Replica:
    """The replica with the smallest lag (seconds) of those that replicate, and log what they replicate. Raises
    ``SourceUnfit`` with the reason for each when there is none that is less than ``max_lag`` behind."""
    answers = _ask_all(candidates, flavour, lambda source: _look(source, max_lag))
    fit = [answer for _, answer in answers if isinstance(answer, Replica)]
    if fit:
        return min(fit, key=lambda replica: replica.lag)
    problems = [answer for _, answer in answers if isinstance(answer, TidemarkError)]
    kind = type(problems[0]) if len({type(problem) for problem in problems}) == 1 else SourceUnfit
    raise kind(
        "no replica can be the source: " + "; ".join(problem.message for problem in problems),
        next((problem.hint for problem in problems if problem.hint), "")
        or 'set source = "primary" for as long as there is none',
    )


def _look(source: Source, max_lag: float) -> Replica:
    source.check_rights([source.status_right])
    upstreams = source.upstreams()
    if not upstreams:
        raise SourceUnfit(
            f"{source.endpoint} replicates from nobody",
            'if it has become the primary, take it out of replica_hosts, or set source = "primary"',
        )
    if found := source.server_filters():
        raise _filtered(source.endpoint, "", found)
    for upstream in upstreams:
        where = f"{upstream.host}:{upstream.port}"
        if not upstream.running:
            raise SourceUnfit(
                f"{source.endpoint} has stopped to replicate from {where}"
                + (f": {upstream.error}" if upstream.error else ""),
                "START REPLICA there once its error is mended",
            )
        if upstream.filters:
            raise _filtered(source.endpoint, f" from {where}", upstream.filters)
        if upstream.behind is None or upstream.behind > max_lag:
            seen = "an unknown time" if upstream.behind is None else f"{upstream.behind:.0f} s"
            raise SourceUnfit(
                f"{source.endpoint} is {seen} behind {where}, and max_replica_lag is {max_lag:.0f} s",
                "wait until it has caught up, or raise max_replica_lag",
            )
    name = "log_slave_updates"
    if source.session.value("SELECT @@GLOBAL.log_slave_updates").upper() not in {"1", "ON"}:
        raise SourceUnfit(
            f"{source.endpoint} does not log what it replicates ({name} is OFF): nobody can follow it",
            f"start it with {name} = ON",
        )
    return Replica(source.endpoint, max(upstream.behind or 0.0 for upstream in upstreams))


def _filtered(endpoint: Endpoint, origin: str, filters: tuple[str, ...]) -> SourceUnfit:
    return SourceUnfit(
        f"{endpoint} does not apply all that it replicates{origin}: {'; '.join(filters)}",
        "use a replica without it, or the primary; to take the filter away does not bring back what is missing: such a "
        "replica has to be made anew",
    )


def _ask_all(
    endpoints: Sequence[Endpoint], flavour: str, question: Callable[[Source], Answer]
) -> list[tuple[Endpoint, Answer | TidemarkError]]:
    """Each server's answer, or the error that stood in its way: those that are dead must not hold up the others."""

    def ask(endpoint: Endpoint) -> Answer | TidemarkError:
        try:
            with connect(endpoint, flavour) as source:
                return question(source)
        except TidemarkError as error:
            return error

    with ThreadPoolExecutor(max(1, len(endpoints)), thread_name_prefix="ask") as pool:
        return list(zip(endpoints, pool.map(ask, endpoints), strict=True))
