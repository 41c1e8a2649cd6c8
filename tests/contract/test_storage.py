"""One suite over every store: what the repository relies on."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from blake3 import blake3

from tidemark.errors import ObjectExists, ObjectMissing
from tidemark.storage import ObjectInfo, Store

pytestmark = pytest.mark.contract

ODD_NAMES = [
    "with space/and more",
    "Ünïcödé/数据/😀",
    "a#b@c%d/%2e%2e/x%2Fy",
    "a+b&c=d;e,f'g\"h*i?j[k]l{m}~n`o$p!q(r)|s<t>u^v\\w",
    "part/" + "n" * 255,
    ".hidden/..three/...",
    "x" * 250 + "/" + "y" * 250,
]


def names(store: Store, prefix: str = "") -> list[str]:
    return [info.name for info in store.list(prefix)]


@pytest.mark.parametrize("size", [0, 1, 4095, 65536, 5_000_001])
def test_what_was_put_comes_back(store: Store, size: int) -> None:
    content = blake3(b"seed").digest(length=size)

    store.put("a/b", [content])

    assert store.get("a/b") == content
    assert store.stat("a/b") == ObjectInfo("a/b", size)
    assert list(store.list()) == [ObjectInfo("a/b", size)]


def test_a_large_object_comes_back(store: Store) -> None:
    piece = blake3(b"large").digest(length=25 << 20)

    store.put_if_absent("large", [piece] * 8)

    assert store.stat("large").size == 200 << 20
    content = memoryview(store.get("large"))
    assert all(content[start : start + len(piece)] == piece for start in range(0, len(content), len(piece)))
    assert store.get("large", (150 << 20) - 5, 10) == piece[-5:] + piece[:5]
    store.delete("large")


def test_a_body_is_its_buffers_one_after_the_other(store: Store) -> None:
    pieces = [bytes([i % 256]) * (i % 7) for i in range(3000)]

    store.put("many", [memoryview(pieces[0]), bytearray(b"x"), *pieces])
    store.put_if_absent("none", [])

    assert store.get("many") == pieces[0] + b"x" + b"".join(pieces)
    assert store.get("none") == b""


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        (0, 3, b"012"),
        (2, 3, b"234"),
        (8, 5, b"89"),
        (10, 1, b""),
        (50, 5, b""),
        (4, None, b"456789"),
        (4, 0, b""),
        (50, None, b""),
    ],
)
def test_a_range_ends_where_the_object_ends(store: Store, start: int, length: int | None, expected: bytes) -> None:
    store.put("digits", [b"0123456789"])

    assert store.get("digits", start, length) == expected


def test_a_list_is_in_the_order_of_the_names(store: Store) -> None:
    expected = [f"s/{i:05d}" for i in range(1200)] + [
        "a-b/x",
        "a/x",
        "a.b",
        "a0",
        "a!/x",
        "ab/c",
        "b",
        "é",
        "😀",
        "\uff5e",
    ]
    for name in sorted(expected, key=lambda name: blake3(name.encode()).digest()):
        store.put(name, [b""])

    assert names(store) == sorted(expected)


def test_a_prefix_is_any_string(store: Store) -> None:
    for name in ["a/b/1", "a/b/2", "a/bc/3", "a/c", "ab", "b"]:
        store.put(name, [b"x"])

    assert names(store, "a") == ["a/b/1", "a/b/2", "a/bc/3", "a/c", "ab"]
    assert names(store, "a/") == ["a/b/1", "a/b/2", "a/bc/3", "a/c"]
    assert names(store, "a/b") == ["a/b/1", "a/b/2", "a/bc/3"]
    assert names(store, "a/b/") == ["a/b/1", "a/b/2"]
    assert names(store, "a/b/2") == ["a/b/2"]
    assert names(store, "a/b/2/") == []
    assert names(store, "z") == []


@pytest.mark.parametrize("prefix", ["/", "../", "a/../", "//", "./"])
def test_a_prefix_never_leads_out_of_the_store(store: Store, prefix: str) -> None:
    store.put("a/b", [b"x"])

    assert names(store, prefix) == []


def test_an_empty_store_lists_nothing(store: Store) -> None:
    assert names(store) == []
    assert names(store, "a/b") == []


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_name_may_be_odd(store: Store, name: str) -> None:
    store.put_if_absent(name, [b"one"])
    store.put(name, [b"two"])

    assert store.get(name) == b"two"
    assert store.stat(name).size == 3
    assert names(store) == [name]
    assert names(store, name) == [name]
    store.delete(name)
    assert names(store) == []


BAD_NAMES = ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a/.", "a\0b", "a\nb", "\udc80", "p" * 256]
BAD_NAMES += [".tidemark-tmp-1", "/".join(["part"] * 300)]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_is_none_is_refused_by_every_operation(store: Store, name: str) -> None:
    for operation in (
        lambda: store.put(name, [b""]),
        lambda: store.put_if_absent(name, [b""]),
        lambda: store.get(name),
        lambda: store.stat(name),
        lambda: store.delete(name),
    ):
        with pytest.raises(ValueError, match="not a name"):
            operation()
    assert names(store) == []


def test_put_replaces(store: Store) -> None:
    store.put("a", [b"a longer one"])
    store.put("a", [b"short"])

    assert store.get("a") == b"short"


def test_put_if_absent_changes_nothing_where_something_is(store: Store) -> None:
    store.put("a/b", [b"first"])

    with pytest.raises(ObjectExists, match="a/b"):
        store.put_if_absent("a/b", [b"second"])

    assert store.get("a/b") == b"first"


def test_of_sixteen_that_put_if_absent_at_once_one_wins(store: Store) -> None:
    for attempt in range(5):
        name, start = f"race/{attempt}", threading.Barrier(16)
        won: list[int] = []

        def put(i: int, name: str = name, start: threading.Barrier = start, won: list[int] = won) -> None:
            start.wait()
            try:
                store.put_if_absent(name, [bytes([i]) * 100_000])
                won.append(i)
            except ObjectExists:
                pass

        threads = [threading.Thread(target=put, args=(i,)) for i in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(won) == 1
        assert store.get(name) == bytes(won) * 100_000
    assert names(store) == [f"race/{attempt}" for attempt in range(5)]


def test_what_is_not_there_is_missing(store: Store) -> None:
    store.put("a/b", [b"x"])

    for name in ["b", "a", "a/c", "a/b/c"]:
        with pytest.raises(ObjectMissing, match=name):
            store.get(name)
        with pytest.raises(ObjectMissing, match=name):
            store.stat(name)
        store.delete(name)
    assert names(store) == ["a/b"]


def test_delete_takes_one_and_delete_many_takes_several(store: Store) -> None:
    for name in ["a/1", "a/2", "a/3", "b"]:
        store.put(name, [b"x"])

    store.delete("a/2")
    store.delete("a/2")
    store.delete_many(name for name in ["a/1", "missing", "b"])

    assert names(store) == ["a/3"]
    store.put("a/2", [b"again"])
    assert store.get("a/2") == b"again"


def test_puts_and_deletes_in_one_folder_do_not_hinder_each_other(store: Store) -> None:
    """A delete takes emptied folders away, just when a put needs them."""
    errors: list[BaseException] = []

    def work(i: int) -> None:
        try:
            for round_ in range(40):
                store.put(f"x/y/z/{i}", [bytes([round_])])
                assert store.get(f"x/y/z/{i}") == bytes([round_])
                store.delete(f"x/y/z/{i}")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert names(store) == []


def test_sweeping_a_store_that_nobody_was_killed_in_finds_nothing(store: Store) -> None:
    store.put("a/b", [b"x"])

    assert store.sweep("a/", timedelta(0)) == 0
    assert names(store) == ["a/b"]
