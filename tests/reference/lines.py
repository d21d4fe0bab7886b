"""Digests of how many lines of text are cut, so that the text itself needn't be recorded."""

import hashlib
import struct

BLOCK = 100


def digests(ids):
    """SHA-256 over each line's number of ids and its ids, as little-endian 32-bit numbers, a hundred
    lines to a digest."""
    blocks = (ids[at : at + BLOCK] for at in range(0, len(ids), BLOCK))
    packed = (b"".join(struct.pack(f"<{len(i) + 1}I", len(i), *i) for i in block) for block in blocks)
    return [hashlib.sha256(block).hexdigest() for block in packed]


def paths(shared):
    """The files with the lines: all of flores-dev, and the seeds."""
    return [*sorted(shared.glob("flores-dev/*.txt")), *sorted(shared.glob("seeds/*.txt"))]
