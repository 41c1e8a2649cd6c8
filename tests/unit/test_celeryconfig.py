"""Celery's settings: those that hold only together, and those that keep secrets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]

CONFIG = """
[repository]
url = "file:///backups"
key_file = "key"
[node]
scratch = "scratch"
[redis]
url = "redis://localhost:1/0"
password_file = "redis.password"
[[shard]]
name = "commerce/-80"
host = "primary"
user = "tidemark"
password_file = "password"
"""

PROGRAM = """
import json, warnings
warnings.simplefilter("error")
from tasks import app
app.loader.import_default_modules()
app.finalize()
conf = app.conf
names = ["task_acks_late", "task_reject_on_worker_lost", "worker_concurrency", "worker_prefetch_multiplier",
    "worker_eta_task_limit", "worker_deduplicate_successful_tasks", "accept_content", "task_serializer",
    "result_serializer", "redbeat_redis_url", "worker_cancel_long_running_tasks_on_connection_loss"]
print(json.dumps({
    "conf": {name: conf.get(name) for name in names},
    "tasks": sorted(name for name in app.tasks if name.startswith("tasks.")),
    "shown": conf.humanize(with_defaults=False) + repr(app) + app.connection().as_uri() + app.backend.as_uri(),
    "visibility": conf.broker_transport_options["visibility_timeout"],
}))
"""


def _python(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"TIDEMARK_CONFIG": str(folder / "tidemark.toml")},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tidemark.toml").write_text(CONFIG)
    secret = tmp_path / "redis.password"
    secret.touch(0o600)
    secret.write_text("s3cret")
    return tmp_path


def test_the_application_has_its_tasks_its_settings_and_no_warnings(folder: Path) -> None:
    done = _python(folder, PROGRAM)

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["conf"] == {
        "task_acks_late": True,
        "task_reject_on_worker_lost": False,
        "worker_concurrency": 1,
        "worker_prefetch_multiplier": 1,
        "worker_eta_task_limit": 1,
        "worker_deduplicate_successful_tasks": True,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_serializer": "json",
        "redbeat_redis_url": "redis://localhost:1/0",
    }
    steps = ["backup", "catchup", "cleanup", "janitor", "notify", "restore", "stop", "sweep", "upload"]
    assert told["tasks"] == [f"tasks.{name}" for name in steps]
    assert told["visibility"] == 7 * 86400
    assert "s3cret" not in told["shown"]


def test_a_password_file_that_is_missing_is_one_sentence(folder: Path) -> None:
    (folder / "redis.password").unlink()

    done = _python(folder, "from tasks import app; app.conf.broker_url")

    assert done.returncode == 1
    assert done.stderr.startswith("Error: [redis] password_file:")
    assert "Traceback" not in done.stderr
