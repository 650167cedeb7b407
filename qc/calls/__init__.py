"""Stage 1: folders of recordings and a call list, joined to the `calls` table."""

from qc.calls.build import CallOptions, Joined, build_calls, calls_table, join_calls, look_first, nothing_found, save_calls

__all__ = ["CallOptions", "Joined", "build_calls", "calls_table", "join_calls", "look_first", "nothing_found", "save_calls"]
