"""Flower asks for a login, whatever is looked at and wherever it is started."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from flower.urls import handlers

from sandbox.ports import free_port
from tests.support.fleet import Fleet
from tests.support.flower import Flower, flower_command
from tests.support.needs import need_program

pytestmark = pytest.mark.acceptance

OPEN = {"/healthcheck", "/static/css/flower.css"}
"""What is shown to everybody: that it is there, and what Flower's own package brings."""
NOTHING = {"/login", "/logout", "/nothing/such"}
"""Pages that say nothing about the fleet."""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    need_program("redis-server")
    with Fleet(tmp_path_factory.mktemp("fleet"), app="tasks") as fleet:
        fleet.add_shards(["a/b"])
        fleet.project.set("flower", users_file=str(fleet.folder / "users"))
        yield fleet


@pytest.fixture(scope="module")
def flower(fleet: Fleet) -> Iterator[Flower]:
    flower = Flower(fleet)
    yield flower
    flower.stop()


def paths() -> list[str]:
    """An address of each of Flower's handlers, its own and ours."""
    found = []
    for handler in handlers:
        pattern = handler.regex.pattern if hasattr(handler, "regex") else handler[0]
        path = re.sub(r"\([^)]*\)", "x", str(pattern).rstrip("$")).removesuffix("/?")
        found.append({".*": "/nothing/such", "/static/x": "/static/css/flower.css"}.get(path, path))
    return sorted(set(found))


def test_nothing_is_shown_or_done_without_a_login(flower: Flower) -> None:
    assert len(paths()) > 30
    for path in paths():
        seen = {method: flower.ask(path, login=None, method=method) for method in ("GET", "POST")}
        if path in OPEN:
            assert seen["GET"] == 200, path
        elif path in NOTHING:
            assert seen["GET"] in {200, 404}, path
        else:
            assert 401 in seen.values(), (path, seen)
            assert not [status for status in seen.values() if status < 400], (path, seen)


def test_a_login_opens_it_and_a_wrong_one_does_not(flower: Flower) -> None:
    for path in ("/", "/workers", "/tasks", "/broker", "/metrics", "/api/workers"):
        assert flower.ask(path) == 200, path
        assert flower.ask(path, login="alice:guessed wrong") == 401
        assert flower.ask(path, login="nobody:guessed wrong") == 401
    assert flower.password not in flower.log.read_text()


def test_another_site_cannot_use_the_login_of_a_browser(flower: Flower) -> None:
    path = "/api/task/send-task/tasks.backup"
    assert flower.ask(path, method="POST", Origin="http://elsewhere.example") == 403
    assert flower.ask(path, method="POST", **{"Sec-Fetch-Site": "cross-site"}) == 403


def test_it_does_not_start_when_nobody_could_log_in(fleet: Fleet, tmp_path: Path) -> None:
    configuration = fleet.project.path.read_text()
    cases = {
        configuration.replace("[flower]", "").replace("users_file", "# users_file"): "nobody is configured to log in",
        configuration.replace(str(fleet.folder / "users"), str(tmp_path / "none")): "there is no file",
    }
    for text, message in cases.items():
        file = tmp_path / "other.toml"
        file.write_text(text)
        done = subprocess.run(
            [*flower_command(), f"--port={free_port()}"],
            env=os.environ | {"TIDEMARK_CONFIG": str(file)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 1
        assert message in done.stderr
        assert "tidemark users add NAME" in done.stderr
        assert "Traceback" not in done.stderr


def test_it_may_be_only_looked_at_and_stand_below_a_path(fleet: Fleet) -> None:
    fleet.project.set("flower", read_only=True, url_prefix="/tidemark/")
    try:
        flower = Flower(fleet)
    finally:
        fleet.project.set("flower", read_only=False, url_prefix="")
    try:
        assert flower.ask("/tidemark/workers", login=None) == 401
        assert flower.ask("/tidemark/workers") == 200
        assert flower.ask("/tidemark/api/task/revoke/x", method="POST") == 403
    finally:
        flower.stop()
