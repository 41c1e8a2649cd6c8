"""The configuration says what is wrong so that a person can mend it."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tidemark import config
from tidemark.config import Address
from tidemark.errors import ConfigError

pytestmark = pytest.mark.unit

GOOD = """
[repository]
url = "file:///var/backups/tidemark"
key_file = "/etc/tidemark/master.key"
[node]
scratch = "scratch"
[cycle]
every = "12h"
min_interval = "6h"
[retention]
keep_last = 2
[[shard]]
name = "commerce/-80"
host = "10.0.0.7"
user = "tidemark"
password_file = "commerce.password"
first_backup = "clone"
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def _write(text: str) -> Path:
        path = tmp_path / "tidemark.toml"
        path.write_text(text)
        return path

    return _write


def test_a_good_file_gives_frozen_settings(write: Callable[[str], Path]) -> None:
    settings = config.load(write(GOOD))

    assert settings.cycle.every == timedelta(hours=12)
    assert settings.retention.keep_last == 2
    (shard,) = settings.shard
    assert (shard.port, shard.flavour, shard.keyspace) == (3306, "auto", "commerce")
    with pytest.raises(ValueError, match="frozen"):
        shard.port = 1  # type: ignore[misc]


def test_a_shard_may_name_every_server_that_can_be_its_primary(write: Callable[[str], Path]) -> None:
    hosts = 'hosts = ["a:3307", "b", "[fd00::7]:3308"]\nport = 3300\nsource = "replica"\nreplica_hosts = ["c"]'

    shard = config.load(write(GOOD.replace('host = "10.0.0.7"', hosts))).shard[0]

    assert shard.candidates == (Address("a", 3307), Address("b", 3300), Address("fd00::7", 3308))
    assert [str(address) for address in shard.candidates] == ["a:3307", "b:3300", "[fd00::7]:3308"]
    assert shard.replicas == (Address("c", 3300),)


def test_a_single_server_is_named_by_host_and_port(write: Callable[[str], Path]) -> None:
    shard = config.load(write(GOOD.replace('host = "10.0.0.7"', 'host = "fd00::7"\nport = 3307'))).shard[0]

    assert shard.candidates == (Address("fd00::7", 3307),)
    assert shard.replicas == ()


def test_relative_paths_are_meant_from_the_files_folder(write: Callable[[str], Path], tmp_path: Path) -> None:
    settings = config.load(write(GOOD))

    assert settings.node.scratch == tmp_path / "scratch"
    assert settings.shard[0].password_file == tmp_path / "commerce.password"


