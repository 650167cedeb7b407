"""An example of every way to write a word: shown by the reference page, run by the tests."""

from __future__ import annotations

from qc.packs.examples import Example

FORM_EXAMPLES: dict[str, Example] = {
    "word": Example(
        good="""\
when:
  who: customer
  says: [我要投诉, {word: 消费者协会, match: fuzzy 0.75}, {word: 工商, match: exact}]
  match: sound
  tolerate: [n/l, zh/z, an/ang]
cases:
  hit:
    - customer: 我要头诉
    - customer: 我找消费者些会
    - customer: 我找工商
  miss:
    - customer: 我要退货
    - customer: 我找公伤
  undecided:
    - unheard: customer 4 s
""",
        bad="""\
when:
  says: [好, {word: 投诉, match: sounds, tolerate: [n/l]}]
  match: sound
""",
    ),
    "similar": Example(
        good="""\
when:
  who: agent
  says: [{similar: 麻烦您提供一下订单号, at_least: 0.7}]
cases:
  hit:
    - agent: 麻烦您提供下订单号码
  miss:
    - agent: 订单号您不用管
  undecided:
    - unknown: 麻烦您提供一下订单号
""",
        bad="""\
when:
  says: [{similar: 订单, at_least: 2}]
""",
    ),
    "entity": Example(
        good="""\
when:
  who: agent
  says: [entity: [phone, chat_handle]]
cases:
  hit:
    - agent: 您打幺三八零零一三八零零零
    - agent: 加我微信号 abc_12345
  miss:
    - agent: 您的订单号是一二三四五六七八
  undecided:
    - unheard: agent 4 s
""",
        bad="""\
when:
  says: [entity: telephone]
""",
    ),
    "list": Example(
        good="",
        bad="""\
when:
  says: {list: greetings}
""",
    ),
}
