"""Which of two voices is the agent's: told from who greets, offers help and closes like one, and who asks like a customer.

Words count once each, so that one phrase said over and over proves nothing. The recogniser's text is compared without
spaces and marks. Below the floor of sureness nobody is named: the roles stay unknown and role-bound rules undecided.
"""

from __future__ import annotations

from collections.abc import Sequence

from qc.transcribe.guard import squeezed

FLOOR = 0.6
_GREETS = (
    "为您服务 工号 请问有什么可以帮 有什么可以帮您 客服中心 很高兴为您 感谢您的来电 感谢致电 欢迎致电 这里是客服 售后服务 官方客服"
    " thankyouforcalling thanksforcalling howcanihelp howmayihelp howcaniassist howmayiassist customerservice customersupport customercare"
    " mynameis speakinghowcan"
).split()
_AGENT = (
    "帮您 为您 您这边 您稍等 您看 请您 给您 祝您 还有其他 您贵姓 您的订单 感谢您 跟您核实 提供一下 登记 反馈给"
    " isthereanythingelse letmecheck letmelook letmepull canihaveyour mayihaveyour couldyouprovide couldyouconfirm pleaseconfirm"
    " canyouverify couldyouverify iapologize haveagreatday haveagoodday haveaniceday haveawonderfulday foryourpatience assistyou helpyouwith"
).split()
_CUSTOMER = (
    "我要退 我要投诉 我的订单 我的快递 我的包裹 我买的 你们家 你们这 我想问 我想咨询 怎么还没 我收到的 什么时候能 我上次 给我退"
    " myorder iordered ibought iwantarefund imcallingabout imcallingbecause ineedto iwascharged whenwill ihaventreceived ididnt mycar"
).split()
_GREETING_POINTS = 2.0
_MOST_OTHERS = 3.0


def agent_of(texts: Sequence[Sequence[str]], sureness: float) -> tuple[int | None, float]:
    """(which of the two speakers is the agent, None below the floor; how sure, 0 to 1).

    `texts`: what each of the two said, turn by turn; `sureness`: that the voices were told apart rightly.
    """
    points = [_points(t) for t in texts]
    ahead = (points[0][0] - points[0][1]) - (points[1][0] - points[1][1])
    sure = sureness * (1.0 - 0.5 ** abs(ahead))
    return (None if sure < FLOOR else 0 if ahead > 0 else 1), round(sure, 4)


def _points(said: Sequence[str]) -> tuple[float, float]:
    """(how much like an agent, how much like a customer) one voice talks."""
    whole = "\n".join(squeezed(text) for text in said)
    first = "\n".join(squeezed(text) for text in said[:3])
    greets = _GREETING_POINTS if any(phrase in first for phrase in _GREETS) else 0.0
    agent = min(_MOST_OTHERS, float(sum(phrase in whole for phrase in _AGENT)))
    customer = min(_MOST_OTHERS, float(sum(phrase in whole for phrase in _CUSTOMER)))
    return greets + agent, customer
