"""The whole file."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from pydantic import Field, model_validator

from tidemark.config.alert import AlertSettings
from tidemark.config.fleet import CycleSettings, NodeSettings, RedisSettings, RetentionSettings
from tidemark.config.flower import FlowerSettings
from tidemark.config.limits import FleetSettings, LimitSettings
from tidemark.config.logs import LogSettings
from tidemark.config.metrics import MetricsSettings
from tidemark.config.repository import KEY_KEYS, RepositorySettings
from tidemark.config.shard import ShardSettings
from tidemark.config.types import Section
from tidemark.errors import ConfigError


class Settings(Section):
    """The whole file."""

    repository: RepositorySettings
    mirrors: tuple[RepositorySettings, ...] = ()
    node: NodeSettings
    redis: RedisSettings = RedisSettings()
    cycle: CycleSettings = CycleSettings()
    fleet: FleetSettings = FleetSettings()
    limits: LimitSettings = LimitSettings()
    retention: RetentionSettings = RetentionSettings()
    alert: AlertSettings = AlertSettings()
    logs: LogSettings = LogSettings()
    flower: FlowerSettings = FlowerSettings()
    metrics: MetricsSettings = MetricsSettings()
    shard: tuple[ShardSettings, ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _part_repositories(cls, data: Any) -> Any:
        """``[[repository]]`` more than once: the first counts, the others mirror it and are opened with its keys."""
        if not isinstance(data, dict) or isinstance(data.get("mirrors"), tuple):
            return data
        if "mirrors" in data:
            raise ValueError("there is no section mirrors; give [[repository]] once more for each mirror")
        given = data.get("repository")
        if not isinstance(given, list) or not given or not all(isinstance(entry, dict) for entry in given):
            return data
        first, *others = given
        keys = {key: value for key, value in first.items() if key.startswith(KEY_KEYS)}
        mirrors = []
        for other in others:
            if own := sorted(key for key in other if key.startswith(KEY_KEYS)):
                raise ValueError(
                    f"{own[0]} stands in a second [[repository]]; all are opened with the keys of the first"
                )
            mirrors.append(keys | other)
        return data | {"repository": first, "mirrors": tuple(mirrors)}

    @model_validator(mode="before")
    @classmethod
    def _apply_defaults(cls, data: Any) -> Any:
        """``[defaults]`` gives every shard the keys that it does not set itself."""
        if isinstance(data, dict) and isinstance(data.get("defaults"), dict):
            data = dict(data)
            defaults = data.pop("defaults")
            if "name" in defaults:
                raise ValueError("[defaults] cannot give a name")
            shards = data.get("shard", [])
            if isinstance(shards, list):
                data["shard"] = [defaults | entry if isinstance(entry, dict) else entry for entry in shards]
        return data

    @model_validator(mode="after")
    def _check(self) -> Settings:
        names = Counter(shard.name for shard in self.shard)
        if twice := sorted(name for name, times in names.items() if times > 1):
            raise ValueError(f"the shard {twice[0]} is configured twice")
        urls = [repository.url.rstrip("/") for repository in self.repositories]
        if twice := sorted({url for url in urls if urls.count(url) > 1}):
            raise ValueError(f"the repository {twice[0]} is configured twice")
        return self

    @property
    def max_age(self) -> timedelta:
        """How old a shard's newest backup may be."""
        return self.alert.max_age or 2 * self.cycle.every

    @property
    def max_proven_age(self) -> timedelta:
        """How old a shard's newest proven backup may be."""
        between = self.node.prove_every if self.node.keep else timedelta(0)
        return self.alert.max_proven_age or self.max_age + self.cycle.every + between

    @property
    def repositories(self) -> tuple[RepositorySettings, ...]:
        """All of them: the one that counts first, then its mirrors."""
        return (self.repository, *self.mirrors)

    def find_repository(self, text: str) -> RepositorySettings:
        """The repository with this url or number (from 1, in the file's order), or ``ConfigError``."""
        for number, repository in enumerate(self.repositories, 1):
            if text in {str(number), repository.url, repository.url.rstrip("/")}:
                return repository
        known = ", ".join(f"{number} ({place.url})" for number, place in enumerate(self.repositories, 1))
        raise ConfigError(f'there is no repository "{text}" in the configuration', f"the repositories are: {known}")

    def retention_of(self, shard: ShardSettings) -> RetentionSettings:
        """``[retention]`` with what the shard says otherwise."""
        if shard.retention is None:
            return self.retention
        own = {name: getattr(shard.retention, name) for name in shard.retention.model_fields_set}
        return self.retention.model_copy(update=own)
