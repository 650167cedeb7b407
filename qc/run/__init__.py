"""The order of the stages: one call goes all the way from a folder of recordings to pages."""

from qc.run.pipeline import RunOptions, RunSummary, run_all

__all__ = ["RunOptions", "RunSummary", "run_all"]