def test_defaults_fill_in_what_a_shard_does_not_say(write: Callable[[str], Path]) -> None:
    text = GOOD + '[defaults]\nfirst_backup = "replay"\nstall_timeout = "90s"\n'

    shard = config.load(write(text)).shard[0]

    assert shard.first_backup == "clone"
    assert shard.stall_timeout == timedelta(seconds=90)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('every = "12h"', 'every = "12 hours"', "[cycle] every: a duration is a number and a unit"),
        ('every = "12h"', "every = 12", "(it is 12)"),
        ('min_interval = "6h"', 'min_interval = "13h"', "min_interval is longer than every"),
        ("keep_last = 2", "keep_last = 0", "[retention] keep_last: Input should be greater than or equal to 1"),
        ("keep_last = 2", "keep_lasst = 2", "[retention] keep_lasst: there is no such key"),
        ('url = "file:///var/backups/tidemark"', 'url = "ftp://x/y"', 'given as "file:///folder"'),
        ('url = "file:///var/backups/tidemark"', 'url = "file://var/backups"', "three slashes"),
        ('name = "commerce/-80"', 'name = "commerce"', '"keyspace/shard"'),
        ('name = "commerce/-80"', 'name = "../-80"', '"keyspace/shard"'),
        ('name = "commerce/-80"', 'name = "keys/-80"', "the repository uses itself"),
        ('host = "10.0.0.7"', "", "[[shard]] commerce/-80: no primary is given: set host, or hosts"),
        ('host = "10.0.0.7"', 'host = "a"\nhosts = ["b"]', "host and hosts are given"),
        ('host = "10.0.0.7"', 'hosts = ["a:b:c"]', '"a:b:c" is not a server'),
        ('host = "10.0.0.7"', 'hosts = ["a", "a:3306"]', "hosts names a:3306 twice"),
        ('host = "10.0.0.7"', 'host = "a"\nsource = "replica"', "which needs replica_hosts"),
        ('host = "10.0.0.7"', 'host = "10.0.0.7"\nport = 70000', "(it is 70000)"),
        ('first_backup = "clone"', 'first_backup = "copy"', "'clone', 'replay', 'empty' or 'refuse'"),
        ('first_backup = "clone"', 'first_backup = "empty"', "which needs init_sql_file"),
        ('first_backup = "clone"', 'tls = "verify"', "which needs tls_ca"),
        ("[[shard]]", "[redis]\nurl = 'redis://:secret@x/0'\n[[shard]]", "put it into a file"),
        ("[node]", "[nodes]", "[nodes]: there is no such key"),
        ("[repository]", "[repository", "is not valid TOML"),
    ],
)
def test_a_problem_names_the_key_and_what_is_allowed(
    write: Callable[[str], Path], old: str, new: str, said: str
) -> None:
    assert old in GOOD

    with pytest.raises(ConfigError) as caught:
        config.load(write(GOOD.replace(old, new, 1)))

    assert said in str(caught.value)


def test_all_problems_are_told_at_once(write: Callable[[str], Path]) -> None:
    text = GOOD.replace("keep_last = 2", "keep_last = 0").replace('every = "12h"', 'every = "x"')

    with pytest.raises(ConfigError, match="has 2 problems"):
        config.load(write(text))


def test_the_same_shard_twice_is_refused(write: Callable[[str], Path]) -> None:
    with pytest.raises(ConfigError, match="commerce/-80 is configured twice"):
        config.load(write(GOOD + GOOD[GOOD.index("[[shard]]") :]))


def test_a_missing_file_is_told_with_the_ways_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no configuration file") as caught:
        config.load(tmp_path / "none.toml")

    assert "--config" in caught.value.hint


def test_the_file_is_looked_for_in_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(config.ENVIRONMENT_VARIABLE, raising=False)
    assert config.config_path() == tmp_path / "tidemark.toml"

    monkeypatch.setenv(config.ENVIRONMENT_VARIABLE, "/etc/a.toml")
    assert config.config_path() == Path("/etc/a.toml")
    assert config.config_path("b.toml") == tmp_path / "b.toml"
    assert os.environ[config.ENVIRONMENT_VARIABLE] == "/etc/a.toml"


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("12h", 43200), ("1d12h", 129600), ("0.5s", 0.5), ("0s", 0)]
)
def test_durations(text: str, seconds: float) -> None:
    assert config.parse_duration(text) == timedelta(seconds=seconds)


def test_further_repositories_mirror_the_first_and_share_its_keys(write: Callable[[str], Path]) -> None:
    mirrors = '[[repository]]\nurl = "file:///mnt/second"\n[[repository]]\nurl = "file:///mnt/third"\n'
    settings = config.load(write(GOOD.replace("[repository]", "[[repository]]").replace("[node]", mirrors + "[node]")))

    urls = ["file:///var/backups/tidemark", "file:///mnt/second", "file:///mnt/third"]
    assert [repository.url for repository in settings.repositories] == urls
    assert {repository.key_file for repository in settings.repositories} == {Path("/etc/tidemark/master.key")}
    assert settings.repository == settings.repositories[0]
    assert settings.find_repository("2") == settings.find_repository("file:///mnt/second") == settings.mirrors[0]
    with pytest.raises(ConfigError, match='no repository "4"'):
        settings.find_repository("4")


