"""What the pages and spreadsheets of this room say, in Chinese and English."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "title": ("改规则的影响", "What a change of rules does"),
    "calls": ("通话", "calls"),
    "failed": ("没有分数", "without a score"),
    "verdicts_changed": ("结论有变的通话", "calls whose verdicts change"),
    "scores_changed": ("分数有变的通话", "calls whose score changes"),
    "max_shift": ("服务商、客服或全体平均分的最大变化", "largest shift of a provider's, an agent's or the whole mean"),
    "changes": ("规则改了什么", "What was changed"),
    "no_changes": ("两个包相同。", "The packs are the same."),
    "rules": ("规则", "Rules"),
    "rule": ("规则", "rule"),
    "hits_before": ("原来命中", "hits before"),
    "hits_after": ("现在命中", "hits after"),
    "new_hits": ("新增命中", "new hits"),
    "lost_hits": ("不再命中", "hits lost"),
    "other": ("其他变化", "other changes"),
    "providers": ("服务商", "Providers"),
    "agents": ("客服", "Agents"),
    "name": ("名称", "name"),
    "provider": ("服务商", "provider"),
    "agent": ("客服", "agent"),
    "scored": ("有分数的通话", "scored calls"),
    "changed": ("分数有变", "changed"),
    "before": ("原来", "before"),
    "after": ("现在", "after"),
    "shift": ("变化", "shift"),
    "most_changed": ("变化最大的通话", "Calls that change most"),
    "call": ("通话", "call"),
    "verdicts": ("结论", "verdicts"),
    "evidence": ("原话", "words"),
    "nobody": ("未分配", "unassigned"),
    "none": ("没有变化。", "Nothing changes."),
    "all": ("全体", "all"),
    "hit": ("命中", "hit"),
    "miss": ("未命中", "miss"),
    "undecided": ("无法判定", "undecided"),
    "intervals": (
        "分数是区间：下端把无法判定的都算命中，上端都算未命中。变化取两端变化中较大的一个。",
        "A score is an interval: what could not be decided counts as hits at its lower end, as misses at its upper end. A shift is "
        "the larger of the changes of the two ends.",
    ),
    "shown": ("只列出变化最大的", "The largest are listed."),
}
"""Word to Chinese and English."""


class Words:
    """The words in one language."""

    def __init__(self, lang: str) -> None:
        self.lang = lang

    def __call__(self, word: str) -> str:
        return WORDS[word][0 if self.lang == "zh" else 1]

    def text(self, text: dict[str, str]) -> str:
        """A text of a pack."""
        return text[self.lang]
