"""The page in Flower, in a real browser: with a real worker where something runs, and with fleets to look at.

``SCREENSHOTS=docs/images pytest tests/acceptance/test_page.py`` makes the pictures of the documentation anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support import shown_fleet
from tests.support.browser import Visitor, browser, visit
from tests.support.fleet import ROOT, Fleet
from tests.support.flower import Flower
from tests.support.needs import need_program
from tests.support.waiting import wait_until

pytestmark = pytest.mark.acceptance

A, B, C = "live/-55", "live/55-aa", "live/aa-"
FOUR = [f"commerce/{part}" for part in ("-40", "40-80", "80-c0", "c0-")]
SIX = [*FOUR, "customer/-80", "customer/80-"]
EIGHT = [f"commerce/{part}" for part in ("-20", "20-40", "40-60", "60-80", "80-a0", "a0-c0", "c0-e0", "e0-")]
MANY = [f"{keyspace}/{i:02x}-{i + 1:02x}" for keyspace in ("commerce", "customer") for i in range(256)]

expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    need_program("redis-server")
    need_program("chromium")
    with Fleet(tmp_path_factory.mktemp("fleet")) as made:
        made.add_shards([A, B, C])
        made.project.set("flower", users_file=str(made.folder / "users"))
        made.start_nodes("node1")
        yield made


@pytest.fixture(scope="module")
def flower(fleet: Fleet) -> Iterator[Flower]:
    started = Flower(fleet)
    yield started
    started.stop()


@pytest.fixture
def window(chromium: Browser, flower: Flower) -> Iterator[Callable[..., Visitor]]:
    """Opens windows of the browser."""
    with contextlib.ExitStack() as stack:

        def opened(size: tuple[int, int] = (1280, 800), at: Flower = flower) -> Visitor:
            return stack.enter_context(visit(chromium, at.url, ("alice", at.password), size=size))

        yield opened


@pytest.fixture
def shown(fleet: Fleet) -> Iterator[Callable[..., None]]:
    """Lets the fleet look otherwise for a test. The configuration and what Redis knew come back afterwards."""
    before = dict(fleet.project.shards)
    saved = {key: fleet.redis.dump(key) for key in fleet.redis.keys("tidemark:*")}

    def put_on(names: Sequence[str], how: Callable[[Any, Sequence[str]], None] | None = None) -> None:
        template = before[A]
        fleet.project.shards = {name: template | {"name": name} for name in names}
        fleet.project.write()
        if how:
            how(fleet.redis, names)

    yield put_on
    fleet.project.shards = before
    fleet.project.write()
    if made := [key for key in fleet.redis.keys("tidemark:*") if key not in saved]:
        fleet.redis.delete(*made)


def row(page: Page, shard: str) -> Any:
    return page.locator(f'#rows tr[data-shard="{shard}"]')


def doing(page: Page, shard: str) -> Any:
    return row(page, shard).locator(".tm-now")


def names(page: Page) -> list[str]:
    return list(page.locator("#rows .tm-name").all_inner_texts())


def ready(page: Page, count: int) -> Page:
    """Returns when all rows are there."""
    expect(page.locator("#rows tr")).to_have_count(count)
    return page


def colour(page: Page) -> list[int]:
    """Of the page's ground: red, green and blue, up to 255."""
    text = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return [int(part) for part in re.findall(r"\d+", text)[:3]]


