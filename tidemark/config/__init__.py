"""The configuration: one TOML file, validated as a whole. Frozen once loaded; never holds a secret itself.

::

    alert       ``[alert]``: when a shard is not safe, and who is told
    fleet       ``[cycle]``, ``[node]``, ``[redis]``, ``[retention]``
    flower      ``[flower]``: where it listens, who may log in
    limits      ``[fleet]`` and ``[limits]``: how much goes on, for how long
    load        finding, reading and validating the file
    logs        ``[logs]``: how workers log
    metrics     ``[metrics]``: where the exporter listens
    repository  ``[repository]`` and ``[[mirror]]``: where backups are, and their keys
    settings    the whole file
    shard       ``[[shard]]``: one shard
    types       durations, sizes, paths and names, as people write them
"""

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
from tidemark.config.types import Address, ShardName, parse_duration, parse_size

__all__ = [
    "ENVIRONMENT_VARIABLE",
    "FALLBACK_PATH",
    "Address",
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
