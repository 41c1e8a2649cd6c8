"""A master key in AWS KMS, over HTTP: moto's server stands for AWS."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

from sandbox.ports import free_port
from tests.support.backups import noise, upload, write_folder
from tests.support.project import Project
from tests.support.waiting import wait_until
from tidemark.errors import Damaged, KeyUnavailable, StorageUnavailable, TidemarkError
from tidemark.repository import Keyring, KeySource, MasterKey, Repository, list_keys, retire, rotate
from tidemark.repository.keys.keys import DataKey, unwrap, wrap
from tidemark.repository.keys.kms import KmsKey
from tidemark.storage import FileStore, MemoryStore

pytestmark = pytest.mark.integration


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310
            return True
    except OSError:
        return False


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    log = tmp_path_factory.mktemp("moto") / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [str(Path(sys.executable).parent / "moto_server"), "-H", "127.0.0.1", "-p", str(port)],
            stdout=output,
            stderr=output,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _answers(f"{url}/moto-api/"), 60, "moto's server answers")
        yield url
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


@pytest.fixture(autouse=True)
def aws(endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", endpoint)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))


@pytest.fixture
def kms() -> Any:
    return boto3.client("kms")


def make(kms: Any, **options: Any) -> str:
    return str(kms.create_key(**options)["KeyMetadata"]["Arn"])


def test_a_repository_is_opened_by_a_key_that_never_leaves_kms(kms: Any) -> None:
    arn, store = make(kms), MemoryStore()

    made = Repository.open(store, Keyring([KeySource.kms(arn)]), create=True)

    assert Repository.open(store, Keyring([KeySource.kms(arn)])).id == made.id
    (info,) = store.list()
    key = KmsKey.load(arn)
    content = json.loads(store.get(info.name))
    assert info.name == f"keys/{key.id}"
    name = arn.rpartition("/")[2]
    assert key.id == hashlib.sha256(b"tidemark-1 aws-kms " + name.encode()).digest()[:8].hex()
    assert (content["algorithm"], content["nonce"]) == ("AWS-KMS", "")
    assert content["service_key"] == name


def test_what_is_wrapped_is_bound_to_everything_else_in_its_object(kms: Any) -> None:
    key, data = KmsKey.load(make(kms)), DataKey.generate()
    content = wrap(key, data)
    assert unwrap(key, content, "keys/it") == data
    fields = json.loads(content)

    context = {name: str(value) for name, value in fields.items() if name not in {"nonce", "wrapped"}}
    answer = kms.decrypt(CiphertextBlob=bytes.fromhex(fields["wrapped"]), EncryptionContext=context)
    assert answer["Plaintext"] == data.secret

    flipped = fields["wrapped"][:-1] + f"{int(fields['wrapped'][-1], 16) ^ 1:x}"
    for name, value in (("repository", "00" * 16), ("created_at", "2020-01-01T00:00:00Z"), ("wrapped", flipped)):
        changed = json.dumps(fields | {name: value}, indent=1, sort_keys=True).encode() + b"\n"
        with pytest.raises(Damaged, match="keys/it"):
            unwrap(key, changed, "keys/it")


def test_an_object_of_another_kms_key_is_not_taken(kms: Any) -> None:
    one, two = KmsKey.load(make(kms)), KmsKey.load(make(kms))
    assert one.id != two.id

    with pytest.raises(Damaged):
        unwrap(two, wrap(one, DataKey.generate()), "keys/it")


def test_an_alias_is_the_key_that_it_names(kms: Any) -> None:
    one, two = make(kms), make(kms)
    kms.create_alias(AliasName="alias/tidemark", TargetKeyId=one)
    store, alias = MemoryStore(), KeySource.kms("alias/tidemark")
    Repository.open(store, Keyring([alias]), create=True)
    assert KmsKey.load("alias/tidemark").id == KmsKey.load(one).id

    kms.update_alias(AliasName="alias/tidemark", TargetKeyId=two)

    with pytest.raises(KeyUnavailable, match="is not opened by the master key"):
        Repository.open(store, Keyring([alias]))
    assert rotate(store, Keyring([alias, KeySource.kms(one)])).written
    assert Repository.open(store, Keyring([alias]))


def test_rotation_goes_from_a_file_to_kms_and_back(kms: Any) -> None:
    store, file, service = MemoryStore(), MasterKey.generate(), KeySource.kms(make(kms))
    local = KeySource("a file", lambda: file)
    made = Repository.open(store, file, create=True)

    done = rotate(store, Keyring([service, local]))
    listed = list_keys(store, Keyring([service, local]))
    assert [(key.algorithm, key.today, key.opens) for key in listed] == [
        ("AWS-KMS", True, True),
        ("AES-256-GCM", False, True),
    ]
    retire(store, Keyring([service]), file.id)
    assert Repository.open(store, Keyring([service])).id == made.id

    rotate(store, Keyring([local, service]))
    retire(store, Keyring([local]), done.key_id)
    assert Repository.open(store, file).id == made.id
    assert len(list(store.list("keys/"))) == 1


def test_a_key_that_is_not_there_is_said_plainly(kms: Any) -> None:
    with pytest.raises(KeyUnavailable, match="AWS KMS has no key alias/nobody") as caught:
        KmsKey.load("alias/nobody")
    assert "lost" in caught.value.hint


def test_a_key_that_is_disabled_or_about_to_be_deleted_says_so_while_there_is_time(kms: Any) -> None:
    disabled, doomed, store = make(kms), make(kms), MemoryStore()
    Repository.open(store, Keyring([KeySource.kms(doomed)]), create=True)
    kms.disable_key(KeyId=disabled.rpartition("/")[2])
    kms.schedule_key_deletion(KeyId=doomed.rpartition("/")[2])

    with pytest.raises(KeyUnavailable, match="it is Disabled"):
        KmsKey.load(disabled)
    with pytest.raises(KeyUnavailable, match="it is PendingDeletion") as caught:
        Repository.open(store, Keyring([KeySource.kms(doomed)]))
    assert "cancel its deletion" in caught.value.hint

    kms.cancel_key_deletion(KeyId=doomed.rpartition("/")[2])
    kms.enable_key(KeyId=doomed.rpartition("/")[2])
    assert Repository.open(store, Keyring([KeySource.kms(doomed)]))


def test_a_key_for_another_purpose_is_refused(kms: Any) -> None:
    arn = make(kms, KeyUsage="SIGN_VERIFY", KeySpec="RSA_2048")

    with pytest.raises(KeyUnavailable, match="is made for SIGN_VERIFY"):
        KmsKey.load(arn)


def test_without_credentials_or_region_the_error_says_where_they_are_looked_for(
    kms: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(KeyUnavailable, match="region") as caught:
        KmsKey.load("alias/tidemark")
    assert "environment" in caught.value.hint

    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(KeyUnavailable, match="credentials"):
        KmsKey.load("alias/tidemark")


def test_a_kms_that_does_not_answer_is_worth_a_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", f"http://127.0.0.1:{free_port()}")

    with pytest.raises(StorageUnavailable, match="does not answer"):
        KmsKey.load("alias/tidemark")


@pytest.mark.parametrize(
    ("status", "code", "error", "said"),
    [
        (400, "AccessDeniedException", KeyUnavailable, "allow this account kms:DescribeKey"),
        (400, "ThrottlingException", StorageUnavailable, "cannot serve the key alias/tidemark now"),
        (500, "KMSInternalException", StorageUnavailable, "cannot serve the key alias/tidemark now"),
    ],
)
def test_what_kms_refuses_is_told_from_what_it_cannot_do_now(
    monkeypatch: pytest.MonkeyPatch, status: int, code: str, error: type[TidemarkError], said: str
) -> None:
    class Refusing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            content = json.dumps({"__type": code, "message": "not now"}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *words: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", f"http://127.0.0.1:{server.server_port}")
        try:
            with pytest.raises(error) as caught:
                KmsKey.load("alias/tidemark")
        finally:
            server.shutdown()
            thread.join()
    assert said in str(caught.value)
    assert code in str(caught.value)


def test_no_secret_is_shown(kms: Any) -> None:
    key = KmsKey.load(make(kms))

    assert "test" not in repr(key)
    assert "client" not in repr(key)


def test_a_repository_moves_to_kms_by_the_commands(kms: Any, tmp_path: Path) -> None:
    project = Project(tmp_path, redis={"url": f"redis://127.0.0.1:{free_port()}/0"})
    project.add("commerce/-80", port=1, user="tidemark", password="secret")
    old = MasterKey.load(tmp_path / "master.key")
    shard = Repository.open(FileStore(project.repository), old, create=True).shard("commerce/-80")
    write_folder(tmp_path / "data", {"t": noise("kms", 5000)})
    upload(shard, tmp_path / "data")

    del project.sections["repository"]["key_file"]
    project.set("repository", key_kms=make(kms), old_key_files=["master.key"])
    assert project.json("keys", "rotate")["others"] == [old.id]
    project.set("repository", old_key_files=[])
    assert project.tidemark("keys", "retire", old.id).returncode == 0

    assert project.json("keys", "check") == [{"shard": "commerce/-80", "backup": 1, "problem": ""}]
    assert len(project.json("backups", "commerce/-80")) == 1
    with pytest.raises(KeyUnavailable, match=old.id):
        Repository.open(FileStore(project.repository), old)
