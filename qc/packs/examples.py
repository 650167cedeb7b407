"""An example of every condition, as a person writes it: shown by the reference page, run by the tests.

`good`: a rule's `when` and `cases`, which come out as they say. `bad`: a `when` that must be refused.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Example:
    good: str
    bad: str


EXAMPLES: dict[str, Example] = {
    "says": Example(
        good="""\
when:
  who: agent
  says: [尽快, 尽早, 稍后]
  unless: [/\\d+ ?(分钟|小时|天)/]
cases:
  hit:
    - agent: 我们会尽快联系商家
  miss:
    - agent: 我们将联系商家并在3小时内电话回复您
    - agent: 我们尽快联系商家，三小时内回电话给您
  undecided:
    - unheard: agent 3 s
    - unknown: 我们会尽快联系商家
""",
        bad="""\
when:
  who: agnet
  says: [尽快, /(?=尽早)/]
""",
    ),
    "never_says": Example(
        good="""\
when:
  who: agent
  never_says: [您好, 你好]
  in: first 15 s
cases:
  hit:
    - agent: 说吧什么事
  miss:
    - agent: 您好，请问有什么可以帮您
  undecided:
    - unheard: agent 3 s
      agent: 请问您要查什么
    - silent: agent
      customer: 喂，听得到吗
""",
        bad="""\
when:
  never_says: [您好]
  in: first 15
""",
    ),
    "silence": Example(
        good="""\
when:
  silence: {longer_than: 8 s, before: agent, except_after: [稍等]}
cases:
  hit:
    - customer: 我的订单到哪里了
      pause: 9 s
      agent: 您的订单已经发货
  miss:
    - customer: 我的订单到哪里了
      pause: 7 s
      agent: 您的订单已经发货
    - agent: 请您稍等
      pause: 12 s
      agent: 您的订单已经发货
  undecided:
    - customer: 我的订单到哪里了
      pause: 12 s
      unknown: 您的订单已经发货
""",
        bad="""\
when:
  silence: {longer: 8 s, before: agent}
""",
    ),
    "interruption": Example(
        good="""\
when:
  interruption: {by: agent, after: 1 s, overlap: 1 s}
cases:
  hit:
    - customer: 我上个星期买的东西到现在还没有收到
      overlap: 2 s
      agent: 您先听我说一下这个情况
  miss:
    - customer: 我上个星期买的东西到现在还没有收到
      agent: 您先听我说一下这个情况
    - customer: 我上个星期买的东西到现在还没有收到
      overlap: 500 ms
      agent: 您先听我说一下这个情况
  undecided:
    - |
      unknown: 我上个星期买的东西到现在还没有收到
      overlap: 2 s
      unknown: 您先听我说一下这个情况
""",
        bad="""\
when:
  interruption: {by: agent, after: 1}
""",
    ),
    "all": Example(
        good="""\
when:
  all:
    - who: customer
      says: [我要投诉]
    - who: agent
      never_says: [登记, 工单]
cases:
  hit:
    - customer: 我要投诉
      agent: 那好吧
  miss:
    - customer: 我要投诉
      agent: 已经为您登记
  undecided:
    - customer: 我要投诉
      unheard: agent 4 s
""",
        bad="""\
when:
  all: {who: customer, says: [我要投诉]}
""",
    ),
    "any": Example(
        good="""\
when:
  any:
    - who: customer
      says: [我要投诉]
    - silence: {longer_than: 20 s}
cases:
  hit:
    - customer: 我要投诉
  miss:
    - customer: 谢谢你
  undecided:
    - customer: 谢谢你
      unheard: customer 5 s
""",
        bad="""\
when:
  any:
    - says: [我要投诉]
    - say: [要投诉]
""",
    ),
    "not": Example(
        good="""\
when:
  all:
    - who: agent
      says: [退款]
    - not:
        says: [到账, 工作日]
cases:
  hit:
    - agent: 退款已经给您提交了
  miss:
    - agent: 退款已经给您提交了
      customer: 几个工作日能收到
  undecided:
    - agent: 退款已经给您提交了
      unheard: customer 5 s
""",
        bad="""\
when:
  not: [says]
""",
    ),
    "at_least": Example(
        good="""\
when:
  at_least: 2
  of:
    - {who: agent, says: [不归我们管]}
    - {who: agent, says: [没办法]}
    - {who: agent, says: [您自己]}
cases:
  hit:
    - agent: 没办法，您自己联系快递
  miss:
    - agent: 没办法，已经签收了
  undecided:
    - agent: 没办法，已经签收了
      unheard: agent 5 s
""",
        bad="""\
when:
  at_least: 3
  of:
    - {says: [没办法]}
""",
    ),
    "near": Example(
        good="""\
when:
  near:
    - {who: customer, says: [退款]}
    - {who: agent, says: [不行, 不可以]}
  within: 2 turns
cases:
  hit:
    - customer: 我要退款
      agent: 这个不行的
  miss:
    - |
      customer: 我要退款
      agent: 好的
      agent: 帮您申请
      agent: 微信付款不行
  undecided:
    - customer: 我要退款
      unheard: agent 4 s
""",
        bad="""\
when:
  near:
    - {who: customer, says: [退款]}
    - {who: agent, never_says: [可以]}
  within: nearby
""",
    ),
    "not_near": Example(
        good="""\
when:
  not_near:
    - {who: agent, says: [退款]}
    - {who: agent, says: [工作日, 到账]}
  within: 10 s
cases:
  hit:
    - agent: 退款已经提交了
      customer: 好的谢谢
  miss:
    - agent: 退款已经提交了
      agent: 三个工作日
  undecided:
    - agent: 退款已经提交了
      unheard: agent 4 s
""",
        bad="""\
when:
  not_near:
    - {who: agent, says: [退款]}
  within: 10 s
""",
    ),
    "then": Example(
        good="""\
when:
  then:
    - {who: customer, says: [我要投诉]}
    - {who: agent, says: [不归我们管], within: 2 turns}
    - {who: customer, says: [态度], within: 30 s}
cases:
  hit:
    - |
      customer: 我要投诉
      agent: 这个不归我们管
      customer: 你什么态度
  miss:
    - |
      customer: 你什么态度
      agent: 这个不归我们管
      customer: 我要投诉
  undecided:
    - |
      customer: 我要投诉
      unheard: agent 3 s
      customer: 你什么态度
""",
        bad="""\
when:
  then:
    - {who: customer, says: [我要投诉], within: 3 turns}
    - {who: agent, says: [不归我们管]}
""",
    ),
}
