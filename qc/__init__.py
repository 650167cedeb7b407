"""qc: call recordings to text, text to verdicts, verdicts to scores and pages."""

from qc import version

__version__ = version.VERSION
__all__ = ["__version__"]
