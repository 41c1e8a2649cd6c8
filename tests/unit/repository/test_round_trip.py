"""Whatever happens to a folder between backups, every backup gives back exactly what was there."""

from __future__ import annotations

import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.backups import SMALL, allocated, facts, noise, open_shard, read_folder, upload, write_folder
from tidemark.errors import RepositoryError, RunError
from tidemark.progress import Progress
from tidemark.repository import FolderOrigin, NewBackup, RestoreOptions
from tidemark.repository.format.geometry import Geometry
from tidemark.storage import MemoryStore

pytestmark = pytest.mark.unit

BLOCK = SMALL.block_size
# A file is a row of blocks of few kinds, so that the same content comes again, at the same place and at others; the
# tail makes lengths that are no whole number of blocks.
files = st.tuples(st.lists(st.integers(0, 4), max_size=40), st.integers(0, BLOCK - 1), st.booleans()).map(
    lambda drawn: (
        b"".join(bytes(BLOCK) if kind == 0 else noise(kind, BLOCK) for kind in drawn[0])
        + (bytes(drawn[1]) if drawn[2] else noise("tail", drawn[1]))
    )
)
folders = st.dictionaries(st.sampled_from(["ibdata1", "db/t.ibd", "db/t#p#p0.ibd", "db/deep/x", "ü @0020"]), files)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(folders, min_size=1, max_size=5), st.integers(1, 4))
def test_every_backup_of_a_changing_folder_is_restored_byte_for_byte(
    states: list[dict[str, bytes]], threads: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        shard = open_shard(MemoryStore())
        for state in states:
            write_folder(work / "data", state)
            upload(shard, work / "data", threads=threads)

        backups = shard.catalog.backups()
        assert [backup.number for backup in backups] == list(range(1, len(states) + 1))
        for backup, state in zip(backups, states, strict=True):
            shard.restore(backup, work / f"out{backup.number}", RestoreOptions(threads=threads))
            assert read_folder(work / f"out{backup.number}") == state
        # One folder brought from each state to each other one by what differs.
        for backup, state in [*zip(backups, states, strict=True)][::-1]:
            restored = shard.restore(backup, work / "delta", RestoreOptions(threads=threads, reuse=True))
            assert read_folder(work / "delta") == state
            assert restored.bytes == sum(map(len, state.values())) == backup.bytes


names = st.sampled_from(["ibdata1", "db/t.ibd", "db/u.ibd", "db/deep/x"])
operations = st.one_of(
    st.tuples(st.just("write"), names, files),
    st.tuples(st.just("rename"), names, names),
    st.tuples(st.just("vanish"), names, st.none()),
    st.tuples(st.just("grow"), names, st.integers(1, 30 * BLOCK)),
    st.tuples(st.just("shrink"), names, st.integers(1, 10 * BLOCK)),
    st.tuples(st.just("punch"), names, st.integers(0, 20)),
)


def operate(state: dict[str, bytes], kind: str, name: str, more: object) -> None:
    """What a server does to its files between two backups."""
    content = state.get(name)
    match kind, more:
        case "write", bytes(new):
            state[name] = new
        case "rename", str(other) if content is not None:
            state[other] = state.pop(name)
        case "vanish", _:
            state.pop(name, None)
        case "grow", int(count) if content is not None:
            state[name] = content + noise("more", count)
        case "shrink", int(count) if content is not None:
            state[name] = content[:-count]
        case "punch", int(block) if content is not None and len(content) >= (block + 1) * BLOCK:
            state[name] = content[: block * BLOCK] + bytes(BLOCK) + content[(block + 1) * BLOCK :]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(operations, max_size=6), min_size=1, max_size=5))
