"""Flower as a process, and what it answers."""

from __future__ import annotations

import base64
import http.client
import json
import signal
import sys
from pathlib import Path
from typing import Any

from sandbox import processes
from sandbox.ports import free_port
from tests.support.fleet import Fleet
from tests.support.waiting import wait_until


def flower_command() -> list[str | Path]:
    """How Flower is started."""
    return [Path(sys.executable).parent / "celery", "-A", "tasks", "flower"]


class Flower:
    """Flower, started in a folder that has nothing to do with the project, with a login that is made for it."""

    def __init__(self, fleet: Fleet, *words: str) -> None:
        self.port = free_port()
        done = fleet.project.json("users", "add", "alice", "--generate")
        self.password = str(done["password"])
        self.log = fleet.folder / "flower.log"
        elsewhere = fleet.folder / "elsewhere"
        elsewhere.mkdir(exist_ok=True)
        self._process = processes.start(
            [*flower_command(), f"--port={self.port}", *words],
            log=self.log,
            environment=fleet.environment(),
            folder=elsewhere,
        )
        wait_until(self._is_there, 60, "Flower answers")

    def _is_there(self) -> bool:
        assert self._process.poll() is None, self.log.read_text()
        try:
            return self.ask("/healthcheck", login=None) in {200, 404}  # 404 below a prefix
        except OSError:
            return False

    def ask(self, path: str, login: str | None = "", method: str = "GET", **headers: str) -> int:
        """The status of an answer; ``login`` is ``name:password``, empty for the right one, None for none."""
        return self.read(path, login, method, **headers)[0]

    def read(self, path: str, login: str | None = "", method: str = "GET", **headers: str) -> tuple[int, str]:
        """The status and what came with it."""
        if login is not None:
            given = login or f"alice:{self.password}"
            headers["Authorization"] = "Basic " + base64.b64encode(given.encode()).decode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        finally:
            connection.close()

    def facts(self, path: str) -> Any:
        """What an answer holds as JSON."""
        status, text = self.read(path)
        assert status == 200, text
        return json.loads(text)

    @property
    def url(self) -> str:
        """Where it is, for a browser."""
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Ends it."""
        processes.stop(self._process, grace=20, first=signal.SIGINT)
