"""``make demo``, and Ctrl-C in the middle of it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from sandbox import leftovers
from sandbox.primary import programs_found
from tests.support.needs import need_flavour, need_program
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(420)]

ROOT = Path(__file__).parents[2]


class Demo:
    """The demo as a process, with a temporary folder of its own to make its folder in."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._output = place.with_name(f"{place.name}.output")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, every: int = 30) -> None:
        """``every``: seconds of a cycle, about."""
        environment = os.environ | {"TMPDIR": str(self.place), "PYTHONUNBUFFERED": "1"}
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sandbox.demo", "--megabytes", "10", "--every", str(every)],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def output(self) -> str:
        return self._output.read_text()

    def living_output(self) -> str:
        """What it has said so far; fails with that once it has ended."""
        if self.process.poll() is not None:
            pytest.fail(self.output())
        return self.output()

    def runs(self, words: str) -> bool:
        """Whether a process below the demo has these words in its command line."""
        self.living_output()
        for child in psutil.Process(self.process.pid).children(recursive=True):
            try:
                if words in " ".join(child.cmdline()):
                    return True
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
        return False

    def remove(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(30)
        leftovers.end(self.place)
        shutil.rmtree(self.place)
        self._output.unlink(missing_ok=True)


@pytest.fixture
def demo() -> Iterator[Demo]:
    need_flavour("mariadb")
    need_program("redis-server")
    # pytest's own folders have long names, and what is tried here is not what a long socket path does.
    demo = Demo(Path(tempfile.mkdtemp(prefix="tm-", dir="/tmp")))
    yield demo
    demo.remove()


def test_the_demo_shows_every_shard_restored_and_equal_and_leaves_nothing(demo: Demo) -> None:
    demo.start(every=60)
    status = demo.process.wait(400)
    output = demo.output()
    assert status == 0, output
    shards = [f"{keyspace}/{part}" for keyspace in ("commerce", "users") for part in ("-80", "80-")]
    if programs_found("mysql"):
        shards += ["events/-80", "events/80-"]
    for shard in shards:
        assert f"{shard}: backup 1 is complete" in output
        # Where a cycle takes longer than its minute, beat begins a third one for those that are ready for it.
        complete = _numbers(rf"{re.escape(shard)}: backup (\d+) is complete", output)
        assert len(complete) >= 2, output
        (restored,) = _numbers(rf"{re.escape(shard)}: backup (\d+) restored", output)
        assert restored >= max(complete), output
    assert output.count(" equal ") >= 2 * len(shards)
    assert "differs" not in output.lower()
    assert "no process is left" in output
    assert leftovers.find(demo.place) == []
    assert list(demo.place.iterdir()) == []


def _numbers(pattern: str, output: str) -> list[int]:
    return [int(number) for number in re.findall(pattern, output)]


def _catches_signals(demo: Demo) -> bool:
    """Whether Python has come as far as our first lines; a hangup is something that it does not catch by itself."""
    status = Path(f"/proc/{demo.process.pid}/status").read_text()
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught, 16) & (1 << (signal.SIGHUP - 1)))


MOMENTS: dict[str, Callable[[Demo], bool]] = {
    "right after the start": _catches_signals,
    "while a data folder is made": lambda demo: demo.runs("--bootstrap") or demo.runs("mariadb-install-db"),
    "while MySQL's data folder is made": lambda demo: demo.runs("--initialize-insecure"),
    "while the nodes start": lambda demo: demo.runs("node2@%h"),
    "while a first copy is made": lambda demo: demo.runs("/scratch/runs/"),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_leaves_no_process_and_no_folder(demo: Demo, moment: str) -> None:
    if "MySQL" in moment:
        need_flavour("mysql")
    demo.start()
    wait_until(lambda: MOMENTS[moment](demo), 200, moment)
    os.killpg(demo.process.pid, signal.SIGINT)  # as a terminal does
    status = demo.process.wait(60)
    assert leftovers.find(demo.place) == []
    assert list(demo.place.iterdir()) == []
    assert status == 128 + signal.SIGINT, demo.output()
    assert "Traceback" not in demo.output()


def test_a_termination_leaves_no_process_and_no_folder(demo: Demo) -> None:
    demo.start()
    wait_until(lambda: "backup 1 is complete" in demo.living_output(), 200, "the fleet is at work")
    demo.process.terminate()
    assert demo.process.wait(60) == 128 + signal.SIGTERM
    assert leftovers.find(demo.place) == []
    assert list(demo.place.iterdir()) == []
