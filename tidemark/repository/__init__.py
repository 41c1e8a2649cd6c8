"""Backups: encrypted, full, and stored so that unchanged blocks are stored once. See ``docs/format.md``.

::

    catalog     the backups of a shard as the store has them
    format/     what the objects hold, byte by byte
    inspect     who looks at the content of blocks
    keys/       master keys, and the data key that they wrap
    mirror/     other stores with the same objects
    objects     a shard's store, names and key
    prune/      which backups go, and their deletion
    repository  one store, one data key, many shards
    restore/    from packs to a folder, or to a look
    shard       one shard's backups: made, restored, verified, pruned
    threads/    many threads on one piece of work
    upload/     from files to packs and a manifest
"""

from tidemark.holdings import Inventory, InventoryTable, InventoryTablespace, SourceIdentity
from tidemark.repository.catalog import Catalog, History
from tidemark.repository.format.backup import Backup, Facts
from tidemark.repository.format.geometry import Geometry
from tidemark.repository.format.manifest import Manifest
from tidemark.repository.format.names import PackName
from tidemark.repository.inspect import Inspected, Inspector
from tidemark.repository.keys.keyring import Keyring, KeySource
from tidemark.repository.keys.keys import MasterKey, WrappingKey
from tidemark.repository.keys.rotation import KnownKey, Rotated, list_keys, retire, rotate
from tidemark.repository.mirror.mirror import Level, Mirror, Mirrored
from tidemark.repository.prune.prune import Pruned
from tidemark.repository.prune.retention import PrunePlan, RetentionPolicy, Verdict, plan_prune
from tidemark.repository.repository import Repository
from tidemark.repository.restore.restore import Restored, RestoreOptions
from tidemark.repository.restore.verify import Verified
from tidemark.repository.restore.verify_all import VerifiedAll
from tidemark.repository.shard import ShardRepository
from tidemark.repository.threads.limits import Limits, RateLimit
from tidemark.repository.upload.commit import NewBackup
from tidemark.repository.upload.options import UploadOptions
from tidemark.repository.upload.origin import FolderOrigin, Origin

__all__ = [
    "Backup",
    "Catalog",
    "Facts",
    "FolderOrigin",
    "Geometry",
    "History",
    "Inspected",
    "Inspector",
    "Inventory",
    "InventoryTable",
    "InventoryTablespace",
    "KeySource",
    "Keyring",
    "KnownKey",
    "Level",
    "Limits",
    "Manifest",
    "MasterKey",
    "Mirror",
    "Mirrored",
    "NewBackup",
    "Origin",
    "PackName",
    "PrunePlan",
    "Pruned",
    "RateLimit",
    "Repository",
    "RestoreOptions",
    "Restored",
    "RetentionPolicy",
    "Rotated",
    "ShardRepository",
    "SourceIdentity",
    "UploadOptions",
    "Verdict",
    "Verified",
    "VerifiedAll",
    "WrappingKey",
    "list_keys",
    "plan_prune",
    "retire",
    "rotate",
]