def test_files_that_grow_shrink_vanish_and_change_their_names_are_restored_byte_for_byte(
    cycles: list[list[tuple[str, str, object]]],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        shard = open_shard(MemoryStore())
        state: dict[str, bytes] = {}
        states: list[dict[str, bytes]] = []
        for cycle in cycles:
            for operation in cycle:
                operate(state, *operation)
            states.append(dict(state))
            write_folder(work / "data", state)
            upload(shard, work / "data")

        for backup, wanted in zip(shard.catalog.backups(), states, strict=True):
            shard.restore(backup, work / f"out{backup.number}")
            assert read_folder(work / f"out{backup.number}") == wanted


def test_an_unchanged_folder_stores_only_a_manifest(tmp_path: Path) -> None:
    store = MemoryStore()
    shard = open_shard(store)
    write_folder(tmp_path / "data", {"a": noise(1, 300_000), "b": bytes(5000)})
    first = upload(shard, tmp_path / "data")
    before = {info.name for info in store.list()}

    second = upload(shard, tmp_path / "data")

    assert {info.name for info in store.list()} - before == {"commerce/-80/backups/000000000002"}
    assert second.new_blocks == 0
    assert second.stored_bytes < first.stored_bytes / 100
    assert (second.bytes, second.blocks, second.files) == (first.bytes, first.blocks, first.files)


def test_one_changed_byte_stores_one_block_and_its_map(tmp_path: Path) -> None:
    shard = open_shard(MemoryStore())
    content = bytearray(noise(1, 100_000))
    write_folder(tmp_path / "data", {"a": bytes(content)})
    upload(shard, tmp_path / "data")
    content[50_000] ^= 1
    write_folder(tmp_path / "data", {"a": bytes(content)})

    second = upload(shard, tmp_path / "data")

    assert second.new_blocks == 1
    shard.restore(second, tmp_path / "out")
    assert (tmp_path / "out" / "a").read_bytes() == content


def test_the_geometry_of_the_first_backup_stays(tmp_path: Path) -> None:
    shard = open_shard(MemoryStore())
    write_folder(tmp_path / "data", {"a": noise(1, 10_000)})
    upload(shard, tmp_path / "data")

    second = upload(shard, tmp_path / "data", geometry=Geometry(block_size=1024))

    assert second.block_size == SMALL.block_size
    assert second.new_blocks == 0


def test_zeros_are_holes(tmp_path: Path) -> None:
    shard = open_shard(MemoryStore())
    write_folder(tmp_path / "data", {"sparse": bytes(8 << 20) + b"end"})
    backup = upload(shard, tmp_path / "data", geometry=Geometry())

    shard.restore(backup, tmp_path / "out")

    assert (backup.new_blocks, backup.blocks) == (1, 129)
    assert backup.stored_bytes < 2000
    assert read_folder(tmp_path / "out") == read_folder(tmp_path / "data")
    assert allocated(tmp_path / "out" / "sparse") <= 1 << 20


def test_modes_and_empty_folders_come_back(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_folder(data, {"db/t": b"x", "empty": b""}, ("none/inside", "db"))
    (data / "db" / "t").chmod(0o640)
    (data / "empty").chmod(0o400)
    (data / "none").chmod(0o750)
    (data / "db").chmod(0o500)
    shard = open_shard(MemoryStore())
    backup = upload(shard, data)

    for reuse in (False, True):
        shard.restore(backup, tmp_path / "out", RestoreOptions(reuse=reuse, durable=True))
        seen = {
            path.relative_to(tmp_path / "out").as_posix(): stat.S_IMODE(path.stat().st_mode)
            for path in (tmp_path / "out").rglob("*")
        }
        expected = {"db/t": 0o640, "empty": 0o400, "none": 0o750, "db": 0o500, "none/inside": 0o755}
        assert seen | {"none/inside": 0o755} == expected
    (data / "db").chmod(0o700)
    (tmp_path / "out" / "db").chmod(0o700)


def test_a_reused_folder_loses_what_the_backup_does_not_have(tmp_path: Path) -> None:
    shard = open_shard(MemoryStore())
    write_folder(tmp_path / "data", {"db/t": noise(1, 5000), "file": bytes(3000), "dir": b"a file"})
    backup = upload(shard, tmp_path / "data")
    outside = tmp_path / "outside"
    outside.write_bytes(b"untouched")
    out = tmp_path / "out"
    write_folder(out, {"db/t": noise(2, 9000), "db/other": b"x", "file/inside": b"x", "dir/x": b"x", "gone/x": b"x"})
    (out / "link").symlink_to(outside)
    (out / "linked").symlink_to(tmp_path)

    shard.restore(backup, out, RestoreOptions(reuse=True))

    assert read_folder(out) == read_folder(tmp_path / "data")
    assert outside.read_bytes() == b"untouched"
    assert sorted(path.name for path in out.iterdir()) == ["db", "dir", "file"]


def test_a_reused_link_in_a_files_place_is_not_written_through(tmp_path: Path) -> None:
    shard = open_shard(MemoryStore())
    write_folder(tmp_path / "data", {"a": b"new", "b": b"new"})
    backup = upload(shard, tmp_path / "data")
    (tmp_path / "outside").write_bytes(b"untouched")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").symlink_to(tmp_path / "outside")
    (tmp_path / "out" / "b").hardlink_to(tmp_path / "outside")

    shard.restore(backup, tmp_path / "out", RestoreOptions(reuse=True))

    assert (tmp_path / "outside").read_bytes() == b"untouched"
    assert read_folder(tmp_path / "out") == {"a": b"new", "b": b"new"}


def test_a_reused_folder_fetches_only_what_differs(tmp_path: Path) -> None:
    shard = open_shard(MemoryStore())
    content = bytearray(noise(1, 400_000))
    write_folder(tmp_path / "data", {"a": bytes(content)})
    backup = upload(shard, tmp_path / "data")
    full = shard.restore(backup, tmp_path / "out")
    content[200_000:200_010] = bytes(10)
    (tmp_path / "out" / "a").write_bytes(content)

    delta = shard.restore(backup, tmp_path / "out", RestoreOptions(reuse=True))

    assert read_folder(tmp_path / "out") == read_folder(tmp_path / "data")
    assert full.fetched_bytes > 400_000
    assert delta.fetched_bytes < full.fetched_bytes / 10


def test_a_folder_that_is_not_empty_is_not_restored_into(tmp_path: Path) -> None:
    shard = open_shard(MemoryStore())
    write_folder(tmp_path / "data", {"a": b"x"})
    backup = upload(shard, tmp_path / "data")
    write_folder(tmp_path / "out", {"mine": b"precious"})

    with pytest.raises(RunError, match="is not empty"):
        shard.restore(backup, tmp_path / "out")

    assert read_folder(tmp_path / "out") == {"mine": b"precious"}


def test_progress_goes_up_to_all_bytes(tmp_path: Path) -> None:
    seen: list[Progress] = []
    shard = open_shard(MemoryStore())
    write_folder(tmp_path / "data", {"a": noise(1, 100_000), "b": bytes(20_000)})

    backup = upload(shard, tmp_path / "data", progress=seen.append)
    assert (seen[-1].done, seen[-1].total, seen[-1].unit) == (120_000, 120_000, "B")
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    for reuse in (False, True):
        seen.clear()
        shard.restore(backup, tmp_path / "out", RestoreOptions(reuse=reuse), progress=seen.append)
        assert (seen[-1].phase, seen[-1].done, seen[-1].total) == ("restoring", 120_000, 120_000)


@pytest.mark.parametrize("bad", ["../data/a", "/etc/passwd", "a/../a", "", "missing", "folder", "link", "\udcff"])
def test_only_plain_files_below_the_folder_are_backed_up(tmp_path: Path, bad: str) -> None:
    store = MemoryStore()
    shard = open_shard(store)
    write_folder(tmp_path / "data", {"a": b"x"}, ("folder",))
    (tmp_path / "data" / "link").symlink_to("a")

    with pytest.raises(RepositoryError):
        shard.upload(FolderOrigin(tmp_path / "data", ["a", bad]), NewBackup(facts(), "r1", tmp_path / "j"))
    assert shard.catalog.backups() == []


def test_a_file_that_grows_while_it_is_read_fails_the_upload(tmp_path: Path) -> None:
    shard = open_shard(MemoryStore())
    write_folder(tmp_path / "data", {"a": noise(1, 50_000)})

    def grow(progress: Progress) -> None:
        with (tmp_path / "data" / "a").open("ab") as stream:
            stream.write(b"more")

    with pytest.raises(RepositoryError, match="had 50000 bytes when the upload began"):
        upload(shard, tmp_path / "data", progress=grow, threads=1)
    assert shard.catalog.backups() == []
