"""The rule language's reference page, in Chinese and English, made from the registries that read rules.

`docs/make.py` writes it to docs/rules.md and docs/rules.zh.md; the tests run every rule on it.
"""

from __future__ import annotations

import textwrap

from qc.packs.cases import LINE_KEYS
from qc.packs.model import SEVERITIES
from qc.packs.mutations import MUTATIONS
from qc.packs.parse import MANUAL_KEYS, PACK_KEYS, RULE_KEYS
from qc.packs.reasons import WHY
from qc.packs.syntax import CONDITIONS, Key
from qc.packs.terms import FORMS
from qc.packs.where_doc import WHERE, WHERE_EXAMPLE

RULE_DOC: tuple[Key, ...] = (
    Key("id", "编号：小写字母、数字、连字符，永远不改", "its name for ever: small letters, digits, hyphens"),
    Key("title", "标题，`{zh: …, en: …}` 或一句话", "title, `{zh: …, en: …}` or one text for both"),
    Key("why", "为什么有这条规则，坐席会读到", "why the rule is there; agents read it"),
    Key("dimension", "维度，pack.yaml 里列出的一个", "one of the dimensions in pack.yaml"),
    Key("severity", "严重程度：" + "、".join(SEVERITIES), "one of " + ", ".join(SEVERITIES)),
    Key("points", "分数：负数扣分，正数加分，0 只提醒", "below zero a deduction, above zero a bonus, 0 only tells"),
    Key("when", "条件，见下", "the condition, see below"),
    Key(
        "cases",
        "用例：至少一个必须命中、一个必须不命中，否则规则不能加载",
        "at least one dialogue that must hit and one that must miss",
    ),
    Key("fatal", "true：命中则整通电话 0 分", "true: a hit makes the call's score 0", "false"),
    Key("cap", "一通电话里最多扣（加）多少分", "the most it may take (or give) in one call, in points", "无 / none"),
    Key(
        "once_per",
        "每隔多久可以再算一次，例如 60 s",
        "counts again for what comes so much later, for example 60 s",
        "一通一次 / once a call",
    ),
    Key("clause", "合同条款", "contract clause"),
    Key("tags", "标签", "tags"),
    Key(
        "applies_to",
        "适用于哪些通话：清单的列和值，全部符合才适用",
        "columns of the call list and their values; all must fit",
        "全部 / all",
    ),
    Key("valid_from", "生效的第一天，2026-11-01", "first day of calls, 2026-11-01"),
    Key("valid_until", "有效的最后一天", "last day of calls"),
    Key(
        "visibility",
        "hidden：导出的封装包里没有这条规则，只有它的承诺值（见 docs/packs.md）",
        "hidden: a sealed pack holds only a commitment to the rule, not the rule (docs/packs.md)",
        "shown",
    ),
    Key(
        "define",
        "给条件起名字，`名字: 条件`；在这条规则里写名字就是写那个条件",
        "names for conditions, `name: condition`; in this rule the name stands for it",
        "无 / none",
    ),
)

MANUAL_DOC: tuple[Key, ...] = (
    Key("id", "编号，不能和规则或别的评分项相同", "its name for ever, other than every rule's and item's"),
    Key("title", "标题，`{zh: …, en: …}` 或一句话", "title, `{zh: …, en: …}` or one text for both"),
    Key("question", "问复核人的话，用「是」或「否」回答", "what the reviewer is asked; the answer is yes or no"),
    Key("dimension", "维度，pack.yaml 里列出的一个", "one of the dimensions in pack.yaml"),
    Key("points", "分数：负数扣分，正数加分", "below zero a deduction, above zero a bonus"),
    Key(
        "on_no",
        "true：回答「否」时计分，不写则回答「是」时计分",
        "true: the points count where the answer is no, not where it is yes",
        "false",
    ),
    Key(
        "may_not_apply",
        "true：复核人可以答「不适用」，该项就不计",
        "true: the reviewer may answer «does not apply», and it counts for nothing",
        "false",
    ),
    Key("severity", "严重程度：" + "、".join(SEVERITIES), "one of " + ", ".join(SEVERITIES), "medium"),
    Key("clause", "合同条款", "contract clause"),
)

