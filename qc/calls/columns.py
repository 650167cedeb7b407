"""The call list's columns: what they are called by the systems that export them, and how their cells are read.

A cell that cannot be read is a problem with its line; the cell itself is kept among the row's other columns.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import datetime, timezone

from qc.errors import UsageError

NAMES: dict[str, list[str]] = {
    "call_id": (
        "call_id callid id recording_id recordingid record_id session_id sessionid conversation_id uuid contact_id"
        " 录音编号 录音id 录音流水号 通话id 通话编号 通话流水号 会话id 会话编号 流水号 呼叫id 呼叫编号 来电编号 编号"
    ).split(),
    "file": (
        "file filename file_name path filepath file_path recording record audio audio_file wav url"
        " 文件 文件名 文件名称 文件路径 录音 录音文件 录音文件名 录音地址 录音路径 音频 音频文件 路径"
    ).split(),
    "agent_id": (
        "agent_id agentid agent_no agent_code agent operator_id employee_id staff_id user_id"
        " 坐席工号 座席工号 客服工号 员工工号 员工编号 工号 坐席id 座席id 坐席编号 座席编号 客服id 客服编号"
    ).split(),
    "agent_name": (
        "agent_name agentname operator operator_name employee_name staff_name 坐席姓名 座席姓名 客服姓名 员工姓名 坐席 座席 坐席名称 客服 客服名称 姓名"
    ).split(),
    "provider": (
        "provider vendor supplier bpo outsourcer site company 服务商 供应商 外包商 外包公司 外包服务商 职场 公司 承接商 服务商名称"
    ).split(),
    "queue": "queue skill skill_group skillgroup call_type calltype line 技能组 队列 技能 业务线 呼叫类型 通话类型 组别 业务类型".split(),
    "started_at": (
        "started_at start_time starttime start begin_time call_time calltime datetime date timestamp time"
        " 开始时间 通话开始时间 呼叫时间 通话时间 来电时间 接通时间 录音时间 日期 时间"
    ).split(),
    "listed_duration_ms": (
        "duration_ms duration duration_s duration_seconds duration_sec seconds length talk_time talktime call_duration"
        " 时长 通话时长 录音时长 时长秒 通话时长秒 录音时长秒 时长毫秒 通话时长毫秒"
    ).split(),
    "hangup": "hangup hangup_by hung_up_by released_by release_by end_by disconnect 挂机方 挂断方 释放方 结束方".split(),
    "satisfaction": "satisfaction rating csat score satisfaction_score 满意度 评价 满意度评价 客户评价 满意度评分 评分".split(),
    "agent_channel": "agent_channel agentchannel 坐席声道 座席声道 客服声道 坐席通道 座席通道".split(),
}
"""Field of the calls table → the names its column goes by, most telling first."""

_SIDES = {"left": 0, "l": 0, "左": 0, "左声道": 0, "right": 1, "r": 1, "右": 1, "右声道": 1}
_HANGUP = {
    "agent": "agent 坐席 座席 客服 坐席挂机 座席挂机 客服挂机 坐席挂断 座席挂断 客服挂断 operator callee".split(),
    "customer": "customer client user caller 客户 用户 买家 消费者 客户挂机 用户挂机 客户挂断 用户挂断 主叫".split(),
    "system": "system ivr timeout 系统 超时 系统挂机 系统挂断 转接".split(),
}
_STARS = {"非常满意": 5, "很满意": 5, "满意": 4, "一般": 3, "不满意": 2, "非常不满意": 1, "很不满意": 1}
_FORMATS = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
    "%Y%m%d%H%M%S",
    "%Y%m%d",
    "%Y-%m-%d %H:%M:%S.%f",
    "%Y年%m月%d日 %H:%M:%S",
    "%Y年%m月%d日 %H:%M",
    "%Y年%m月%d日",
    "%Y%m%d %H:%M:%S",
    "%m/%d/%Y %H:%M:%S",
)
_LONGEST_MS = 7 * 24 * 3600 * 1000


def plain(header: str) -> str:
    """A header as it is compared: full-width folded, lower case, letters and digits alone."""
    return "".join(c for c in unicodedata.normalize("NFKC", header).lower() if c.isalnum())


def guess(columns: Sequence[str], mapping: dict[str, str], where: str) -> dict[str, str]:
    """Field → column: as mapped, else by the usual names. Raises UsageError for a mapping that does not fit."""
    for name, column in mapping.items():
        name_known = name in NAMES or name == "duration"
        if not name_known:
            raise UsageError(f"--map: no such field: {name}", hint=f"there are {', '.join(NAMES)}", code="map")
        if column not in columns:
            raise UsageError(f"--map: no such column: {column}", where=where, hint=f"there are {', '.join(columns)}", code="map")
    chosen = {("listed_duration_ms" if f == "duration" else f): c for f, c in mapping.items()}
    by_name: dict[str, str] = {}
    for column in columns:
        by_name.setdefault(plain(column), column)
    for field, names in NAMES.items():
        if field not in chosen:
            found = next(
                (by_name[plain(n)] for n in names if plain(n) in by_name and by_name[plain(n)] not in chosen.values()), None
            )
            if found is not None:
                chosen[field] = found
    return chosen


def started_at(cell: str) -> str:
    """A point in time as ISO 8601; its own offset is kept, none is made up. Raises ValueError."""
    text = unicodedata.normalize("NFKC", cell).strip()
    if re.fullmatch(r"1\d{9}(\d{3})?", text):
        seconds = int(text) / (1000 if len(text) == 13 else 1)
        return datetime.fromtimestamp(seconds, timezone.utc).isoformat()
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).isoformat()
    except ValueError:
        pass
    dashed = re.sub(r"^(\d{4})[/.](\d{1,2})[/.](\d{1,2})", r"\1-\2-\3", text)
    for form in _FORMATS:
        try:
            return datetime.strptime(dashed, form).isoformat()
        except ValueError:
            continue
    raise ValueError("this is no date and time such as 2024-05-01 09:30:00")


def duration_ms(cell: str, header: str) -> int:
    """A duration in ms from `mm:ss`, `hh:mm:ss`, or a number of seconds (of ms when the header says so). Raises ValueError."""
    text = unicodedata.normalize("NFKC", cell).strip().lower()
    if re.fullmatch(r"\d{1,3}(:\d{1,2}){1,2}(\.\d{1,6})?", text):
        total = 0.0
        for part in text.split(":"):
            total = total * 60 + float(part)
        found = round(total * 1000)
    else:
        number = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?)\s*(s|sec|秒|ms|毫秒)?", text)
        if number is None:
            raise ValueError("this is no duration such as 185, 3:05 or 0:03:05")
        in_ms = number[2] in ("ms", "毫秒") or (not number[2] and (plain(header).endswith("ms") or "毫秒" in header))
        found = round(float(number[1]) * (1 if in_ms else 1000))
    if found > _LONGEST_MS:
        raise ValueError("a call of more than a week")
    return found


def hangup(cell: str) -> str:
    """Who hung up: `agent`, `customer` or `system`. Raises ValueError."""
    text = plain(cell)
    for who, words in _HANGUP.items():
        if text in words:
            return who
    raise ValueError("this is none of agent, customer, system (坐席, 客户, 系统)")


def satisfaction(cell: str) -> int:
    """A rating from 1 to 5. Raises ValueError."""
    text = unicodedata.normalize("NFKC", cell).strip()
    if text in _STARS:
        return _STARS[text]
    if re.fullmatch(r"[1-5](\.0+)?|[1-5]\s*(分|星|stars?)", text):
        return int(text[0])
    raise ValueError("this is no rating from 1 to 5")


def agent_channel(cell: str) -> int:
    """The agent's channel, from 0: left or 0, right or 1, or a number. Raises ValueError."""
    text = unicodedata.normalize("NFKC", cell).strip().lower()
    if text in _SIDES:
        return _SIDES[text]
    if re.fullmatch(r"\d{1,2}(\.0)?", text) and int(text.split(".")[0]) < 64:
        return int(text.split(".")[0])
    raise ValueError("this is no channel: left, right, 0, 1, …")


READERS: dict[str, Callable[[str], object]] = {
    "started_at": started_at,
    "hangup": hangup,
    "satisfaction": satisfaction,
    "agent_channel": agent_channel,
}
"""Fields that are not plain text, but for the duration, which needs its header."""
