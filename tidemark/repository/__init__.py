"""Backups: encrypted, full, and stored so that unchanged blocks are stored once. See ``docs/format.md``."""

from tidemark.repository.backup import Backup, Facts
from tidemark.repository.inspect import Inspected, Inspector
from tidemark.repository.keyring import Keyring, KeySource
from tidemark.repository.keys import MasterKey, WrappingKey
from tidemark.repository.limits import Limits, RateLimit
from tidemark.repository.manifest import Manifest
from tidemark.repository.mirror import Level, Mirror, Mirrored
from tidemark.repository.prune import Pruned
from tidemark.repository.repository import Repository
from tidemark.repository.restore import Restored
from tidemark.repository.retention import PrunePlan, RetentionPolicy, Verdict, plan_prune
from tidemark.repository.rotation import KnownKey, Rotated, list_keys, retire, rotate
from tidemark.repository.shard import History, ShardRepository
from tidemark.repository.verify import Verified

__all__ = [
    "Backup",
    "Facts",
    "History",
    "Inspected",
    "Inspector",
    "KeySource",
    "Keyring",
    "KnownKey",
    "Level",
    "Limits",
    "Manifest",
    "MasterKey",
    "Mirror",
    "Mirrored",
    "PrunePlan",
    "Pruned",
    "RateLimit",
    "Repository",
    "Restored",
    "RetentionPolicy",
    "Rotated",
    "ShardRepository",
    "Verdict",
    "Verified",
    "WrappingKey",
    "list_keys",
    "plan_prune",
    "retire",
    "rotate",
]
