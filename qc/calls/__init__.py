"""Stage 1: folders of recordings and a call list, joined to the `calls` table."""

from qc.calls.build import CallOptions, build_calls, calls_table, save_calls

__all__ = ["CallOptions", "build_calls", "calls_table", "save_calls"]
