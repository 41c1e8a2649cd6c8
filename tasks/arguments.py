"""What a message may say. Whoever can write to the broker can send anything: every argument of every task is checked
against the task's own annotations, and a shard against the configuration, before anything is done with it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, get_type_hints

from pydantic import ConfigDict, StringConstraints, TypeAdapter, ValidationError

from tidemark.config import Settings
from tidemark.errors import ConfigError
from tidemark.shards import topology

TaskId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z._:-]{0,127}$")]
"""An id that Celery made, or somebody gave."""
Sentence = Annotated[str, StringConstraints(max_length=4000)]
"""What happened, for people: goes into logs and results, and nowhere else."""

SHARD = "shard"
"""The name of every argument that names a shard."""


def check(
    name: str,
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    settings: Settings | None,
) -> None:
    """Raises ``ConfigError`` unless ``function``, the task's own, could have been meant to be called like this.

    Types are those of the annotations, strictly: ``"1"`` is no number. With ``settings`` a shard must be configured
    (``UnknownShard``); without, it must be what a shard can be called.
    """
    try:
        given = inspect.signature(function).bind(*args, **kwargs).arguments
    except TypeError as error:
        raise ConfigError(f"{name} cannot be called like this: {error}") from None
    adapters = _adapters(inspect.unwrap(getattr(function, "__func__", function)))
    for parameter, value in given.items():
        try:
            adapters[parameter].validate_python(value)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_context=False, include_input=False)[0]["msg"]
            message = problem.removeprefix("Value error, ")
            raise ConfigError(f"{name}: {parameter} is {value!r:.100}: {message}") from None
    if settings is not None and SHARD in given:
        topology(settings).find(given[SHARD])


@functools.cache
def _adapters(function: Callable[..., Any]) -> dict[str, TypeAdapter[Any]]:
    hints = get_type_hints(function, include_extras=True)
    names = inspect.signature(function).parameters
    return {name: TypeAdapter(hints[name], config=ConfigDict(strict=True)) for name in names if name != "self"}
