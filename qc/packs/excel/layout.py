"""What the workbook's sheets and columns are called, what may stand in them, and what their comments say: shared by both ways."""

from __future__ import annotations

from dataclasses import dataclass

from qc.packs.model import SEVERITIES, VISIBILITIES


@dataclass(frozen=True)
class Column:
    """A column: `key` in the pack, its header and comment by language, its width in characters, `choices` of its drop-down."""

    key: str
    zh: str
    en: str
    zh_note: str
    en_note: str
    width: int = 14
    choices: tuple[str, ...] = ()
    number: bool = False

    def head(self, lang: str) -> str:
        """The header in one language."""
        return self.zh if lang == "zh" else self.en

    def note(self, lang: str) -> str:
        """The comment in one language."""
        return self.zh_note if lang == "zh" else self.en_note


SHEETS: dict[str, tuple[str, str]] = {
    "about": ("说明", "About"),
    "rules": ("规则", "Rules"),
    "lists": ("词表", "Word lists"),
    "cases": ("用例", "Cases"),
    "scorecard": ("评分表", "Scorecard"),
    "manual": ("人工评分项", "Manual items"),
    "pack": ("规则包", "Pack"),
}
"""Sheets by key: name in Chinese, in English."""

LABELS: dict[str, tuple[str, str]] = {
    "low": ("低", "low"),
    "medium": ("中", "medium"),
    "high": ("高", "high"),
    "critical": ("严重", "critical"),
    "true": ("是", "yes"),
    "false": ("否", "no"),
    "agent": ("客服", "agent"),
    "customer": ("客户", "customer"),
    "anyone": ("任何人", "anyone"),
    "hit": ("命中", "hit"),
    "miss": ("不命中", "miss"),
    "undecided": ("无法判定", "undecided"),
    "shown": ("公开", "shown"),
    "hidden": ("隐藏", "hidden"),
    "exact": ("照写", "exact"),
    "sound": ("同音", "sound"),
}
"""Values of drop-downs: label in Chinese, in English. Reading takes either, and the word itself."""

_LINES_ZH = "一行一个（单元格里换行按 Alt+Enter）。/…/ 是模式，{list: 词表名} 是整个词表。"
_LINES_EN = "One a line (Alt+Enter for a new line in the cell). /…/ is a pattern, {list: name} a whole word list."

