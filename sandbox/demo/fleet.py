"""Tidemark's own processes, started as in production."""

from __future__ import annotations

import base64
import functools
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sandbox import processes
from sandbox.ports import free_port

START_SECONDS = 60
USER = "demo"
"""Who may log in to Flower."""


class Fleet:
    """Two nodes, a control worker, beat and Flower, with a configuration; and the command line, with the same."""

    def __init__(self, configuration: Path, logs: Path) -> None:
        self.flower = f"http://127.0.0.1:{free_port()}"
        self.password = ""
        """Of ``USER``; made anew for each demo."""
        self.logs = logs
        self._folder = configuration.parent
        temporary = self._folder / "tmp"  # what a killed worker leaves there goes with the demo's folder
        temporary.mkdir(mode=0o700, exist_ok=True)
        own = {"TIDEMARK_CONFIG": str(configuration), "PYTHONUNBUFFERED": "1", "TMPDIR": str(temporary)}
        self._environment = os.environ | own
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        logs.mkdir(mode=0o700, exist_ok=True)

    def start_workers(self) -> None:
        """Returns when all of them are ready. Raises ``ProcessFailed``."""
        self._celery("node1", "worker", "-n", "node1@%h", "-l", "INFO")
        self._celery("node2", "worker", "-n", "node2@%h", "-l", "INFO")
        self._celery("control", "worker", "-n", "control@%h", "-l", "INFO", "-Q", "control", "-c", "1")
        self.password = str(self.ask("users", "add", USER, "--generate")["password"])
        address, port = self.flower.removeprefix("http://").split(":")
        self._celery("flower", "flower", f"--address={address}", f"--port={port}")
        for name in ("node1", "node2", "control"):
            self._wait(name, functools.partial(self._is_ready, name))
        self._wait("flower", self._flower_answers)

    def start_beat(self) -> None:
        """From now on it emits a backup per shard and cycle."""
        self._celery("beat", "beat", "-l", "INFO", "--pidfile=")

    def stop_beat(self) -> None:
        """No further cycle begins."""
        self._stop("beat")

    def stop(self) -> None:
        """Warm shutdown: what is running ends first, if it ends within half a minute."""
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self._stop, list(self._running)))

    def check(self) -> None:
        """Raises ``ProcessFailed`` when one of them has died."""
        for name, process in self._running.items():
            if (status := process.poll()) is not None:
                raise processes.ProcessFailed(f"{name} ended with status {status}:\n{processes.tail(self._log(name))}")

    def tidemark(self, *words: str) -> str:
        """``tidemark ...`` as a person types it: what it prints. Raises ``ProcessFailed`` with its error message."""
        command: list[str | Path] = [Path(sys.executable).with_name("tidemark"), *words]
        name = f"tidemark-{words[0]}-{time.monotonic_ns()}"
        output, errors = self.logs / f"{name}.out", self.logs / f"{name}.err"
        process = processes.start(
            command, log=output, errors=errors, environment=self._environment, folder=self._folder
        )
        try:
            status = process.wait(300)
        finally:
            processes.stop(process)
        if status:
            raise processes.ProcessFailed(f"tidemark {' '.join(words)}: {processes.tail(errors)}")
        return output.read_text()

    def ask(self, *words: str) -> Any:
        """``tidemark ... --json``, parsed."""
        return json.loads(self.tidemark(*words, "--json"))

    def _celery(self, name: str, *words: str) -> None:
        command = [sys.executable, "-m", "celery", "-A", "tasks", *words]
        self._running[name] = processes.start(
            command, log=self._log(name), environment=self._environment, folder=self._folder
        )

    def _stop(self, name: str) -> None:
        if process := self._running.pop(name, None):
            processes.stop(process, grace=30, first=signal.SIGINT if name == "flower" else signal.SIGTERM)

    def _log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def _wait(self, name: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise processes.ProcessFailed(f"{name} is not ready:\n{processes.tail(self._log(name))}")
            time.sleep(0.1)

    def _is_ready(self, name: str) -> bool:
        return " ready." in self._log(name).read_text(errors="replace")

    def _flower_answers(self) -> bool:
        login = base64.b64encode(f"{USER}:{self.password}".encode()).decode()
        request = urllib.request.Request(self.flower, headers={"Authorization": f"Basic {login}"})
        try:
            with urllib.request.urlopen(request, timeout=2) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as error:
            raise processes.ProcessFailed(f"Flower refuses its own login: {error}") from error
        except OSError:
            return False
