"""An example of each measured condition: shown by the reference page, run by the tests."""

from __future__ import annotations

from qc.packs.examples import Example

MEASURE_EXAMPLES: dict[str, Example] = {
    "repeat": Example(
        good="""\
when:
  repeat: {who: agent, similarity: 0.75}
cases:
  hit:
    - |
      agent: 麻烦您提供一下付款截图
      customer: 我刚才发了
      agent: 请您提供一下付款截图
  miss:
    - |
      agent: 麻烦您提供一下付款截图
      customer: 我刚才发了
      agent: 好的我看一下
  undecided:
    - |
      agent: 麻烦您提供一下付款截图
      unheard: agent 4 s
""",
        bad="""\
when:
  repeat: {similarity: 80}
""",
    ),
    "count": Example(
        good="""\
when:
  count: {hits: at least 2, of: {who: customer, says: [投诉]}}
cases:
  hit:
    - |
      customer: 我要投诉
      agent: 您先别急
      customer: 我一定要投诉
  miss:
    - customer: 我要投诉
      agent: 您先别急
  undecided:
    - customer: 我要投诉
      unheard: customer 4 s
""",
        bad="""\
when:
  count: {turns: 30, hits: at least 2}
""",
    ),
    "reply": Example(
        good="""\
when:
  reply: {by: agent, longer_than: 5 s}
cases:
  hit:
    - |
      customer: 能退吗
      pause: 6 s
      agent: 可以的
  miss:
    - |
      customer: 能退吗
      pause: 4 s
      agent: 可以的
    - |
      agent: 可以的
      pause: 9 s
      customer: 能退吗
  undecided:
    - |
      customer: 能退吗
      pause: 6 s
      unknown: 可以的
""",
        bad="""\
when:
  reply: {by: anyone, longer_than: 5}
""",
    ),
    "speed": Example(
        good="""\
when:
  speed: {who: agent, pace: over 330, characters: 10}
cases:
  hit:
    - |
      lasts: 2 s
      agent: 您好我是客服很高兴为您服务
  miss:
    - agent: 您好我是客服很高兴为您服务
    - |
      lasts: 2 s
      customer: 您好我是客服很高兴为您服务
      agent: 好的
  undecided:
    - |
      lasts: 2 s
      unknown: 您好我是客服很高兴为您服务
""",
        bad="""\
when:
  speed: {who: agent, pace: fast}
""",
    ),
    "level": Example(
        good="""\
when:
  level: {who: customer, loudness: over -15 dBFS}
cases:
  hit:
    - |
      level: -12
      customer: 你们到底管不管
  miss:
    - |
      level: -30
      customer: 你们到底管不管
  undecided:
    - customer: 你们到底管不管
""",
        bad="""\
when:
  level: {who: customer, loudness: over -15 dBFS, rise: over 8 dB}
""",
    ),
    "call": Example(
        good="""\
when:
  call: {customer_share: under 30 %, after_last_turn: over 30 s, ended_by: customer}
cases:
  hit:
    - |
      call: hangup = customer
      agent: 您好这边帮您看到订单已经签收了
      customer: 好的
      pause: 40 s
  miss:
    - |
      call: hangup = customer
      agent: 您好这边帮您看到订单已经签收了
      customer: 好的
      pause: 20 s
  undecided:
    - |
      agent: 您好这边帮您看到订单已经签收了
      customer: 好的
      pause: 40 s
""",
        bad="""\
when:
  call: {duration: 20 min, agent_share: over 80}
""",
    ),
    "listed": Example(
        good="""\
when:
  listed: {queue: [售后, 退款], satisfaction: at most 2, ticket: missing}
cases:
  hit:
    - |
      call: queue = 退款
      call: satisfaction = 1
      call: ticket =
      agent: 您好
  miss:
    - |
      call: queue = 退款
      call: satisfaction = 5
      call: ticket =
      agent: 您好
  undecided:
    - agent: 您好
""",
        bad="""\
when:
  listed: {satisfaction: at most two}
""",
    ),
}