RULES: tuple[Column, ...] = (
    Column("id", "编号", "id", "小写字母、数字和连字符。定了就不要改：分数和命中按它记。", "Small letters, digits, hyphens. Keep it for ever: findings and scores go by it.", 24),
    Column("title.zh", "名称", "title (Chinese)", "报告里的名称，中文。", "The name in reports, in Chinese.", 18),
    Column("title.en", "英文名称", "title", "报告里的名称，英文。", "The name in reports, in English.", 22),
    Column("why.zh", "为什么", "why (Chinese)", "为什么重要，中文；客服会读到。", "Why it matters, in Chinese; agents read it.", 34),
    Column("why.en", "为什么（英文）", "why", "为什么重要，英文。", "Why it matters, in English.", 34),
    Column("dimension", "维度", "dimension", "评分表里的维度编号。", "A dimension's id, from the scorecard.", 12),
    Column("severity", "严重程度", "severity", "低、中、高、严重。", "low, medium, high, critical.", 10, SEVERITIES),
    Column("points", "分值", "points", "负数扣分，正数加分。", "Below zero a deduction, above zero a bonus.", 8, number=True),
    Column("fatal", "一票否决", "fatal", "是：命中一次，整通电话 0 分。", "yes: one hit and the call scores 0.", 10, ("false", "true")),
    Column("cap", "封顶", "cap", "一通电话最多扣（加）多少分，写正数。", "The most points in one call, as a positive number.", 8, number=True),
    Column("once_per", "计次间隔", "once per", "多久以内只算一次，例如 60 s。空着：一通电话只算一次。", "Counts once within this time, for example 60 s. Empty: once a call.", 10),
    Column("who", "谁", "who", "谁说的。", "Who says it.", 9, ("agent", "customer", "anyone")),
    Column("says", "说了", "says", "说了这些中的一个就命中。" + _LINES_ZH, "Hits when one of these is said. " + _LINES_EN, 30),
    Column("never_says", "没有说", "never says", "这些一个也没说就命中。" + _LINES_ZH, "Hits when none of these is said. " + _LINES_EN, 24),
    Column("unless", "除非", "unless", "同一句话里也说了这些就不算。" + _LINES_ZH, "Not where the same turn also says one of these. " + _LINES_EN, 22),
    Column("except", "例外", "except", "词落在这些更长的说法里时不算。" + _LINES_ZH, "Not where the word lies inside one of these. " + _LINES_EN, 22),
    Column("in", "在哪一段", "in", "例如 first 15 s、last 2 turns of agent。空着：整通电话。", "For example first 15 s, last 2 turns of agent. Empty: the whole call.", 16),
    Column("need", "要几个", "need", "any 任一、all 全部，或要说到几个不同的。", "any, all, or how many different ones.", 8),
    Column("times", "几次", "times", "一共至少几次。", "How often in all, at least.", 7, number=True),
    Column("match", "怎么匹配", "match", "照写 exact、同音 sound，或 fuzzy 0.85。", "exact, sound, or fuzzy 0.85.", 12),
    Column("tolerate", "不分的音", "tolerate", "同音时不分的音：n/l、zh/z……或 all，一行一个。", "With sound: pairs taken for the same, n/l, zh/z …, or all; one a line.", 12),
    Column("when", "其他条件", "other condition", "「说了」「没有说」写不下的条件，照规则语言的 YAML 写（docs/rules.zh.md 的 when）。写了它，左边几列要空着。", "What the columns before cannot say: the rule's `when` in YAML, see docs/rules.md. Leave those columns empty then.", 44),
    Column("define", "命名条件", "named conditions", "这条规则用到的 define，YAML。", "The rule's `define`, in YAML.", 24),
    Column("applies_to", "适用于", "applies to", "通话清单的列和允许的值：queue = 售后 | 退款，一行一列。", "Columns of the call list and the values they may have: queue = returns | refunds; one a line.", 20),
    Column("clause", "合同条款", "contract clause", "合同里的哪一条。", "Which clause of the contract.", 14),
    Column("tags", "标签", "tags", "一行一个。", "One a line.", 12),
    Column("valid_from", "生效日", "valid from", "例如 2026-11-01。", "For example 2026-11-01.", 12),
    Column("valid_until", "失效日", "valid until", "例如 2026-12-31。", "For example 2026-12-31.", 12),
    Column("visibility", "可见性", "visibility", "隐藏的规则不进给服务商的包。", "Hidden rules stay out of the provider's pack.", 9, VISIBILITIES),
    Column("file", "文件", "file", "规则写在哪个文件里；空着：rules.yaml。", "Which file the rule is kept in; empty: rules.yaml.", 16),
)  # fmt: skip

CASES: tuple[Column, ...] = (
    Column("rule", "规则编号", "rule", "这个用例属于哪条规则。", "The rule that the case belongs to.", 26),
    Column("verdict", "应当", "verdict", "这段对话应当：命中、不命中、无法判定。每条规则至少要有一个命中和一个不命中。", "What must come out: hit, miss or undecided. Every rule needs at least one hit and one miss.", 12, ("hit", "miss", "undecided")),
    Column("dialogue", "对话", "dialogue", "一行一句：客服：…… 或 客户：……；也可以写 pause: 8 s、unheard: agent 3 s、call: queue = 售后。", "A line a turn: agent: … or customer: …; also pause: 8 s, unheard: agent 3 s, call: queue = returns.", 80),
)  # fmt: skip

SCORECARD: tuple[Column, ...] = (
    Column("id", "编号", "id", "维度编号：小写字母、数字和连字符。", "The dimension's id: small letters, digits, hyphens.", 18),
    Column("title.zh", "名称", "title (Chinese)", "中文名称。", "The name in Chinese.", 20),
    Column("title.en", "英文名称", "title", "英文名称。", "The name in English.", 24),
    Column(
        "weight",
        "权重",
        "weight",
        "相对的重要程度，空着：1。",
        "How much it counts relative to the others; empty: 1.",
        8,
        number=True,
    ),
)

