"""What tells whether a call's transcript is still the one that was scanned: a digest of each, and whether it can be relied on."""

from qc.digests.parts import DIGEST, hold, write
from qc.digests.rows import digests

__all__ = ["DIGEST", "digests", "hold", "write"]
