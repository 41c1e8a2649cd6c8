"""docker-compose.yml, as far as it can be tried without an engine: the specification, and what it names."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.needs import need_program
from tidemark import config

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
FILE = ROOT / "docker-compose.yml"
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def project() -> Any:
    """The file with its anchors resolved."""
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def test_the_file_follows_the_compose_specification() -> None:
    """Loaded by the library that Docker's own ``docker compose`` uses."""
    go = need_program("go")
    tool = ROOT / "tests" / "tools" / "compose"
    loaded = subprocess.run([go, "run", ".", FILE], cwd=tool, capture_output=True, text=True, check=False)

    assert loaded.returncode == 0, loaded.stderr
    services = json.loads(loaded.stdout)["services"]
    assert {"node", "control", "beat", "flower", "exporter", "redis", "s3", "mysql", "mariadb", "grafana"} <= set(
        services
    )


def test_services_wait_for_services_that_can_tell(project: Any) -> None:
    services = project["services"]
    for name, service in services.items():
        for other, wanted in service.get("depends_on", {}).items():
            assert other in services, name
            if wanted["condition"] == "service_healthy":
                assert "healthcheck" in services[other], f"{name} waits for {other}"


def test_every_file_volume_and_program_that_is_named_is_there(project: Any) -> None:
    for name, service in project["services"].items():
        for entry in service.get("volumes", []):
            source, target, *_ = entry.split(":")
            if source.startswith("."):
                assert (ROOT / source).exists(), f"{name}: {source}"
            else:
                assert source in project["volumes"], name
            command = service.get("command")
            if isinstance(command, str) and target == command.split()[0]:
                assert os.access(ROOT / source, os.X_OK), f"{source} cannot be executed"


def test_no_secret_stands_in_the_file_and_no_port_is_open_to_others(project: Any) -> None:
    for name, service in project["services"].items():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name} opens {port}"
        for key, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|KEY", key):
                assert key.endswith("__FILE"), f"{name}: {key}"
                assert value.startswith("/run/"), f"{name}: {key}"


def test_our_processes_run_as_nobody_special_and_cannot_write_but_where_they_must(project: Any) -> None:
    ours = {name: s for name, s in project["services"].items() if str(s["image"]).startswith("tidemark:")}
    assert len(ours) == 10
    for name, service in ours.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert ("user" in service) == (name == "prepare"), name
    assert project["services"]["redis"]["command"].count("--appendonly yes") == 1


def test_the_configuration_is_valid_and_reads_what_prepare_makes(project: Any, tmp_path: Path) -> None:
    settings = config.load(ROOT / "deploy" / "compose" / "tidemark.toml")
    prepared = (ROOT / "deploy" / "compose" / "prepare").read_text(encoding="utf-8")

    assert {address.host for shard in settings.shard for address in shard.candidates} <= set(project["services"])
    for secret in (
        settings.repository.key_file,
        settings.redis.password_file,
        settings.flower.users_file,
        settings.shard[0].password_file,
    ):
        assert secret is not None
        assert secret.parent == Path("/run/tidemark")
        assert re.search(rf"\b{re.escape(secret.name)}\b", prepared), secret


def test_the_image_ends_as_an_ordinary_account_and_copies_only_what_is_not_ignored() -> None:
    last = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    assert last.rstrip().endswith("USER tidemark")
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        *sources, _ = line.split()
        for source in sources:
            assert (ROOT / source).exists(), source
            assert any(Path(source).match(pattern) or source.startswith(f"{pattern}/") for pattern in allowed), source