MANUAL: tuple[Column, ...] = (
    Column("id", "编号", "id", "小写字母、数字和连字符，不能和规则相同。定了就不要改。", "Small letters, digits, hyphens; other than every rule's. Keep it for ever.", 24),
    Column("title.zh", "名称", "title (Chinese)", "报告里的名称，中文。", "The name in reports, in Chinese.", 22),
    Column("title.en", "英文名称", "title", "报告里的名称，英文。", "The name in reports, in English.", 26),
    Column("question.zh", "问题", "question (Chinese)", "问复核人的话，用「是」或「否」回答。", "What the reviewer is asked, in Chinese: yes or no.", 40),
    Column("question.en", "问题（英文）", "question", "问复核人的话，英文。", "What the reviewer is asked, in English: yes or no.", 40),
    Column("dimension", "维度", "dimension", "评分表里的维度编号。", "A dimension's id, from the scorecard.", 12),
    Column("points", "分值", "points", "负数扣分，正数加分。", "Below zero a deduction, above zero a bonus.", 8, number=True),
    Column("on_no", "答「否」时计分", "on no", "是：回答「否」时计分；空着：回答「是」时计分。", "yes: the points count where the answer is no; empty: where it is yes.", 10, ("false", "true")),
    Column("may_not_apply", "可不适用", "may not apply", "是：复核人可以答「不适用」。", "yes: the reviewer may answer «does not apply».", 10, ("false", "true")),
    Column("severity", "严重程度", "severity", "低、中、高、严重；空着：中。", "low, medium, high, critical; empty: medium.", 10, SEVERITIES),
    Column("clause", "合同条款", "contract clause", "合同里的哪一条。", "Which clause of the contract.", 14),
)  # fmt: skip

PACK: tuple[Column, ...] = (
    Column("id", "编号", "id", "规则包的编号。", "The pack's id."),
    Column("version", "版本", "version", "三个数：1.2.0。改了就加。", "Three numbers: 1.2.0. Raise it with every change."),
    Column("language", "规则语言", "rule language", "规则语言的版本，照抄。", "Version of the rule language; leave it."),
    Column("qc", "最低 qc 版本", "oldest qc", "最低的 qc 版本，例如 0.1.0；可空。", "The oldest version of qc that will do, such as 0.1.0; may be empty."),
    Column("title.zh", "名称", "title (Chinese)", "中文名称。", "The name in Chinese."),
    Column("title.en", "英文名称", "title", "英文名称。", "The name in English."),
    Column("languages", "语言", "languages", "给人读的语言，一行一个。", "Languages that people read it in, one a line."),
    Column("authors", "作者", "authors", "一行一个。", "One a line."),
    Column("licence", "许可", "licence", "许可。", "The licence."),
    Column("base", "起始分", "base", "一通电话从多少分开始扣。", "Points that a call starts with.", number=True),
    Column("coverage_floor", "覆盖率下限", "coverage floor", "听清多少才能断定「没有说」，0 到 1。", "Share that must have been heard before «was not said» may be decided, 0 to 1.", number=True),
    Column("confidence_floor", "置信度下限", "confidence floor", "低于它的话按没听清算。", "Turns below it count as not heard.", number=True),
    Column("define", "命名条件", "named conditions", "全包通用的 define，YAML。", "The pack's `define`, in YAML."),
)  # fmt: skip
KEY, VALUE = ("项目", "setting"), ("内容", "value")

WORDS = ("says", "never_says", "unless", "except")
"""Columns of words."""

SIMPLE = (*WORDS, "who", "in", "need", "times", "match", "tolerate")
"""Keys of a condition that have columns of their own."""

_BACK = {label.casefold(): word for word, labels in LABELS.items() for label in labels}


def label(word: str, lang: str) -> str:
    """A drop-down's value as it is shown."""
    return LABELS[word][0 if lang == "zh" else 1] if word in LABELS else word


def unlabel(text: str) -> str:
    """The word that a drop-down's value stands for; other text as it is."""
    return _BACK.get(text.casefold(), text)


def sheet_name(key: str, lang: str) -> str:
    """A sheet's name in one language."""
    return SHEETS[key][0 if lang == "zh" else 1]
