"""Page checksums of files that real servers have written; and what happens to a page that is spoilt afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.primary import Primary
from sandbox.programs import Flavour
from sandbox.schema import create_rich_schema
from tests.support.needs import need_flavour
from tests.support.project import Project
from tidemark.mysql.data_folder import page_checksums

pytestmark = pytest.mark.integration

SHARD = "commerce/-80"


@pytest.mark.parametrize("flavour", ["mariadb", "mysql"])
def test_every_page_of_a_real_backup_is_checked_and_a_flipped_bit_is_found(flavour: Flavour, tmp_path: Path) -> None:
    need_flavour(flavour)
    project = Project(tmp_path)
    with Primary(tmp_path / "primary", flavour) as primary:
        create_rich_schema(primary)
        project.add_shard(SHARD, primary)
        number = project.json("backup", SHARD)["number"]

    told = project.json("verify", SHARD)
    assert (told["number"], told["sound"], told["damages"]) == (number, True, 0)
    assert told["pages"] > 500
    assert told["unchecked_pages"] <= 128, "only the copies in the system tablespace's doublewrite area"

    data = tmp_path / "data"
    project.json("restore", SHARD, "--to", str(data))
    kinds = set()
    for path in sorted(
        path for path in data.rglob("*") if page_checksums.is_data_file(path.relative_to(data).as_posix())
    ):
        name, content = path.relative_to(data).as_posix(), bytearray(path.read_bytes())
        form = page_checksums.read_format(bytes(content[:65536]), 16384)
        assert form.known, name
        for number in range(len(content) // form.size):
            at = number * form.size
            page = memoryview(content)[at : at + form.size]
            if page_checksums.check_page(form, page) is None or not any(page):
                continue
            place = 40 + number * 7919 % (form.size - 60)
            page[place] ^= 1 << number % 8
            found = page_checksums.check(name, form, at, page)
            page[place] ^= 1 << number % 8
            skipped = name == "ibdata1" and found.unchecked
            assert skipped or [bad for bad, _ in found.bad] == [number], (name, number, place)
        kinds.add((form.size, form.full, form.zipped))
    assert kinds == {(16384, flavour == "mariadb", False), (8192, False, True)}
