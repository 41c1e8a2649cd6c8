"""Where an error came from is told by file, line and function of our own code, and by nothing else."""

from __future__ import annotations

import json

import pytest

from tasks.worker import figures
from tidemark.config import parse_duration
from tidemark.errors import RunError

pytestmark = pytest.mark.unit


def caught(call: object) -> BaseException:
    with pytest.raises(Exception) as info:  # noqa: PT011
        call()  # type: ignore[operator]
    return info.value


def test_the_innermost_line_of_ours_is_named() -> None:
    place = figures.place(caught(lambda: parse_duration("never")))

    assert place.startswith("tidemark/config/types.py:")
    assert place.endswith(", in parse_duration")


def test_an_error_that_never_passed_our_code_has_no_place() -> None:
    assert figures.place(caught(lambda: json.loads("{"))) == ""
    assert figures.place(RunError("never raised")) == ""
