"""Changing rules without surprises: what a change does to stored calls, proposals, new words, what rules are worth."""

from qc.changes.impact import Impact, impact

__all__ = ["Impact", "impact"]