PACK_DOC: tuple[Key, ...] = (
    Key("id", "规则包的编号", "the pack's name"),
    Key("version", "版本，三个数字：1.0.0", "version, three numbers: 1.0.0"),
    Key("language", "规则语言的版本，现在是 1", "version of the rule language, now 1"),
    Key(
        "qc",
        "最低的 qc 版本：0.1.0；更旧的 qc 不读这个包",
        "the oldest version of qc that will do: 0.1.0; an older one refuses the pack",
    ),
    Key("title", "标题", "title"),
    Key("languages", "给人看的语言", "languages that people read it in", "[zh, en]"),
    Key("authors", "作者", "authors"),
    Key("licence", "许可", "licence"),
    Key("base", "每通电话的起始分", "points that a call starts with", "100"),
    Key(
        "coverage_floor",
        "听清的语音占多少，才能说「没有说」",
        "share of the speech that must be heard before «was not said» is said",
        "0.9",
    ),
    Key(
        "confidence_floor",
        "平均对数概率低于它的话当作没听清",
        "turns with a lower mean log-probability count as not heard",
        "无 / none",
    ),
    Key("dimensions", "维度：`{id, title, weight}`", "dimensions: `{id, title, weight}`"),
    Key("manual", "只有人能判断的评分项，见下", "lines of the scorecard that only a person can judge, see below"),
    Key("lists", "词表，也可以每个放在 lists/名字.yaml", "word lists; or each in lists/NAME.yaml"),
    Key("define", "给条件起名字，所有规则都能用", "names for conditions that all rules may use"),
    Key("rules", "规则，也可以放在同一文件夹的其他 *.yaml 里", "rules; or in other *.yaml files of the folder"),
)

_LINE_ZH = {
    "agent": "客服说的话（也可写 客服）",
    "customer": "客户说的话（也可写 客户）",
    "system": "系统提示音",
    "unknown": "不知道是谁说的",
    "pause": "下一句之前静默多久",
    "overlap": "下一句在上一句结束前多久开始",
    "lasts": "下一句一共说了多久，不按平常语速：`3 s`",
    "unheard": "有语音、没有文字：`agent 3 s`",
    "silent": "这一方的声道全程没有语音：`agent`",
    "cut": "录音到此中断：`yes`",
    "call": "通话清单的一列：`queue = 售后`；空格子：`queue =`",
    "level": "下一句的音量，单位 dBFS：`-12`",
}

_THREE = """\
- id: promise-without-time
  title: {zh: 承诺没有时限, en: Promise without a time}
  why: {zh: 顾客要知道几点之前会有结果, en: A customer wants to know by when}
  dimension: certainty
  severity: medium
  points: -5
  when:
    who: agent
    says: [尽快, 尽早, 稍后]
    unless: [/\\d+ ?(分钟|小时|天)/, 今天下午]
  cases:
    hit:
      - agent: 我们会尽快联系商家
    miss:
      - agent: 我们将联系商家并在3小时内电话回复您

- id: no-greeting
  title: {zh: 没有问候, en: No greeting}
  why: {zh: 第一句话定下整通电话的气氛, en: The first words set the tone}
  dimension: warmth
  severity: low
  points: -3
  when:
    who: agent
    never_says: [您好, 你好, 欢迎致电]
    in: first 15 s
  cases:
    hit:
      - agent: 说吧什么事
    miss:
      - agent: 您好，很高兴为您服务

- id: complaint-not-registered
  title: {zh: 投诉没有登记, en: Complaint not registered}
  why: {zh: 没有记录的投诉等于没有发生, en: "Without a record, it never happened"}
  dimension: certainty
  severity: high
  points: -10
  when:
    all:
      - who: customer
        says: [我要投诉, 要投诉]
      - who: agent
        never_says: [登记, 工单, 记录]
  cases:
    hit:
      - |
        customer: 我要投诉
        agent: 那好吧
    miss:
      - |
        customer: 我要投诉
        agent: 已经为您登记工单
"""

_PACK = """\
id: my-pack
version: 1.0.0
language: 1
title: {zh: 我的规则包, en: My pack}
dimensions:
  - {id: certainty, title: {zh: 有保障, en: Certainty}}
  - {id: warmth, title: {zh: 有温度, en: Warmth}}
"""

_MANUAL = """\
manual:
  - id: need-met
    title: {zh: 解决了顾客的问题, en: What the customer came for was solved}
    question: {zh: 顾客打电话要办的事，办成了吗？, en: Was what the customer called for solved?}
    dimension: certainty
    points: -10
    on_no: true
    may_not_apply: true
"""

