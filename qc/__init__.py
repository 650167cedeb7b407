"""qc: call recordings to text, text to verdicts, verdicts to scores and pages."""

from qc.version import VERSION as __version__

__all__ = ["__version__"]