def picture(page: Page, name: str) -> None:
    """Keeps what the page looks like, if that was asked for."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.mouse.move(0, 0)
        page.screenshot(path=Path(folder) / f"{name}.png")


# Who may -------------------------------------------------------------------------------------------------------------


def test_without_a_login_nothing_is_shown_or_done(flower: Flower) -> None:
    api = "/shards/api/v1"
    for path in ("/shards", f"/shards/{A}", f"{api}/fleet", f"{api}/shard/{A}"):
        assert flower.ask(path, login=None) == 401, path
        assert flower.ask(path, login="alice:guessed") == 401, path
        assert flower.ask(path) == 200, path
    token = {"Cookie": "_xsrf=1", "X-XSRFToken": "1"}
    for path in (f"{api}/shard/{A}/run", f"{api}/shard/{A}/cancel", f"{api}/retry"):
        assert flower.ask(path, login=None, method="POST", **token) == 401, path
        assert flower.ask(path, method="GET") == 405, path


def test_without_a_token_or_from_another_site_nothing_is_done(flower: Flower, fleet: Fleet) -> None:
    api = "/shards/api/v1"
    for path in (f"{api}/shard/{A}/run", f"{api}/shard/{A}/cancel", f"{api}/retry"):
        assert flower.ask(path, method="POST") == 403, path
        assert flower.ask(path, method="POST", Cookie="_xsrf=1") == 403, path
        wrong = {"Cookie": "_xsrf=1", "X-XSRFToken": "2"}
        assert flower.ask(path, method="POST", **wrong) == 403, path
        elsewhere = {"Cookie": "_xsrf=1", "X-XSRFToken": "1", "Sec-Fetch-Site": "cross-site"}
        assert flower.ask(path, method="POST", **elsewhere) == 403, path
    assert fleet.events() == []


def test_a_shard_that_is_not_configured_is_not_found(flower: Flower) -> None:
    assert flower.ask("/shards/live/none") == 404
    status, text = flower.read("/shards/api/v1/shard/live/none")
    assert status == 404
    assert "live/none" in text
    assert "the configured shards are" in text


def test_in_read_only_mode_there_is_nothing_to_press(
    fleet: Fleet, flower: Flower, window: Callable[..., Visitor]
) -> None:
    fleet.project.set("flower", read_only=True, url_prefix="below")
    try:
        closed = Flower(fleet)
    finally:
        fleet.project.set("flower", read_only=False, url_prefix="")
    try:
        page = ready(window(at=closed).go("/below/shards"), 3)
        expect(page.get_by_text("Flower is in read-only mode")).to_be_visible()
        assert page.locator("button[data-verb]").count() == 0
        page.get_by_role("link", name=A).click()
        expect(page.locator("#past h2")).to_be_visible()
        assert page.locator("button[data-verb]").count() == 0
        token = {"Cookie": "_xsrf=1", "X-XSRFToken": "1"}
        assert closed.ask(f"/below/shards/api/v1/shard/{A}/run", method="POST", **token) == 403
    finally:
        closed.stop()
        flower.password = str(fleet.project.json("users", "add", "alice", "--generate")["password"])
    assert fleet.events() == []


# What runs -----------------------------------------------------------------------------------------------------------


def test_a_run_is_asked_for_watched_and_cancelled_by_clicks(
    fleet: Fleet, flower: Flower, window: Callable[..., Visitor]
) -> None:
    page = ready(window().go("/shards"), 3)
    fleet.order(A, "catchup", "hang")

    row(page, A).get_by_role("button", name=f"Run {A}").click()
    expect(page.locator("#toasts")).to_contain_text(f"{A}: a run is enqueued")
    expect(doing(page, A)).to_contain_text("catchup")
    expect(doing(page, A)).to_contain_text("on node1@test")
    expect(row(page, A).get_by_role("progressbar")).to_have_attribute("aria-valuetext", re.compile("catchup"))

    row(page, B).get_by_role("button", name=f"Run {B}").click()
    expect(doing(page, B)).to_contain_text("waiting")
    assert page.locator("[data-filter=running] b").inner_text() == "2"
    row(page, B).get_by_role("button", name=f"Cancel {B}").click()
    page.get_by_role("button", name="Keep it running").click()
    expect(doing(page, B)).to_contain_text("waiting")
    row(page, B).get_by_role("button", name=f"Cancel {B}").click()
    page.get_by_role("button", name="Cancel the run").click()
    expect(doing(page, B)).to_contain_text("idle")

    row(page, A).get_by_role("button", name=f"Cancel {A}").click()
    page.get_by_role("button", name="Cancel the run").click()
    expect(page.locator("#toasts")).to_contain_text("the run at catchup on node1@test is ended")
    expect(doing(page, A)).to_contain_text("idle")
    assert fleet.events("begins")[-1]["step"] == "catchup"
    fleet.wait_clean(A)

    row(page, A).get_by_role("link", name=A).click()
    expect(page.locator("#past tbody tr").first).to_contain_text("revoked")
    expect(page.locator("#past tbody tr").first).to_contain_text("cancelled on Flower's page")


def test_the_next_look_after_a_request_tells_the_truth(fleet: Fleet, flower: Flower) -> None:
    """Without a second look: what was asked for is part of the very next answer."""
    token = {"Cookie": "_xsrf=1", "X-XSRFToken": "1"}
    path = f"/shards/api/v1/shard/{C}"
    release = fleet.order(C, "catchup", "hang")
    flower.facts("/shards/api/v1/fleet")

    assert flower.ask(f"{path}/run", method="POST", **token) == 200
    wait_until(lambda: flower.facts(path)["row"]["running"], 30, "the run begins")
    assert flower.ask(f"{path}/cancel", method="POST", **token) == 200
    (seen,) = [one for one in flower.facts("/shards/api/v1/fleet")["changes"]["rows"] if one["shard"] == C]
    assert (seen["running"], seen["waiting"]) == (None, None)
    release.unlink()
    fleet.wait_clean(C)


@pytest.mark.parametrize("way", ["page", "celery", "tidemark"])
def test_whoever_runs_or_cancels_a_shard_everybody_sees_it(fleet: Fleet, flower: Flower, way: str) -> None:
    path, token = f"/shards/api/v1/shard/{C}", {"Cookie": "_xsrf=1", "X-XSRFToken": "1"}

    def told() -> list[str | None]:
        """The step that the page and the command line name."""
        printed = json.loads(fleet.project.tidemark("status", "--json").stdout)  # 1: they are over their limits
        (status,) = [one for one in printed if one["shard"] == C]
        return [(seen or {}).get("step") for seen in (flower.facts(path)["row"]["running"], status["running"])]

    def celery(*words: str) -> str:
        command = [str(Path(sys.executable).parent / "celery"), "-A", "tasks", *words]
        return subprocess.run(
            command, env=fleet.environment(), cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
        ).stdout.strip()

    release, before, id = fleet.order(C, "restore", "hang"), len(fleet.events("begins")), ""
    match way:
        case "page":
            assert flower.ask(f"{path}/run", method="POST", **token) == 200
        case "celery":
            id = celery("call", "tasks.backup", "--args", f'["{C}"]')
        case _:
            fleet.project.json("run", C)
    wait_until(lambda: told() == ["restore", "restore"], 60, "both show the run")
    match way:
        case "page":
            assert flower.ask(f"{path}/cancel", method="POST", **token) == 200
        case "celery":
            celery("control", "revoke", id)
        case _:
            fleet.project.json("cancel", C)
    wait_until(lambda: told() == [None, None], 60, "both show that it has ended")
    fleet.wait_clean(C)
    release.unlink()
    assert len(fleet.events("begins")) == before + 1


def test_a_failure_is_told_with_its_hint_and_run_again(fleet: Fleet, window: Callable[..., Visitor]) -> None:
    page = ready(window().go("/shards"), 3)
    fleet.order(B, "upload", "fail")
    fleet.enqueue(B)  # what `celery call` does

    expect(doing(page, B)).to_contain_text("upload failed")
    expect(doing(page, B)).to_contain_text("told to fail")
    expect(row(page, B)).to_have_attribute("data-health", "missing")
    page.get_by_role("button", name="Re-run what failed (1)").click()
    fleet.wait_clean(B)
    page.get_by_role("button", name="Re-run", exact=True).click()
    expect(page.locator("#toasts")).to_contain_text("1 run is enqueued")
    fleet.wait_event(B, "upload", "raises ReplicationFailed", times=2)

    page.goto(f"{page.url.partition('#')[0]}/{B}")
    expect(page.locator("#now")).to_contain_text("Try: tell it something else")
    fleet.wait_clean(B)
    fleet.order(B, "upload", "0")
    page.locator("#buttons").get_by_role("button", name=f"Re-run {B}").click()
    expect(page.locator("#verdict")).to_contain_text("fine")
    expect(page.locator("#facts")).to_contain_text("no. 42")
    expect(page.locator("#past tbody tr")).to_have_count(3)
    expect(page.locator("#past tbody tr").first).to_contain_text("succeeded")


# How it looks --------------------------------------------------------------------------------------------------------


def test_flowers_menu_leads_there(window: Callable[..., Visitor]) -> None:
    page = window().go("/workers")
    page.get_by_role("navigation").get_by_role("link", name="Shards").click()
    ready(page, 3)
    expect(page.get_by_role("link", name="Shards", exact=True)).to_have_attribute("aria-current", "page")
    page.get_by_role("link", name="Tasks").click()
    expect(page).to_have_url(re.compile("/tasks$"))
    expect(page.get_by_role("link", name="Shards", exact=True)).not_to_have_attribute("aria-current", "page")


def test_an_empty_fleet_says_so(window: Callable[..., Visitor], shown: Callable[..., None]) -> None:
    shown(FOUR)
    page = ready(window().go("/shards"), 4)

    expect(page.locator("#summary")).to_contain_text("0 of 4 shards are within the limits")
    assert page.locator("[data-filter=missing] b").inner_text() == "4"
    picture(page, "page-empty")
    page.get_by_role("link", name=FOUR[0]).click()
    expect(page.locator("#past")).to_contain_text("No run yet")
    expect(page.locator(".tm-plot").first).to_contain_text("no run has told this yet")


def test_a_busy_fleet_and_a_shard_of_it(window: Callable[..., Visitor], shown: Callable[..., None]) -> None:
    shown(EIGHT, shown_fleet.busy)
    page = ready(window().go("/shards"), 8)

    expect(doing(page, EIGHT[0])).to_contain_text("catchup 63 %")
    expect(row(page, EIGHT[0]).get_by_role("progressbar")).to_have_attribute("aria-valuenow", "63")
    expect(doing(page, EIGHT[3])).to_contain_text("stop")
    assert page.locator("[data-filter=running] b").inner_text() == "4"
    picture(page, "page-busy")

    page.set_viewport_size({"width": 1280, "height": 1000})
    page.get_by_role("link", name=EIGHT[0]).click()
    bars = page.locator(".tm-plot").filter(has_text="Duration per step").locator("svg")
    expect(bars.locator("rect")).to_have_count(24 * 4 + 1)  # and one that marks the run that is looked at
    assert page.locator(".tm-plot").count() == 6
    picture(page, "page-shard")
    bars.focus()
    page.keyboard.press("ArrowLeft")
    tip = page.locator(".tm-tip:visible")
    expect(tip).to_contain_text("backup 24")
    expect(tip).to_contain_text("restore")
    page.keyboard.press("ArrowLeft")
    expect(tip).to_contain_text("backup 23")
    expect(page.locator("#past tbody tr")).to_have_count(24)


def test_a_failing_fleet_shows_the_worst_first_on_a_desk_and_a_phone(
    window: Callable[..., Visitor], shown: Callable[..., None]
) -> None:
    shown(SIX, shown_fleet.failing)
    page = ready(window().go("/shards"), 6)

    assert names(page)[:2] == [SIX[2], SIX[0]]
    health = [row(page, name).get_attribute("data-health") for name in SIX]
    assert health == ["late", "failing", "missing", "failing", "fine", "fine"]
    expect(doing(page, SIX[3])).to_contain_text("damaged: backup 22")
    picture(page, "page-failing")

    visitor = window(size=(360, 740))
    phone = ready(visitor.go("/shards"), 6)
    assert not visitor.scrolls_sideways
    button = row(phone, SIX[0]).get_by_role("button").bounding_box()
    assert button
    assert 0 < button["x"] < button["x"] + button["width"] < 360
    picture(phone, "page-phone")
    phone.get_by_role("link", name=SIX[0]).click()
    expect(phone.locator("#past tbody tr")).to_have_count(28)
    assert not visitor.scrolls_sideways


def test_hundreds_of_shards_are_found_by_search_filter_and_keyboard(
    window: Callable[..., Visitor], shown: Callable[..., None]
) -> None:
    shown(MANY, shown_fleet.large)
    page = ready(window().go("/shards"), 512)

    assert min(colour(page)) > 200
    picture(page, "page-512")
    page.emulate_media(color_scheme="dark")
    wait_until(lambda: max(colour(page)) < 60, 30, "the page is dark")
    picture(page, "page-dark")
    assert page.locator("#map a").count() == 512
    assert [row(page, name).get_attribute("data-health") for name in names(page)[:4]] == ["missing"] * 3 + ["late"]

    page.keyboard.press("/")
    page.keyboard.type("customer/7 purged")
    expect(page.locator("#summary")).to_contain_text("shown")
    found = names(page)
    assert found
    assert all(name.startswith("customer/7") for name in found)
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name=found[0])).to_be_focused()
    page.keyboard.press("Escape")
    ready(page, 512)

    page.locator("[data-filter=late]").focus()
    page.keyboard.press("Enter")
    ready(page, 6)
    assert page.url.endswith("#filter=late")
    page.reload()
    ready(page, 6)
    page.locator("[data-filter=all]").click()
    page.get_by_label("Order").select_option("name")
    assert names(page) == MANY
    first = row(page, MANY[0])
    page.keyboard.press("/")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    expect(first.get_by_role("button")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name=MANY[1])).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=MANY[1])).to_be_visible()


def test_only_what_changed_is_sent_again(flower: Flower, fleet: Fleet, shown: Callable[..., None]) -> None:
    shown(MANY, shown_fleet.large)
    first = flower.facts("/shards/api/v1/fleet")["changes"]
    assert (first["whole"], len(first["rows"])) == (True, 512)

    shown_fleet.fail(fleet.redis, MANY[100])

    def news() -> Any:
        return flower.facts(f"/shards/api/v1/fleet?since={first['mark']}")["changes"]

    changes = wait_until(lambda: news() if news()["rows"] else None, 30, "the change is seen")
    assert not changes["whole"]
    assert MANY[100] in [one["shard"] for one in changes["rows"]]
    assert len(changes["rows"]) < 50


def test_without_redis_the_page_says_so_and_recovers(fleet: Fleet, window: Callable[..., Visitor]) -> None:
    page = ready(window().go("/shards"), 3)
    fleet.redis_server.stop()
    try:
        expect(page.get_by_role("alert")).to_contain_text("does not answer")
        expect(page.get_by_role("alert")).to_contain_text("What you see below is not current.")
        assert len(names(page)) == 3
    finally:
        fleet.redis_server.start()
    expect(page.get_by_role("alert")).to_be_hidden()