_INTRO = {
    "zh": """\
# 规则怎么写

一个规则包是一个文件夹：`pack.yaml`（名称、版本、维度），几个 `*.yaml` 文件（规则），`lists/` 里的词表。
从 `qc rules new 文件夹` 开始；先用 `qc search '尽快|稍后'` 在通话里找词，再写成规则。写好之后：`qc rules check 文件夹` 一次列出所有问题（文件、行、列、该怎么写），`qc rules test 文件夹` 运行用例，
`qc scan --rules 文件夹` 扫描通话。常有人要的规则，`rules/recipes-zh` 里大多有一条现成的可抄。

看三条规则，就会写第四条：
""",
    "en": """\
# How to write rules

A pack is a folder: `pack.yaml` (name, version, dimensions), some `*.yaml` files (rules), word lists in `lists/`. Begin with
`qc rules new FOLDER`, and find words in calls before you make them rules: `qc search 'as soon as'`. Then `qc rules check FOLDER` tells every problem at once (file, line, column, what to write), `qc rules test FOLDER` runs the
cases, `qc scan --rules FOLDER` scans calls. `rules/recipes-zh` holds a rule for most things that people ask for, to copy from.

Read three rules and write the fourth:
""",
}

_MANUAL_INTRO = {
    "zh": """\
`manual` 列出只有人能判断的评分项。每一项问一句话；`qc review` 把它交给复核人，回答连同姓名和时间存进表 `reviews`。有人答之前，
它在每一通电话里都是无法判定：最低得分算它扣分（不算加分），最高得分反之。机器从不回答它，扫描也不看它。
""",
    "en": """\
`manual` lists lines of the scorecard that only a person can judge. Each asks one question; `qc review` puts it to a reviewer, and
the answer goes into the table `reviews` with who and when. Until somebody has answered, it is undecided in every call: the worst
score counts it against the call, the best for it. No machine answers it, and scanning does not look at it.
""",
}

_MEANING = {
    "zh": """\
## 三种结论

命中（hit）、未命中（miss）、无法判定（undecided）。「没有说」只有在那一段确实听清楚时才成立：听清的语音占检测到的语音的比例
（覆盖率）不低于规则包的 `coverage_floor`。被标记的文字（幻听、循环、低置信度）既不能触发规则，也不能满足规则，只算没听清。
不知道角色的话，不能算在客服或客户头上：规则要的话只有这样的人说了，就是无法判定。录音中断，后面没说什么不得而知。
整个声道没有语音，也什么都证明不了。组合按克莱尼强三值逻辑：`all` 里有一个未命中就未命中，`any` 里有一个命中就命中，
其余有无法判定的就无法判定，`not` 无法判定仍是无法判定。每一处边界的确切含义写在 docs/meaning.md（英文）。

## 词、模式、词表

- 词：照常写。匹配不看标点、空格、全角半角、大小写、简繁体、数字写法（三小时 = 3小时，一二三一五 = 12315）。
  数字要和量词一起写（三小时，不要只写三）。数字不会被切断：「4小时」不会落在「24小时」里；英文单词也不会被切断。
- 模式：写在两条斜线之间，`/\\d+ ?(分钟|小时)/`，RE2 语法，不分大小写，`^` 和 `$` 是一句话的头尾。模式看到的是规范形式：
  数字是阿拉伯数字，汉字之间没有标点，英文单词之间一个空格，撇号去掉（don't 是 dont）。不许前后断言和反向引用。
  常用的只有这几样：`.` 任意一个字，`(甲|乙)` 甲或乙，`[您你]` 您或你，`?` 前面这个可有可无，`.{0,3}` 最多三个任意的字，`\\d+` 一个数。
  识别偶尔错一个字，`/爱.不退/` 就不怕。
- 词表：`says: {list: greetings}` 用 `lists/greetings.yaml` 里的词；也可以混写 `says: [您好, list: greetings]`。
- 一句话里几个词有重叠，取最左、最长的一个。
""",
    "en": """\
## Three verdicts

hit, miss, undecided. «Was not said» holds only where the window was really heard: heard speech ÷ detected speech (coverage)
at or above the pack's `coverage_floor`. Flagged text (pseudo-speech, loops, low confidence) can neither trigger nor satisfy a
rule; it counts as not heard. What somebody unknown said is not laid to the agent's or the customer's account: where only
such a turn says it, the rule is undecided. Where a recording breaks off, what was not said after is not known. A channel
without any speech proves nothing. Conditions combine by Kleene's strong logic: in `all` one miss is a miss, in `any` one hit
is a hit, else one undecided makes it undecided, and `not` undecided is undecided. What every
boundary means exactly is in docs/meaning.md.

## Words, patterns, lists

- Words: write them as they are. Matching ignores punctuation, spaces, width, case, simplified or traditional script, and how
  numbers are written (三小时 = 3小时, 一二三一五 = 12315). Write a number with its measure word. Numbers and spelled words are
  never cut: 4小时 is not in 24小时, «rude» is not in «intruder».
- Patterns stand between slashes, `/\\d+ ?(分钟|小时)/`: RE2 syntax, any case, `^` and `$` are the ends of a turn. A pattern sees
  the normal form: Arabic digits, no punctuation between Chinese characters, one space between English words, no apostrophes
  (don't is dont). No look-around, no back references. These few go a long way: `.` any one character, `(a|b)` either,
  `[您你]` one of these, `?` the one before may be missing, `.{0,3}` up to three characters, `\\d+` a number.
- Lists: `says: {list: greetings}` takes the words of `lists/greetings.yaml`; mixed: `says: [hello, list: greetings]`.
- Where words overlap in a turn, the leftmost longest counts.
""",
}


