"""A fleet with everything locked: Redis with a password and TLS that asks for a certificate, primaries that are talked
to over verified TLS only, Flower with a login. Whole runs of both flavours, one that fails among them; then every place
where a secret could have been left is searched, and so are the modes of all files."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.certificates import Certificates, make_certificates
from sandbox.primary import Primary
from sandbox.workload import fill
from tests.support.fleet import Fleet
from tests.support.flower import Flower
from tests.support.needs import need_flavour, need_program
from tests.support.waiting import wait_until
from tidemark.errors import SourceDenied, SourceUnfit

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(420)]

REDIS_PASSWORD = "redis-s3cret-Xq7"
WRONG_PASSWORD = "wrong-s3cret-Vb2"


class Watch(threading.Thread):
    """Looks, as fast as it can, at what any account of the machine sees of every process, and at the scratch folder."""

    def __init__(self, secrets: dict[str, str], scratch: Path) -> None:
        super().__init__(daemon=True)
        self._secrets = {name: value.encode() for name, value in secrets.items()}
        self._scratch = scratch
        self._over = threading.Event()
        self.seen: set[str] = set()
        """Names of programs that were looked at."""
        self.leaks: set[str] = set()
        self.open_files: set[str] = set()
        """Files and folders that others could get at."""
        self.folders = 0

    def run(self) -> None:
        while not self._over.wait(0.02):
            for process in Path("/proc").iterdir():
                if process.name.isdigit() and int(process.name) != os.getpid():
                    self._look_at(process)
            if self._scratch.exists():
                self._walk(self._scratch)

    def _look_at(self, process: Path) -> None:
        try:
            words, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:
            return
        self.seen.add(Path(words.split(b"\0")[0].decode(errors="replace")).name)
        for name, secret in self._secrets.items():
            for where, text in (("cmdline", words), ("environ", environment)):
                if secret in text:
                    self.leaks.add(f"{name} in {where} of {words.split(bytes(1))[:2]!r}")

    def _walk(self, folder: Path) -> None:
        """A folder that only its owner may enter hides what is in it; a server makes files there as it likes."""
        try:
            mode = stat.S_IMODE(folder.stat().st_mode)
            entries = list(folder.iterdir())
        except OSError:
            return
        self.folders += 1
        if mode & 0o077:
            self.open_files.add(f"{folder} {mode:04o}")
        for path in entries:
            if path.is_dir() and path.name != "data":
                self._walk(path)
            elif path.is_dir() and stat.S_IMODE(path.stat().st_mode) & 0o077:
                self.open_files.add(str(path))

    def stop(self) -> None:
        self._over.set()
        self.join(30)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def primaries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Primary]]:
    for name in ("mariadb", "mysql"):
        need_flavour(name)
    with (
        Primary(tmp_path_factory.mktemp("mariadb"), "mariadb", tls="required") as maria,
        Primary(tmp_path_factory.mktemp("mysql"), "mysql", tls="required") as mysql,
    ):
        for primary in (maria, mysql):
            fill(primary, 1)
        yield {"maria": maria, "mysql": mysql}


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_secrets_stay_where_they_are_and_files_are_for_their_owner_only(
    primaries: dict[str, Primary], certificates: Certificates, tmp_path: Path
) -> None:
    need_program("redis-server")
    accounts = {keyspace: primary.create_backup_account() for keyspace, primary in primaries.items()}
    before = os.umask(0)  # what is made with care is closed whatever the umask says
    try:
        with Fleet(tmp_path / "fleet", app="tasks", password=REDIS_PASSWORD, tls=certificates) as fleet:
            project = fleet.project
            for keyspace, primary in primaries.items():
                user, password = accounts[keyspace]
                ca = str(primary.tls_ca)
                project.add(f"{keyspace}/a", port=primary.port, user=user, password=password, tls="verify", tls_ca=ca)
            maria = primaries["maria"]
            project.add(
                "maria/wrong",
                port=maria.port,
                user=accounts["maria"].user,
                password=WRONG_PASSWORD,
                tls="verify",
                tls_ca=str(maria.tls_ca),
            )
            project.add(
                "maria/other-ca",
                port=maria.port,
                user=accounts["maria"].user,
                password=accounts["maria"].password,
                tls="verify",
                tls_ca=str(certificates.ca),
            )
            project.set("flower", users_file=str(fleet.folder / "users"))
            secrets = {
                "the password of Redis": REDIS_PASSWORD,
                "the wrong password": WRONG_PASSWORD,
                "the master key": (fleet.folder / "master.key").read_text().strip(),
                **{f"the password of {keyspace}": account.password for keyspace, account in accounts.items()},
            }
            watch = Watch(secrets, project.scratch)
            watch.start()
            try:
                _run_everything(fleet, secrets)
            finally:
                watch.stop()
            assert {"mariadbd", "mysqld", "mariadb-dump"} <= watch.seen
            assert watch.folders > 30
            assert watch.leaks == set()
            assert watch.open_files == set()
            _search(fleet, secrets)
            _check_modes(fleet)
    finally:
        os.umask(before)


def _run_everything(fleet: Fleet, secrets: dict[str, str]) -> None:
    """Beat, a node, a control worker, Flower, two cycles, runs that fail, and everything that Flower shows of it."""
    fleet.start_nodes("node1")
    fleet.start("control", "-n", "control@test", "-Q", "control", "-c", "1")
    fleet.start("events", "--dump", program="events")
    fleet.start("beat", "--pidfile=", program="beat")
    flower = Flower(fleet)
    secrets["the password of Flower"] = flower.password
    try:
        for number in (1, 2):
            outcomes = fleet.project.json("run", "maria/a", "mysql/a", "--wait", timeout=240)
            assert [outcome["result"]["number"] for outcome in outcomes] == [number, number]
        with pytest.raises(SourceDenied):
            fleet.enqueue("maria/wrong").get(timeout=60)
        with pytest.raises(SourceUnfit, match="certificate"):
            fleet.enqueue("maria/other-ca").get(timeout=60)
        fleet.project.json("shards")
        fleet.project.tidemark("shards", "--check", "--debug")
        wait_until(lambda: fleet.redis.exists("tidemark:beat::lock"), 30, "beat has its lock")
        pages = _pages(flower)
        (fleet.folder / "pages").write_text("\n".join(pages))
        assert "node1@test" in "".join(pages)
        assert "maria/wrong" in "".join(pages)
    finally:
        flower.stop()


def _pages(flower: Flower) -> list[str]:
    """Every page of Flower that says something."""
    wait_until(lambda: "node1@test" in flower.read("/api/workers?refresh=1")[1], 60, "Flower knows the node")
    found = []
    _, tasks = flower.read("/api/tasks?limit=100")

    ids = list(json.loads(tasks))
    paths = ["/", "/workers", "/worker/node1@test", "/tasks", "/broker", "/metrics", "/api/workers", "/api/tasks"]
    paths += [f"/task/{id}" for id in ids] + [f"/api/task/info/{id}" for id in ids]
    paths += [f"/api/task/result/{id}" for id in ids]
    for path in paths:
        status, text = flower.read(path)
        assert status == 200, (path, status, text[:500])
        found.append(text)
    return found


def _search(fleet: Fleet, secrets: dict[str, str]) -> None:
    """Redis (its append-only file has every command that ever changed something), logs, events, pages, repository."""
    own = {path for path in fleet.folder.iterdir() if path.name.endswith(".password")}
    own |= {fleet.folder / "master.key", fleet.folder / "redis" / "redis.conf"}
    searched = [path for path in files_below(fleet.folder) if path not in own]
    names = {path.name for path in searched}
    assert {"node1.log", "beat.log", "flower.log", "events.log", "control.log", "pages", "tidemark.toml"} <= names
    assert any("appendonly" in str(path) and path.stat().st_size > 10_000 for path in searched)
    assert "task succeeded" in fleet.text("events")
    for path in searched:
        content = path.read_bytes()
        assert not [name for name, secret in secrets.items() if secret.encode() in content], path


def _check_modes(fleet: Fleet) -> None:
    wait_until(lambda: fleet.project.leftovers() == [], 30, "nothing is left of the runs")
    for place in (fleet.project.repository, fleet.project.scratch):
        paths = [place, *place.rglob("*")]
        assert len(paths) > 3
        wrong = {
            str(path): f"{mode:04o}"
            for path in paths
            if (mode := stat.S_IMODE(path.lstat().st_mode)) != (0o700 if path.is_dir() else 0o600)
        }
        assert wrong == {}


@pytest.mark.parametrize("what", ["no certificate of ours", "another authority", "no TLS"])
def test_a_redis_whose_tls_does_not_hold_is_a_clear_error(
    certificates: Certificates, tmp_path: Path, what: str
) -> None:
    need_program("redis-server")
    with Fleet(tmp_path / "fleet", app="tasks", password=REDIS_PASSWORD, tls=certificates) as fleet:
        fleet.add_shards(["a/b"])
        keys: dict[str, Any] = dict(fleet.project.sections["redis"])
        match what:
            case "no certificate of ours":
                del keys["tls_cert"], keys["tls_key"]
            case "another authority":
                keys["tls_ca"] = str(make_certificates(tmp_path / "others").ca)
            case _:
                keys = {"url": keys["url"].replace("rediss:", "redis:"), "password_file": keys["password_file"]}
        fleet.project.sections["redis"] = keys
        fleet.project.write()
        done: subprocess.CompletedProcess[str] = fleet.project.tidemark("status")
    assert done.returncode == 1
    assert "Redis at 127.0.0.1" in done.stderr
    assert "HINT:" in done.stderr
    assert "Traceback" not in done.stderr
    assert REDIS_PASSWORD not in done.stderr