@pytest.mark.parametrize(
    ("mirror", "said"),
    [
        ('[[repository]]\nurl = "file:///var/backups/tidemark/"', "is configured twice"),
        ('[[repository]]\nurl = "file:///b"\nkey_file = "x"', "with the keys of the first"),
        ('[[repository]]\nurl = "ftp://b"', "[[repository]] number 2"),
        ('[[repository]]\nurl = "file:///b"\nurrl = "x"', "[[repository]] number 2: urrl: there is no such key"),
        ('[[mirrors]]\nurl = "file:///b"', "no section mirrors"),
    ],
)
def test_a_problem_of_a_mirror_is_told(write: Callable[[str], Path], mirror: str, said: str) -> None:
    text = GOOD.replace("[repository]", "[[repository]]").replace("[node]", f"{mirror}\n[node]")

    with pytest.raises(ConfigError) as caught:
        config.load(write(text))

    assert said in str(caught.value)


KEY = 'key_file = "/etc/tidemark/master.key"'


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("", "[repository]: no master key is given: set key_file, key_env or key_kms"),
        ('key_file = "a"\nkey_kms = "alias/tidemark"', "key_file and key_kms are given; one of them is today's key"),
        ('key_env = "tidemark-master-key-1:c2VjcmV0"', "key_env: this is the name of an environment variable"),
        ('key_kms = ""', "[repository] key_kms"),
    ],
)
def test_todays_key_is_given_once_and_never_in_the_file_itself(
    write: Callable[[str], Path], keys: str, said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(write(GOOD.replace(KEY, keys)))

    assert said in caught.value.message
    assert "c2VjcmV0" not in str(caught.value)


def test_old_keys_stand_beside_todays(write: Callable[[str], Path], tmp_path: Path) -> None:
    keys = 'key_kms = "alias/tidemark"\nold_key_files = ["old.key", "/older.key"]\nold_key_envs = ["OLDEST"]'

    place = config.load(write(GOOD.replace(KEY, keys))).repository

    assert (place.key_file, place.key_kms) == (None, "alias/tidemark")
    assert place.old_key_files == (tmp_path / "old.key", Path("/older.key"))
    assert place.old_key_envs == ("OLDEST",)


def test_a_shard_says_only_what_it_keeps_otherwise(write: Callable[[str], Path]) -> None:
    general = GOOD.replace("keep_last = 2", "keep_last = 2\nkeep_daily = 7")

    settings = config.load(write(general + 'retention = { keep_daily = 30, keep_within = "2d" }\n'))

    kept = settings.retention_of(settings.shard[0])
    assert (kept.keep_last, kept.keep_daily, kept.keep_within) == (2, 30, timedelta(days=2))
    assert settings.retention.keep_daily == 7
    plain = config.load(write(general))
    assert plain.retention_of(plain.shard[0]) == plain.retention


@pytest.mark.parametrize(
    ("keys", "seen"),
    [
        ('url = "s3://"', "s3://bucket/prefix"),
        ('url = "s3://key:secret@bucket/x"', "credentials never belong into it"),
        ('url = "ftp://host/x"', "a repository is given as"),
        ('url = "file:///b"\nregion = "eu-central-1"', "region means nothing for a folder"),
        ('url = "s3://b"\nendpoint_url = "http://user:secret@host"', "credentials never belong into it"),
        ('url = "s3://b"\nendpoint_url = "host:9000"', "https://host:port"),
        ('url = "gs://b"\nregion = "eu"', "region means nothing for Google"),
        ('url = "s3://b"\nstorage_class = "DEEP_ARCHIVE"', "cannot be read at once"),
        ('url = "s3://b"\nserver_side_kms_key = "x"', 'needs server_side_encryption = "aws:kms"'),
        ('url = "s3://b"\nserver_side_encryption = "rot13"', "[repository] server_side_encryption"),
    ],
)
def test_where_a_repository_is_must_make_sense(write: Callable[[str], Path], keys: str, seen: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(write(GOOD.replace('url = "file:///var/backups/tidemark"', keys)))
    assert seen in caught.value.message
