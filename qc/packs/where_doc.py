"""What «3 turns after NAME» means exactly: the reference's section on windows beside a condition, and its example."""

from __future__ import annotations

from qc.packs.examples import Example

WHERE = {
    "zh": """\
## 在哪里：另一个条件的旁边

用 `define` 给一个条件起名字，`in` 就可以指它的旁边：`3 turns after complaint`（它之后的三句，算这个条件所说的那个人的话，它自己那句的后半句也算）、
`10 s before complaint`、`5 s around complaint`、`after complaint`（一直到通话结束）。名字前面可以写 `first`、`last`、`2nd`、`any`、`every`，
不写是 any：只要有一处成立。它一处也没有，就是未命中（`never_says` 也是）；还可能有没听清的一处，而结论要看那一处，就是无法判定。
它自己的字不算在旁边。能指的是发生在某一处的条件（says、silence、then 等），不能是 never_says、not、all。一个名字也可以直接当条件写。
""",
    "en": """\
## Where: beside another condition

`define` names a condition, and `in` may then point beside it: `3 turns after complaint` (the next three turns of whom this
condition names, and the rest of its own turn), `10 s before complaint`, `5 s around complaint`, `after complaint` (to the end
of the call). Before the name may stand `first`, `last`, `2nd`, `any` or `every`; any when left out: one place where it
holds is enough. Where it never happens the verdict is a miss (for `never_says` too); where it may have happened unheard, and that
could change the verdict, undecided. Its own words are not beside it. What happens at a place can be pointed at (says, silence,
then and the like), not never_says, not or all. A name also stands for its condition wherever one may be written.
""",
}

WHERE_EXAMPLE = Example(
    good="""\
define:
  complaint: {who: customer, says: [我要投诉]}
when:
  who: agent
  never_says: [登记, 工单]
  in: 2 turns after every complaint
cases:
  hit:
    - |
      customer: 我要投诉
      agent: 好的
      agent: 还有别的事吗
      agent: 已经登记了
  miss:
    - |
      customer: 我要投诉
      agent: 好的
      agent: 已经登记了
    - customer: 谢谢
  undecided:
    - customer: 我要投诉
      unheard: agent 4 s
""",
    bad="""\
define:
  complaint: {who: customer, never_says: [我要投诉]}
when:
  who: agent
  never_says: [登记]
  in: 2 turns after complain
""",
)
