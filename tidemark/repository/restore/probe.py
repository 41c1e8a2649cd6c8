"""A look at one piece of a backup: enough to know that the key is the right one."""

from __future__ import annotations

from tidemark.errors import Damaged
from tidemark.repository.format import block_map
from tidemark.repository.format.block_map import FrameRef
from tidemark.repository.format.manifest import Manifest, segment_counts
from tidemark.repository.format.sealing import FrameSealer, Kind
from tidemark.repository.objects import ShardObjects


def open_one_frame(objects: ShardObjects, manifest: Manifest) -> int:
    """Opens map frames until one names a data frame, and that one; gives the bytes of content that were opened: 0 for
    a backup that stores nothing but holes. Raises ``Damaged`` or ``ObjectMissing``."""
    sealer = objects.sealer()
    opened = 0
    for file in manifest.body.files:
        counts = segment_counts(file.length, manifest.backup.block_size, manifest.body.segment_blocks)
        for ref, count in zip(manifest.body.segments(file), counts, strict=True):
            content = _open(objects, sealer, Kind.MAP, ref)
            opened += len(content)
            segment = block_map.decode(content, count, f"the map of {file.path}")
            if segment.frames:
                return opened + len(_open(objects, sealer, Kind.DATA, segment.frames[0]))
    return opened


def _open(objects: ShardObjects, sealer: FrameSealer, kind: Kind, ref: FrameRef) -> bytes:
    name = objects.names.pack(ref.pack)
    sealed = objects.store.get(name, ref.offset, ref.length)
    if len(sealed) != ref.length:
        raise Damaged(f"{name} is cut off: it has no {ref.length} bytes from {ref.offset} on")
    return sealer.open(kind, ref.pack, ref.number, ref.raw, sealed, name)
