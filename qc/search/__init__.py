"""Search: one line of the rule language, over the transcripts of a store. What a rule is found with before it is one."""

from __future__ import annotations

from qc.search.find import CallHits, SearchSummary, search
from qc.search.query import parse_query

__all__ = ["CallHits", "SearchSummary", "parse_query", "search"]
