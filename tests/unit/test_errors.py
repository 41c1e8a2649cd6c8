"""Errors travel as JSON and come back whole."""

from __future__ import annotations

import pytest

from tidemark import errors

pytestmark = pytest.mark.unit

ALL = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.TidemarkError)]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_an_error_can_be_made_again_from_its_arguments(kind: type[errors.TidemarkError]) -> None:
    error = kind("it broke", "mend it")

    again = kind(*error.args)

    assert (again.message, again.hint) == ("it broke", "mend it")
    assert str(again) == "it broke\nHINT: mend it"


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_the_tree_in_the_modules_docstring_names_every_error(kind: type[errors.TidemarkError]) -> None:
    assert f"{kind.__name__} " in (errors.__doc__ or "").replace("\n", " \n")
