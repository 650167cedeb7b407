"""Stage 4: what the rules found becomes scores of calls, agents and providers, each an interval that owns its doubt."""

from qc.score.run import ScoreOptions, ScoreSummary, score

__all__ = ["ScoreOptions", "ScoreSummary", "score"]