def reference(language: str) -> str:
    """The page in `zh` or `en`, Markdown."""
    zh = language == "zh"
    parts = [
        _INTRO[language],
        f"```yaml\n{_THREE}```\n",
        "## 规则的键\n" if zh else "## Keys of a rule\n",
        _table(RULE_DOC, language),
        "## 条件\n" if zh else "## Conditions\n",
        *(_condition(name, language) for name in CONDITIONS),
        _MEANING[language],
        _where(language),
        "## 词的写法\n" if zh else "## Ways to write a word\n",
        *(_form(name, language) for name in FORMS),
        "## 用例\n" if zh else "## Cases\n",
        _cases(language),
        "## pack.yaml\n",
        f"```yaml\n{_PACK}```\n",
        _table(PACK_DOC, language),
        "## 人工评分项\n" if zh else "## Manual items\n",
        _MANUAL_INTRO[language],
        f"```yaml\n{_MANUAL}```\n",
        _table(MANUAL_DOC, language),
        "## 无法判定、不适用的原因\n" if zh else "## Why undecided or not applicable\n",
        "\n".join(f"- `{word}`: {text[language]}" for word, text in WHY.items()) + "\n",
    ]
    return "\n".join(parts)


def _table(keys: tuple[Key, ...], language: str) -> str:
    zh = language == "zh"
    lines = ["| 键 | 意思 | 不写时 |" if zh else "| key | meaning | when left out |", "|---|---|---|"]
    for key in keys:
        lines.append(
            f"| `{key.name}` | {(key.zh if zh else key.en).replace('|', '/')} | {key.default.split(' / ')[0 if zh else -1]} |"
        )
    return "\n".join(lines) + "\n"


def _condition(name: str, language: str) -> str:
    syntax = CONDITIONS[name]
    text = syntax.zh if language == "zh" else syntax.en
    table = _table(syntax.keys, language) + "\n" if syntax.keys else ""
    example = textwrap.dedent(syntax.example)
    return f"### `{name}`\n\n{text}\n\n{table}```yaml\n{example}```\n"


def _where(language: str) -> str:
    return f"{WHERE[language]}\n```yaml\n{WHERE_EXAMPLE.good}```\n"


def _form(name: str, language: str) -> str:
    form = FORMS[name]
    zh = language == "zh"
    keys = tuple(Key(key, *meaning) for key, meaning in form.keys.items())
    table = _table(keys, language) + "\n" if keys else ""
    example = f"```yaml\n{textwrap.dedent(form.example)}```\n" if form.example else ""
    return f"### `{name}`\n\n{form.zh if zh else form.en}\n\n{table}{example}"


def _cases(language: str) -> str:
    zh = language == "zh"
    intro = (
        "一个用例是一小段对话：一行，或用 `|` 写几行。时间按平常语速推算；没有出现的角色当作在别处说过话。"
        if zh
        else "A case is a short dialogue: one line, or several after `|`. Times follow from an ordinary pace of speaking; a role that "
        "does not appear is taken to speak elsewhere."
    )
    lines = [f"- `{name}`: {_LINE_ZH[name] if zh else meaning}" for name, meaning in LINE_KEYS.items()]
    damage = (
        "`qc rules test` 还把必须命中的用例弄坏再跑，像识别会弄坏的那样，打印每条规则的稳健度：仍然得出该得结论的比例。它是一个数字，不是合格不合格。"
        if zh
        else "`qc rules test` also runs must-hit cases damaged as recognisers damage text, and prints each rule's robustness: the share "
        "that still comes out as it should. It is a figure, not a pass or a fail."
    )
    kinds = [f"- `{name}`: {texts[0 if zh else 1]}" for name, texts in MUTATIONS.items()]
    return "\n".join([intro, "", *lines, "", damage, "", *kinds, ""])


__all__ = ["MANUAL_DOC", "MANUAL_KEYS", "PACK_DOC", "PACK_KEYS", "RULE_DOC", "RULE_KEYS", "reference"]
