"""The configuration: one TOML file, validated as a whole. Frozen once loaded; never holds a secret itself."""

from tidemark.config.alert import AlertSettings
from tidemark.config.fleet import CycleSettings, NodeSettings, RedisSettings, RetentionSettings
from tidemark.config.flower import FlowerSettings
from tidemark.config.limits import FleetSettings, LimitSettings
from tidemark.config.load import ENVIRONMENT_VARIABLE, FALLBACK_PATH, config_path, current, load
from tidemark.config.logs import LogSettings
from tidemark.config.metrics import MetricsSettings
from tidemark.config.repository import RepositorySettings
from tidemark.config.settings import Settings
from tidemark.config.shard import ShardSettings
from tidemark.config.types import ShardName, parse_duration, parse_size

__all__ = [
    "ENVIRONMENT_VARIABLE",
    "FALLBACK_PATH",
    "AlertSettings",
    "CycleSettings",
    "FleetSettings",
    "FlowerSettings",
    "LimitSettings",
    "LogSettings",
    "MetricsSettings",
    "NodeSettings",
    "RedisSettings",
    "RepositorySettings",
    "RetentionSettings",
    "Settings",
    "ShardName",
    "ShardSettings",
    "config_path",
    "current",
    "load",
    "parse_duration",
    "parse_size",
]
