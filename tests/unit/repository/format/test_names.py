"""Names of objects and what is read from them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tidemark.repository.format.names import PackName, ShardNames, is_run_id, run_time

pytestmark = pytest.mark.unit

NAMES = ShardNames("commerce/-80")


def test_names_are_read_as_they_are_written() -> None:
    pack = PackName("20261123T210713Z-1a2b3c4d", 3_000_017)

    assert NAMES.manifest(42) == "commerce/-80/backups/000000000042"
    assert NAMES.pack(pack) == "commerce/-80/packs/20261123T210713Z-1a2b3c4d/000003000017"
    assert NAMES.parse_manifest(NAMES.manifest(42)) == 42
    assert NAMES.parse_pack(NAMES.pack(pack)) == pack


@pytest.mark.parametrize("rest", ["42", "000000000000", "000000000042.bak", "x", "", "٠٠٠٠٠٠٠٠٠٠٤٢", "a/000000000042"])
def test_other_names_are_no_manifests(rest: str) -> None:
    assert NAMES.parse_manifest(NAMES.backups + rest) is None


@pytest.mark.parametrize("rest", ["000000000042", "run/42", "run/x/000000000042", "../000000000042", "/000000000042"])
def test_other_names_are_no_packs(rest: str) -> None:
    assert NAMES.parse_pack(NAMES.packs + rest) is None


@pytest.mark.parametrize("text", ["", ".", "..", "-a", "a/b", "a b", "é", "a" * 101, "a\n"])
def test_what_would_not_be_one_part_of_a_name_is_no_run(text: str) -> None:
    assert not is_run_id(text)


def test_a_runs_id_tells_when_it_began() -> None:
    began = datetime(2026, 11, 23, 21, 7, 13, tzinfo=UTC)
    assert run_time("20261123T210713Z-1a2b3c4d") == run_time("20261123T210713Z") == began
    assert run_time("20261399T210713Z-1a2b3c4d") is None
    assert run_time("handmade") is None
    assert run_time("20261123T210713Zabc") is None
